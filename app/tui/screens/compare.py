"""Comparison of two saved runs: one row per build with the figures of both, worst difference first.

Each run is a replay positioned at its end, so the build and log screens can be opened for either.
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
from app.tui.table.compare_columns import ORDERS, cells, cut, marks, select_pairs, titles
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
    "fixed": "good", "faster": "good",
}  # fmt: skip
_ABOUT_LINES = 20
"""Minimum screen height in lines for the differences of the selected build."""


class DiffApp(ThemedApp):
    """The app that compares two runs.

    Args:
        a: the journal of the earlier run.
        b: the journal of the run that is compared with it.
        threshold: the smallest relative increase that is reported.
        ascii_only: use ASCII characters only.
        theme: the name of a theme.

    Raises:
        JournalError: one of the journals cannot be read.
    """

    CSS_PATH = Path(__file__).with_name("compare.tcss")
    TITLE = "wheelpool"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", key_display="?", id="diff.help"),
        # Active on every screen, also while an input has the focus.
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
        self.models = _at_its_end(a), _at_its_end(b)
        one, other = map(_side, self.models)
        self.comparison = compare(one, other, threshold)
        self._ascii = ascii_only
        if ascii_only:
            self.use_ascii()

    def action_help(self) -> None:
        """Show the help screen."""
        self.push_screen(HelpScreen(tuple(sections_of_diff())))

    def get_default_screen(self) -> DiffScreen:
        """Return the comparison screen."""
        return DiffScreen(self.models, self.comparison, ascii_only=self._ascii)


def _at_its_end(journal: Path) -> RunModel:
    clock = pool.SystemClock()
    source = ReplaySource(journal, clock)
    source.seek(source.length)
    model = RunModel(source, clock)
    model.advance()
    return model


def _side(model: RunModel) -> Side:
    header = model.state.header
    assert header is not None, "a replay has read it"  # noqa: S101 - for the type alone
    return Side(header=header, state=model.state, timeline=model.timeline)


class DiffScreen(Screen[None]):
    """Both runs and their differences."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,b", "open(1)", "B's build", id="diff.open_b"),
        Binding("a", "open(0)", "A's build", id="diff.open_a"),
        Binding("l", "log(1)", "B's log", id="diff.log_b"),
        Binding("L", "log(0)", "A's log", key_display="L", id="diff.log_a"),
        Binding("s", "sort", "sort", id="diff.sort"),
        Binding("S", "reverse", "reverse", show=False, id="diff.reverse"),
        # With priority: text typed right after the slash must reach the input.
        Binding("slash", "filter", "filter", key_display="/", id="diff.filter", priority=True),
        Binding("escape", "clear_filter", show=False, id="diff.clear"),
        Binding("q", "app.quit", "quit", id="diff.quit"),
    ]

    def __init__(
        self, models: tuple[RunModel, RunModel], comparison: Comparison, *, ascii_only: bool
    ) -> None:
        super().__init__()
        self._models = models
        self._comparison = comparison
        self._ascii = ascii_only
        self._by: Order = "difference"
        self._backwards = False

    @property
    def pairs(self) -> _Pairs:
        """The table of pairs."""
        return self.query_one(_Pairs)

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield Static(id="runs", markup=False)
        yield Static(id="titles", markup=False)
        yield _Pairs(ascii_only=self._ascii)
        yield Input(placeholder="name, state or what differs", id="needle")
        yield Static(id="about", markup=False)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Fill the table and set the focus."""
        self.query_one(Input).display = False
        self.set_focus(self.pairs)
        self._update_rows()

    def on_resize(self, event: events.Resize) -> None:
        """Hide the lines below the table if the screen is too low for them."""
        self.query_one("#about").display = event.size.height >= _ABOUT_LINES
        self._update_titles()

    def _set_text(self, where: str, text: str) -> None:
        said = text.translate(TO_ASCII) if self._ascii else text
        self.query_one(where, Static).update(Text(said))

    def _headings(self) -> Iterator[str]:
        """Yield one heading line per run, with its totals."""
        for name, model, totals in zip("AB", self._models, self._sums, strict=True):
            if (header := model.state.header) is not None:
                yield f" {headline(name, header, totals)}"
        a, b = self._sums
        parts = [
            (
                f"{format_duration(a.wall)} -> {format_duration(b.wall)}  "
                f"{format_time_change(a.wall, b.wall)}"
            )
        ]
        if a.peak and b.peak:
            parts.append(
                f"peak {format_size(a.peak)} -> {format_size(b.peak)}  "
                f"{format_memory_change(a.peak, b.peak)}"
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

    def _update_rows(self) -> None:
        """Filter and sort the rows."""
        needle = self.query_one(Input).value
        pairs = self._comparison.pairs
        self.pairs.show(select_pairs(pairs, needle, self._by, backwards=self._backwards))
        self._update_titles()
        self._update_details()

    def _update_titles(self) -> None:
        """Update the headings and column titles."""
        width = max(1, self.size.width)
        self._set_text("#runs", "\n".join(cut(line, width) for line in self._headings()))
        text = titles(
            self.size.width - 1, self._by, backwards=self._backwards, ascii_only=self._ascii
        )
        self._set_text("#titles", text)

    def _update_details(self) -> None:
        """Show all differences of the selected build."""
        pair = self.pairs.selected
        if pair is None:
            found = self._comparison.pairs
            self._set_text(
                "#about", f" none of {format_count(len(found), 'build')}" if found else " no builds"
            )
            return
        lines = [f"{change.kind:<10} {change.text}" for change in pair.changes]
        lines = lines or ["nothing differs that is worth telling"]
        self._set_text("#about", "\n".join(f" {line}" for line in (pair.title, *lines)))

    # Actions

    def on_line_list_moved(self) -> None:
        """Show the newly selected build."""
        self._update_details()

    def on_line_list_opened(self) -> None:
        """Open the row that was double-clicked."""
        self.action_open(1)

    def _build_in(self, side: int) -> tuple[RunModel, pool.BuildState] | None:
        """Return the selected build in a run, or in the other run if it is missing there."""
        pair = self.pairs.selected
        if pair is None:
            return None
        both: list[tuple[RunModel, BuildFacts | None]] = [
            *zip(self._models, (pair.a, pair.b), strict=True)
        ]
        for model, facts in (both[side], both[1 - side]):
            if facts is not None:
                return model, model.state.builds[facts.build]
        return None

    def action_open(self, side: int) -> None:
        """Open the build screen of the selected build in one of the runs."""
        if (found := self._build_in(side)) is not None:
            self.app.push_screen(BuildScreen(*found, ascii_only=self._ascii))

    def action_log(self, side: int) -> None:
        """Open the log of the selected build in one of the runs."""
        if (found := self._build_in(side)) is not None and (path := found[0].log_path(found[1])):
            self.app.push_screen(LogScreen(*found, path))

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._by = ORDERS[(ORDERS.index(self._by) + 1) % len(ORDERS)]
        self._backwards = False
        self._update_rows()

    def action_reverse(self) -> None:
        """Reverse the sort order."""
        self._backwards = not self._backwards
        self._update_rows()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the filter key while an input has the focus."""
        return action != "filter" or not isinstance(self.focused, Input)

    def action_filter(self) -> None:
        """Open the filter input."""
        asked = self.query_one(Input)
        asked.display = True
        self.set_focus(asked)

    def on_input_changed(self) -> None:
        """Apply the filter while it is typed."""
        self._update_rows()

    def on_input_submitted(self) -> None:
        """Return the focus to the table and keep the filter."""
        self.set_focus(self.pairs)

    def action_clear_filter(self) -> None:
        """Clear the filter."""
        asked = self.query_one(Input)
        asked.value = ""
        asked.display = False
        self.set_focus(self.pairs)


class _Pairs(LineList):
    """One line per pair, with a cursor."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "pairs--dim", "pairs--selected", *(f"pairs--{shade}" for shade in _SHADES.values()),
    }  # fmt: skip

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__(id="pairs")
        self._ascii = ascii_only
        self._shown: Sequence[Pair] = ()

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self._shown)

    @property
    def selected(self) -> Pair | None:
        """The pair under the cursor."""
        return self._shown[self._cursor] if self._cursor < len(self._shown) else None

    def show(self, pairs: Sequence[Pair]) -> None:
        """Replace the rows; keep the selected pair if it is still present."""
        before = self.selected
        self._shown = pairs
        found = (line for line, pair in enumerate(pairs) if pair is before)
        self.measure()
        self.go(next(found, 0))

    def render_line(self, y: int) -> Strip:
        """Render one line."""
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
