"""The table of builds: only the lines on screen exist, and only changed ones are drawn again.

Deliberately not a DataTable: with ten thousand rows and a thousand events a second that takes ten
times as much of a core.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rich.segment import Segment
from textual.binding import Binding
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from app.model.grouping import Group
from app.model.sorting import ORDERS
from app.text.rows import Row, build_row
from app.text.wait_reasons import queue_position
from app.tui.table.columns import group_row, order_at, texts, titles
from app.tui.table.order import RowOrder, TableQuery
from app.tui.widgets.list_view import LineList

if TYPE_CHECKING:
    from rich.style import Style
    from textual import events
    from textual.binding import BindingType

    from app.model.sorting import Order
    from app.tui.run_model import RunModel
    from pool import BuildId, BuildState

__all__ = ["BuildTable", "ColumnHeader"]

_KINDS = (
    "building", "waiting", "queued", "failed", "built", "cached", "fetched",
    "cancelled", "skipped", "retried",
)  # fmt: skip
_REORDER_TICKS, _FEW = 3, 1000
"""With many builds rows change places at every third tick only: eyes need them to hold still."""
_MEASURE_TICKS = 12
"""With many builds it is told so often how many rows there are: the screen is laid out for that."""


class _Styles(NamedTuple):
    """Of a line: its own, that of its glyph and state, that of all behind them."""

    base: Style
    kind: Style
    dim: Style


class BuildTable(LineList):
    """All builds, one a line; one of them is selected."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open_group", "show", show=False, id="table.toggle"),
        Binding("s", "sort", "sort", id="table.sort"),
        Binding("S", "reverse", "reverse", show=False, id="table.reverse"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--dim", "table--selected", *(f"table--{kind}" for kind in _KINDS),
    }  # fmt: skip

    class Rearranged(Message):
        """It is sorted or filtered in another way."""

    def __init__(self, feed: RunModel, *, ascii_only: bool) -> None:
        super().__init__(id="builds")
        self._feed = feed
        self._ascii = ascii_only
        self._builds = RowOrder(feed.state)
        self._shown: dict[int, tuple[Row, bool]] = {}
        self._strips: dict[tuple[Row, bool, int], Strip] = {}
        self._styles: dict[tuple[str, bool], _Styles] = {}
        self._ticks = 0
        self.wanted = TableQuery()
        """What is shown, and in which order."""

    @property
    def count(self) -> int:
        """Builds and groups that are shown."""
        return len(self._builds)

    @property
    def selected(self) -> BuildState | None:
        """The build under the cursor; None where there is a group."""
        there = self._there
        return None if isinstance(there, Group) else there

    @property
    def group(self) -> Group | None:
        """The group under the cursor."""
        there = self._there
        return there if isinstance(there, Group) else None

    @property
    def _there(self) -> BuildState | Group | None:
        return self._builds.at(self._cursor) if self._cursor < len(self._builds) else None

    def tick(self) -> None:
        """Look at the state again; called some ten times a second."""
        self._ticks += 1
        replaced = self._builds.state is not self._feed.state
        few = len(self._builds) < _FEW
        if replaced or (self._feed.changed and (few or self._ticks % _REORDER_TICKS == 0)):
            self.put_in_order()
        if replaced or few or self._ticks % _MEASURE_TICKS == 0:
            self.measure()
        self._refresh_changed()

    def show(self, **changes: Any) -> None:  # noqa: ANN401 - fields of `TableQuery`
        """Show something else, or in another order; the selected build stays selected."""
        self.wanted = replace(self.wanted, **changes)
        self.put_in_order()
        self.measure()
        self.go(self._cursor)
        self.post_message(self.Rearranged())

    def put_in_order(self) -> None:
        """Put the rows in order; what is selected stays selected, wherever it goes."""
        before, group = self.selected, self.group
        kept = before.id if before else None
        if self._builds.state is self._feed.state:
            self._builds.update(self._feed.changed, kept)
        else:
            self._builds = RowOrder(self._feed.state)
        if self._builds.wanted != self.wanted:
            self._builds.show(self.wanted, kept)
        self._feed.changed.clear()
        line = self._builds.line_of_group(group.section) if group else None
        self._cursor = self._line(kept) if line is None else line
        if (now := self.selected) is not before and (not now or not before or now.id != before.id):
            self.post_message(self.Moved())

    def _line(self, build: BuildId | None) -> int:
        found = None if build is None else self._builds.line_of(build)
        return min(self._cursor, max(0, len(self._builds) - 1)) if found is None else found

    def select(self, build: BuildId) -> None:
        """Move the cursor to a build, if the filter shows it."""
        section = self._builds.section(build)
        if section is not None and self._builds.line_of(build) is None:
            self.show(opened=self.wanted.opened | {section})
        self.go(self._line(build))

    def _refresh_changed(self) -> None:
        top = self.scroll_offset.y
        changed = [
            y for y in range(top, top + self.size.height) if self._shown.get(y) != self._at(y)
        ]
        # Neighbours are told together: each call goes through the whole widget.
        for _, run in groupby(enumerate(changed), key=lambda pair: pair[1] - pair[0]):
            lines = [y for _, y in run]
            self.refresh_lines(lines[0], len(lines))

    def _at(self, y: int) -> tuple[Row, bool] | None:
        return (self._row(y), y == self._cursor) if y < len(self._builds) else None

    def _row(self, y: int) -> Row:
        there = self._builds.at(y)
        if isinstance(there, Group):
            return group_row(there)
        state = self._feed.state
        return build_row(
            there, state, self._feed.now, queue_position(there, state, self._feed.line)
        )

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        line = self.scroll_offset.y + y
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
        key = (shown.kind, selected)
        if key not in self._styles:
            self._styles[key] = self._looked_up(*key)
        base, kind, dim = self._styles[key]
        glyph, name, state, *rest = texts(shown, width, ascii_only=self._ascii)
        segments = [Segment(glyph, kind), Segment(name, base), Segment(state, kind)]
        segments += [Segment(text, dim) for text in rest]
        return Strip(segments).adjust_cell_length(width, base)

    def _looked_up(self, kind: str, selected: bool) -> _Styles:  # noqa: FBT001 - a cache key
        base = self.rich_style
        if selected:
            base += self.get_component_rich_style("table--selected", partial=True)
        kinds = self.get_component_rich_style(f"table--{kind}", partial=True)
        dim = self.get_component_rich_style("table--dim", partial=True)
        return _Styles(base, base + kinds, base + dim)

    def notify_style_update(self) -> None:
        """Forget what was drawn in other colours."""
        super().notify_style_update()
        self._strips.clear()
        self._styles.clear()

    # What hands do

    def sort(self, by: Order) -> None:
        """Sort by something; by the same again: the other way round."""
        self.show(by=by, backwards=by == self.wanted.by and not self.wanted.backwards)

    def action_sort(self) -> None:
        """Sort by the next thing there is to sort by."""
        self.show(by=ORDERS[(ORDERS.index(self.wanted.by) + 1) % len(ORDERS)], backwards=False)

    def action_reverse(self) -> None:
        """Turn the order round, within each section."""
        self.show(backwards=not self.wanted.backwards)

    def action_open_group(self) -> None:
        """Show the builds of the selected group, or group them away again."""
        if (group := self.group) is not None:
            self.show(opened=self.wanted.opened ^ {group.section})

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave Enter to the screen unless a group is selected."""
        return self.group is not None if action == "open_group" else True

    def clicked(self, event: events.Click) -> None:
        """A group opens or closes at once."""
        if self.group is not None:
            self.action_open_group()
        else:
            super().clicked(event)


class ColumnHeader(ScrollView):
    """The titles of the columns; the one that is sorted by is marked, a click sorts."""

    class Chosen(Message):
        """A title was clicked."""

        def __init__(self, by: Order) -> None:
            super().__init__()
            self.by = by

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__(id="titles")
        self._ascii = ascii_only
        self._wanted = TableQuery()

    def show(self, wanted: TableQuery) -> None:
        """Mark another order."""
        self._wanted = wanted
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw the one line."""
        by, backwards = self._wanted.by, self._wanted.backwards
        text = titles(self.size.width, by, backwards=backwards, ascii_only=self._ascii)
        return Strip([Segment(text, self.rich_style)])

    def on_click(self, event: events.Click) -> None:
        """Say what was clicked, if one can sort by it."""
        if (by := order_at(self.size.width, event.x)) is not None:
            self.post_message(self.Chosen(by))
