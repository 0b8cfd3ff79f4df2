"""The help screen: the keys of every screen and what they do.

The descriptions are longer than those of the key line. A test compares them with the bindings: a
key without a description fails it. Replays leave out the keys that control a run; live runs leave
out the keys that move in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from rich.text import Text
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

__all__ = [
    "SECTIONS",
    "HelpScreen",
    "Keys",
    "Section",
    "sections_for",
    "sections_of_diff",
]

_KEYS_WIDTH = 17
"""Width in cells of the key column; with the frame, a line fits into 80 columns."""

_When = Literal["always", "live", "replay", "attached", "owned"]


class Keys(NamedTuple):
    """One line of the help screen.

    Attributes:
        keys: the keys as shown.
        does: what they do.
        bindings: the ids of their bindings.
        when: ``live`` for live runs, ``replay`` for replays, ``attached`` for another process's
            run, ``owned`` for everything else.
    """

    keys: str
    does: str
    bindings: tuple[str, ...]
    when: _When = "always"


class Section(NamedTuple):
    """The keys of one screen, or of all screens."""

    title: str
    screen: str
    """The name of the screen's class; "" for all screens."""
    lines: tuple[Keys, ...]


_TYPED = tuple(f"cap.type_{digit}" for digit in "123456789")


def _moves(kind: str) -> Keys:
    ends = ("down", "up", "page_down", "page_up", "first", "last")
    return Keys("j k g G arrows", "move; pages: Ctrl-F Ctrl-B", tuple(f"{kind}.{e}" for e in ends))


_DASHBOARD = (
    _moves("rows"),
    Keys("Enter", "details of the build (or double-click)", ("open_build",)),
    Keys("Enter", "on a group: show or hide its builds", ("table.toggle",)),
    Keys("l", "its log", ("open_log",)),
    Keys("Tab", "details: log, why, phases, needs", ("panel.next", "panel.previous")),
    Keys("t", "timeline: slots, builds, memory over time", ("timeline",)),
    Keys("T", "tree of dependencies", ("tree",)),
    Keys("s S", "sort by the next column; reverse", ("table.sort", "table.reverse")),
    Keys("/", "filter by name or state", ("filter",)),
    Keys("Escape", "clear the filter", ("filter.clear",)),
    Keys("+ -", "raise, lower the limit in brackets", ("cap.raise", "cap.lower"), "live"),
    Keys("1 to 9", "type its value", _TYPED, "live"),
    Keys("c", "select the next limit; memory is last", ("cap.next",), "live"),
    Keys("p", "pause: start no new builds; resume", ("pause",), "live"),
    Keys("x", "cancel the selected build (asks)", ("cancel",), "live"),
    Keys("r", "retry a failed build; after the end, run again", ("retry",), "live"),
    Keys("q Ctrl-C", "quit (asks while builds are running)", ("quit", "interrupt"), "owned"),
    Keys("q Ctrl-C", "detach: the run continues", ("detach",), "attached"),
)
_TIME = (
    Keys("space", "pause, resume", ("time.play", "replay.play", "timeline.play"), "replay"),
    Keys(
        "[ ]",
        "slower, faster",
        ("time.slower", "time.faster", "replay.slower", "replay.faster"),
        "replay",
    ),
    Keys(
        ", .  left right",
        "skip 5 seconds (arrows: in the table only)",
        (
            "time.back",
            "time.on",
            "replay.back",
            "replay.on",
            "timeline.step_back",
            "timeline.step_on",
        ),
        "replay",
    ),
    Keys("< >", "skip 30 seconds", ("time.far_back", "time.far_on"), "replay"),
    Keys(
        "f F",
        "next failure, previous failure",
        ("time.failure", "time.failure_before", "replay.failure"),
        "replay",
    ),
    Keys(":", "go to: 12:30, 90, +30, -30, 50%, failure", ("time.ask", "replay.ask"), "replay"),
    Keys("0 $", "beginning, end", ("time.start", "time.end"), "replay"),
)
SECTIONS = (
    Section("Builds", "Dashboard", _DASHBOARD),
    Section("Replay: time, on all screens", "", _TIME),
    Section(
        "A build",
        "BuildScreen",
        (
            Keys("l", "its log", ("build.log",)),
            Keys("e", "the log at its decisive line", ("build.error",)),
            Keys("y", "copy the command that repeats the failed step", ("build.copy",)),
            Keys("x", "cancel it (asks)", ("build.cancel",), "live"),
            Keys("r", "retry it", ("build.retry",), "live"),
            Keys("Tab", "switch between details and log", ("build.focus",)),
            Keys("q Escape Enter", "back", ("build.back",)),
        ),
    ),
    Section(
        "A log",
        "LogScreen",
        (
            Keys(
                "j k g G arrows",
                "scroll; beginning, end",
                ("log.down", "log.up", "log.first", "log.last"),
            ),
            Keys("space b", "pages (Ctrl-F Ctrl-B)", ("log.page_down", "log.page_up")),
            Keys(
                "/ n N",
                "search; next match, previous match",
                ("log.search", "log.next", "log.previous"),
            ),
            Keys("e", "first error", ("log.error",)),
            Keys("f F", "follow the end on and off", ("log.follow",)),
            Keys("w #", "wrap long lines; line numbers", ("log.wrap", "log.numbers")),
            Keys("y", "copy the selection, the cause, or all", ("log.copy",)),
            Keys("Y", "copy all", ("log.copy_all",)),
            Keys("q l Escape", "back", ("log.back",)),
        ),
    ),
    Section(
        "The timeline",
        "TimelineScreen",
        (
            _moves("rows"),
            Keys("h l left right", "move in time", ("timeline.left", "timeline.right")),
            Keys("+ -  z Z", "zoom in, out", ("timeline.in", "timeline.out")),
            Keys("0", "show the whole run", ("timeline.whole",)),
            Keys("f", "follow the end", ("timeline.follow",)),
            Keys("b", "rows by slot, rows by build", ("timeline.turn",)),
            Keys(
                "n N",
                "next build of a slot, previous build",
                ("timeline.next", "timeline.previous"),
            ),
            Keys("Enter", "details of the build (or double-click)", ("timeline.open",)),
            Keys("q t Escape", "back", ("timeline.back",)),
        ),
    ),
    Section(
        "The tree",
        "TreeScreen",
        (
            _moves("tree"),
            Keys(
                "space *",
                "fold the build; fold all",
                ("tree.fold", "tree.fold_all"),
            ),
            Keys("Enter", "details of the build", ("tree.open",)),
            Keys("q T Escape", "back", ("tree.back",)),
        ),
    ),
    Section(
        "On all screens",
        "",
        (
            Keys("?", "this help", ("help",)),
            Keys("Ctrl-P", "all commands by name; go to a build", ("command_palette",)),
            Keys("mouse", "select, open, scroll, sort, go to a time", ()),
        ),
    ),
)


_DIFF = Section(
    "Two runs compared",
    "DiffScreen",
    (
        _moves("rows"),
        Keys("Enter b, a", "details of B's build, of A's", ("diff.open_b", "diff.open_a")),
        Keys("l L", "the log of B's build, of A's", ("diff.log_b", "diff.log_a")),
        Keys("s S", "sort by the next column; reverse", ("diff.sort", "diff.reverse")),
        Keys("/", "filter by name or difference", ("diff.filter",)),
        Keys("Escape", "clear the filter", ("diff.clear",)),
        Keys("q Ctrl-C", "quit", ("diff.quit", "diff.interrupt")),
        Keys("?", "this help", ("diff.help",)),
    ),
)


def sections_of_diff() -> Iterator[Section]:
    """Yield the keys of the comparison. Both of its runs have ended."""
    yield _DIFF
    for section in sections_for("BuildScreen", replay=True, attached=True):
        if section.screen in ("BuildScreen", "LogScreen"):
            yield section


def sections_for(screen: str, *, replay: bool, attached: bool) -> Iterator[Section]:
    """Yield the sections that apply to this run: those of the current screen first."""
    whens = {"always", "replay" if replay else "live", "attached" if attached else "owned"}
    told = [
        section._replace(lines=tuple(line for line in section.lines if line.when in whens))
        for section in SECTIONS
    ]
    yield from (section for section in told if section.screen == screen)
    yield from (section for section in told if section.screen != screen and section.lines)


def _text(sections: Sequence[Section]) -> Text:
    text = Text()
    for section in sections:
        text.append(f" {section.title}\n", "bold")
        for line in section.lines:
            text.append(f"  {line.keys:<{_KEYS_WIDTH}} {line.does}\n")
        text.append("\n")
    text.rstrip()
    return text


class HelpScreen(ModalScreen[None]):
    """The list of keys; scrollable.

    Args:
        sections: the sections, in display order.
    """

    CSS_PATH = "dialogs.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss", "close", show=False, id="help.close"),
        Binding("m", "manual", show=False, id="help.manual"),
        Binding("down,j", "scroll(1)", show=False, id="help.down"),
        Binding("up,k", "scroll(-1)", show=False, id="help.up"),
        Binding("pagedown,space,ctrl+f", "page(1)", show=False, id="help.page_down"),
        Binding("pageup,b,ctrl+b", "page(-1)", show=False, id="help.page_up"),
        Binding("home,g", "scroll(-1000)", show=False, id="help.first"),
        Binding("end,G", "scroll(1000)", show=False, id="help.last"),
    ]

    def __init__(self, sections: Sequence[Section]) -> None:
        super().__init__()
        self._sections = sections

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        with Vertical(classes="dialog help"):
            yield Static("Keys", classes="dialog-title")
            with VerticalScroll(id="keys"):
                yield Static(_text(self._sections))
            keys = " j k  space b  scroll    m  manual    Escape  back"
            yield Static(keys, classes="dim", markup=False)

    @property
    def _list(self) -> VerticalScroll:
        return self.query_one("#keys", VerticalScroll)

    def action_manual(self) -> None:
        """Open the manual."""
        # rich.markdown takes 50 ms to import.
        from app.tui.screens.manual import ManualScreen  # noqa: PLC0415

        self.app.push_screen(ManualScreen())

    def action_scroll(self, lines: int) -> None:
        """Scroll by lines."""
        self._list.scroll_relative(y=lines, animate=False)

    def action_page(self, pages: int) -> None:
        """Scroll by pages."""
        self.action_scroll(pages * max(1, self._list.size.height - 1))
