"""Two saved runs side by side: a table of builds with what both had of them, worst first.

Each run is a replay that stands at its end, so that what opens one build of it is the same screen
as everywhere else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.text import Text
from textual.binding import Binding
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Input, Static

import pool
from app.format import format_count, format_duration, format_size
from app.runs.compare import Side, compare, format_memory_change, format_time_change
from app.runs.compare_text import headline
from app.source.replay import ReplaySource
from app.text.rows import TO_ASCII
from app.tui.run_model import RunModel
from app.tui.screens.build import BuildScreen
from app.tui.screens.help import HelpScreen, sections_of_diff
from app.tui.screens.log import LogScreen
from app.tui.table.compare_columns import ORDERS, arranged, cells, cut, marks, titles
from app.tui.themes import ThemedApp
from app.tui.widgets.key_footer import KeyFooter
from app.tui.widgets.list_view import LineList

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from app.runs.compare import BuildFacts, ChangeKind, Comparison, Pair, Threshold, Totals
    from app.tui.table.compare_columns import Order

__all__ = ["DiffApp"]

_SHADES: dict[ChangeKind, str] = {
    "failed": "bad", "unfinished": "bad", "slower": "more", "memory": "more", "waited": "more",
    "tries": "more", "outcome": "other", "version": "other", "new": "other", "missing": "other",
    "mended": "good", "faster": "good",
}  # fmt: skip
_ABOUT_LINES = 20
"""What differs about the selected build is told on screens with at least so many lines."""


class DiffApp(ThemedApp):
    """The screens that compare two runs.

    Args:
        a: the journal of the run before.
        b: that of the run that is compared with it.
        threshold: how much more is worth telling.
        ascii_only: no glyphs beyond ASCII.
        theme: the name of one.

    Raises:
        JournalError: one of them cannot be read.
    """

    CSS_PATH = Path(__file__).with_name("compare.tcss")
    TITLE = "wheelpool"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", key_display="?", id="diff.help"),
        # On every screen, also while something is typed.
        Binding("ctrl+c", "quit", show=False, id="diff.interrupt", priority=True),
    ]

    def __init__(
        self,
        a: Path,
        b: Path,
        threshold: Threshold,
        *,
        ascii_only: bool,
        theme: str | None = None,
    ) -> None:
        super().__init__(theme)
        self.feeds = _at_its_end(a), _at_its_end(b)
        one, other = map(_side, self.feeds)
        self.comparison = compare(one, other, threshold)
        self._ascii = ascii_only

    def action_help(self) -> None:
        """Show what all keys do."""
        self.push_screen(HelpScreen(tuple(sections_of_diff())))

    def get_default_screen(self) -> DiffScreen:
        """Return the one screen that is always there."""
        return DiffScreen(self.feeds, self.comparison, ascii_only=self._ascii)


def _at_its_end(journal: Path) -> RunModel:
    clock = pool.SystemClock()
    source = ReplaySource(journal, clock)
    source.seek(source.length)
    feed = RunModel(source, clock)
    feed.advance()
    return feed


def _side(feed: RunModel) -> Side:
    header = feed.state.header
    assert header is not None, "a replay has read it"  # noqa: S101 - for the type alone
    return Side(header=header, state=feed.state, timeline=feed.timeline)


class DiffScreen(Screen[None]):
    """Both runs, and what differs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,b", "open(1)", "B's build", id="diff.open_b"),
        Binding("a", "open(0)", "A's build", id="diff.open_a"),
        Binding("l", "log(1)", "B's log", id="diff.log_b"),
        Binding("L", "log(0)", "A's log", key_display="L", id="diff.log_a"),
        Binding("s", "sort", "sort", id="diff.sort"),
        Binding("S", "reverse", "reverse", show=False, id="diff.reverse"),
        # At once: what is typed in one go with it must not be taken for commands.
        Binding("slash", "filter", "filter", key_display="/", id="diff.filter", priority=True),
        Binding("escape", "clear_filter", show=False, id="diff.clear"),
        Binding("q", "app.quit", "quit", id="diff.quit"),
    ]

    def __init__(
        self, feeds: tuple[RunModel, RunModel], comparison: Comparison, *, ascii_only: bool
    ) -> None:
        super().__init__()
        self._feeds = feeds
        self._comparison = comparison
        self._ascii = ascii_only
        self._by: Order = "difference"
        self._backwards = False

    @property
    def pairs(self) -> _Pairs:
        """The table."""
        return self.query_one(_Pairs)

    def compose(self) -> ComposeResult:
        """Stack the parts."""
        yield Static(id="runs", markup=False)
        yield Static(id="titles", markup=False)
        yield _Pairs(ascii_only=self._ascii)
        yield Input(placeholder="name, state or what differs", id="needle")
        yield Static(id="about", markup=False)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Show all of it."""
        self.query_one(Input).display = False
        self.set_focus(self.pairs)
        self._arrange()

    def on_resize(self, event: events.Resize) -> None:
        """Leave out what is below the rows where there is no room for it."""
        self.query_one("#about").display = event.size.height >= _ABOUT_LINES
        self._entitle()

    def _say(self, where: str, text: str) -> None:
        said = text.translate(TO_ASCII) if self._ascii else text
        self.query_one(where, Static).update(Text(said))

    def _heads(self) -> Iterator[str]:
        """Yield which runs these are, and what they come to."""
        for name, feed, totals in zip("AB", self._feeds, self._sums, strict=True):
            if (header := feed.state.header) is not None:
                yield f" {headline(name, header, totals)}"
        a, b = self._sums
        parts = [
            f"{format_duration(a.wall)} -> {format_duration(b.wall)}  {format_time_change(a.wall, b.wall)}"
        ]
        if a.peak and b.peak:
            parts.append(
                f"peak {format_size(a.peak)} -> {format_size(b.peak)}  {format_memory_change(a.peak, b.peak)}"
            )
        if (a.locks or b.locks) and format_time_change(a.locks, b.locks) != "the same":
            parts.append(
                f"waiting for locks {format_duration(a.locks)} -> {format_duration(b.locks)}"
            )
        parts += [f"{name} {one} -> {other}" for name, one, other in self._comparison.around]
        yield f"    {'   '.join(parts)}"

    @property
    def _sums(self) -> tuple[Totals, Totals]:
        return self._comparison.a, self._comparison.b

    def _arrange(self) -> None:
        """Show the rows that are wanted, in the order that is wanted."""
        needle = self.query_one(Input).value
        pairs = self._comparison.pairs
        self.pairs.show(arranged(pairs, needle, self._by, backwards=self._backwards))
        self._entitle()
        self._tell()

    def _entitle(self) -> None:
        """Say which runs these are, and what the columns are."""
        width = max(1, self.size.width)
        self._say("#runs", "\n".join(cut(line, width) for line in self._heads()))
        text = titles(
            self.size.width - 1, self._by, backwards=self._backwards, ascii_only=self._ascii
        )
        self._say("#titles", text)

    def _tell(self) -> None:
        """Say all that differs about the selected build."""
        pair = self.pairs.selected
        if pair is None:
            found = self._comparison.pairs
            self._say(
                "#about", f" none of {format_count(len(found), 'build')}" if found else " no builds"
            )
            return
        lines = [f"{change.kind:<10} {change.text}" for change in pair.changes]
        lines = lines or ["nothing differs that is worth telling"]
        self._say("#about", "\n".join(f" {line}" for line in (pair.title, *lines)))

    # What hands do

    def on_line_list_moved(self) -> None:
        """Another build is selected."""
        self._tell()

    def on_line_list_opened(self) -> None:
        """A row was clicked twice."""
        self.action_open(1)

    def _found(self, side: int) -> tuple[RunModel, pool.BuildState] | None:
        """Return the selected build in one of the runs, or in the other if it is not there."""
        pair = self.pairs.selected
        if pair is None:
            return None
        both: list[tuple[RunModel, BuildFacts | None]] = [
            *zip(self._feeds, (pair.a, pair.b), strict=True)
        ]
        for feed, facts in (both[side], both[1 - side]):
            if facts is not None:
                return feed, feed.state.builds[facts.build]
        return None

    def action_open(self, side: int) -> None:
        """Show all about the selected build in one of the runs."""
        if (found := self._found(side)) is not None:
            self.app.push_screen(BuildScreen(*found, ascii_only=self._ascii))

    def action_log(self, side: int) -> None:
        """Show the selected build's log in one of the runs."""
        if (found := self._found(side)) is not None and (path := found[0].log(found[1])):
            self.app.push_screen(LogScreen(*found, path))

    def action_sort(self) -> None:
        """Sort by the next thing there is to sort by."""
        self._by = ORDERS[(ORDERS.index(self._by) + 1) % len(ORDERS)]
        self._backwards = False
        self._arrange()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._backwards = not self._backwards
        self._arrange()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the slash to who types."""
        return action != "filter" or not isinstance(self.focused, Input)

    def action_filter(self) -> None:
        """Ask for what rows must have in them."""
        asked = self.query_one(Input)
        asked.display = True
        self.set_focus(asked)

    def on_input_changed(self) -> None:
        """Filter while it is typed."""
        self._arrange()

    def on_input_submitted(self) -> None:
        """Go back to the rows; the filter stays."""
        self.set_focus(self.pairs)

    def action_clear_filter(self) -> None:
        """Show all builds again."""
        asked = self.query_one(Input)
        asked.value = ""
        asked.display = False
        self.set_focus(self.pairs)


class _Pairs(LineList):
    """A line for each pair; one of them is selected."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "pairs--dim", "pairs--selected", *(f"pairs--{shade}" for shade in _SHADES.values()),
    }  # fmt: skip

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__(id="pairs")
        self._ascii = ascii_only
        self._shown: Sequence[Pair] = ()

    @property
    def count(self) -> int:
        """Pairs that are shown."""
        return len(self._shown)

    @property
    def selected(self) -> Pair | None:
        """The pair under the cursor."""
        return self._shown[self._cursor] if self._cursor < len(self._shown) else None

    def show(self, pairs: Sequence[Pair]) -> None:
        """Show other rows; the selected pair stays selected where it is among them."""
        before = self.selected
        self._shown = pairs
        found = (line for line, pair in enumerate(pairs) if pair is before)
        self.measure()
        self.go(next(found, 0))

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        line, width = self.scroll_offset.y + y, self.scrollable_content_region.width
        base = self.rich_style
        if line >= len(self._shown):
            return Strip.blank(width, base)
        if line == self._cursor:
            base += self.get_component_rich_style("pairs--selected", partial=True)
        pair = self._shown[line]
        shade = _SHADES[pair.changes[0].kind] if pair.changes else "dim"
        style = base + self.get_component_rich_style(f"pairs--{shade}", partial=True)
        name, differs, *rest = cells(pair, width, ascii_only=self._ascii)
        mark = marks(pair, ascii_only=self._ascii)
        segments = [Segment(f" {mark} ", style), Segment(name, base), Segment(differs, style)]
        segments += [Segment(text, base if pair.changes else style) for text in rest]
        return Strip(segments).adjust_cell_length(width, base)
