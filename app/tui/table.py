"""The table of builds: only the lines on screen exist, and only changed ones are drawn again.

Deliberately not a DataTable: with ten thousand rows and a thousand events a second that takes ten
times as much of a core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from app.tui.arrangement import Arrangement
from app.tui.columns import texts, titles
from app.view import RANKS, Row, kind_of, row

if TYPE_CHECKING:
    from textual import events
    from textual.binding import BindingType

    from app.tui.feed import Feed
    from pool import BuildId, BuildState

__all__ = ["BuildTable", "Titles"]

_KINDS = (
    "building", "waiting", "queued", "failed", "built", "cached", "fetched",
    "cancelled", "skipped", "retried",
)  # fmt: skip
_REORDER_TICKS, _FEW = 3, 1000
"""With many builds rows change places at every third tick only: eyes need them to hold still."""


class BuildTable(ScrollView, can_focus=True):
    """All builds, one a line; one of them is selected."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False, id="table.down"),
        Binding("up,k", "move(-1)", "up", show=False, id="table.up"),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False, id="table.page_down"),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False, id="table.page_up"),
        Binding("home,g", "move(-1000000000)", "first", show=False, id="table.first"),
        Binding("end,G", "move(1000000000)", "last", show=False, id="table.last"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--dim", "table--selected", *(f"table--{kind}" for kind in _KINDS),
    }  # fmt: skip

    class Selected(Message):
        """Another build is selected."""

    class Opened(Message):
        """The user wants to see a build's log."""

    def __init__(self, feed: Feed, *, ascii_only: bool) -> None:
        super().__init__(id="builds")
        self._feed = feed
        self._ascii = ascii_only
        self._builds = Arrangement(feed.state)
        self._shown: dict[int, tuple[Row, bool]] = {}
        self._strips: dict[tuple[Row, bool, int], Strip] = {}
        self._cursor = 0
        self._ticks = 0
        self.needle = ""
        """Only builds that have it are shown."""

    @property
    def selected(self) -> BuildState | None:
        """The build under the cursor."""
        return self._builds[self._cursor] if self._cursor < len(self._builds) else None

    def tick(self) -> None:
        """Look at the state again; called some ten times a second."""
        self._ticks += 1
        replaced = self._builds.state is not self._feed.state
        due = len(self._builds) < _FEW or self._ticks % _REORDER_TICKS == 0
        if replaced or (self._feed.changed and due):
            self.put_in_order()
        self._refresh_changed()

    def put_in_order(self) -> None:
        """Put the rows in order; the selected build stays selected, wherever it goes."""
        before = self.selected
        if self._builds.state is self._feed.state and self._builds.needle == self.needle:
            self._builds.update(self._feed.changed)
        else:
            self._builds = Arrangement(self._feed.state, self.needle)
        self._feed.changed.clear()
        self._cursor = self._index(before.id if before else None)
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._builds))
        if (selected := self.selected) is not None and (before is None or selected.id != before.id):
            self.post_message(self.Selected())
        self._refresh_changed()

    def _index(self, build: BuildId | None) -> int:
        found = None if build is None else self._builds.index(build)
        return min(self._cursor, max(0, len(self._builds) - 1)) if found is None else found

    def select(self, build: BuildId) -> None:
        """Move the cursor to a build, if it is shown."""
        self._go(self._index(build))

    def _refresh_changed(self) -> None:
        top = int(self.scroll_y)
        for y in range(top, top + self.size.height):
            now = (self._row(y), y == self._cursor) if y < len(self._builds) else None
            if self._shown.get(y) != now:
                self.refresh_line(y)

    def _row(self, y: int) -> Row:
        build = self._builds[y]
        queued = kind_of(build) == "queued" and not self.needle
        place = y - self._builds.first(RANKS["queued"]) if queued else None
        return row(build, self._feed.state, self._feed.now, place)

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        line = int(self.scroll_y) + y
        width = self.scrollable_content_region.width
        if line >= len(self._builds):
            self._shown.pop(line, None)
            return Strip.blank(width, self.rich_style)
        shown, selected = self._shown[line] = (self._row(line), line == self._cursor)
        key = (shown, selected, width)
        if key not in self._strips:
            if len(self._strips) > 4096:
                self._strips.clear()
            self._strips[key] = self._drawn(*key)
        return self._strips[key]

    def _drawn(self, shown: Row, selected: bool, width: int) -> Strip:  # noqa: FBT001 - a cache key
        base = self.rich_style
        if selected:
            base += self.get_component_rich_style("table--selected", partial=True)
        kind = base + self.get_component_rich_style(f"table--{shown.kind}", partial=True)
        dim = base + self.get_component_rich_style("table--dim", partial=True)
        glyph, name, state, *rest = texts(shown, width, ascii_only=self._ascii)
        segments = [Segment(glyph, kind), Segment(name, base), Segment(state, kind)]
        segments += [Segment(text, dim) for text in rest]
        return Strip(segments).adjust_cell_length(width, base)

    def notify_style_update(self) -> None:
        """Forget what was drawn in other colours."""
        super().notify_style_update()
        self._strips.clear()

    # What hands do

    def _go(self, to: int) -> None:
        if not self._builds:
            return
        self._cursor = min(max(to, 0), len(self._builds) - 1)
        top, height = int(self.scroll_y), max(1, self.size.height)
        if not top <= self._cursor < top + height:
            y = self._cursor if self._cursor < top else self._cursor - height + 1
            self.scroll_to(y=y, animate=False, immediate=True)
        self.refresh()
        self.post_message(self.Selected())

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self._go(self._cursor + lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by screens."""
        self._go(self._cursor + pages * max(1, self.size.height - 1))

    def on_click(self, event: events.Click) -> None:
        """Select what is clicked; open it at a double click."""
        line = int(self.scroll_y) + event.y
        if line < len(self._builds):
            self._go(line)
            if event.chain > 1:
                self.post_message(self.Opened())

    def on_resize(self) -> None:
        """Lay the rows out anew."""
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._builds))
        self._go(self._cursor)


class Titles(ScrollView):
    """The titles of the columns."""

    def render_line(self, y: int) -> Strip:
        """Draw the one line."""
        return Strip([Segment(titles(self.size.width), self.rich_style)])
