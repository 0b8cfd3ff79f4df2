"""The table of builds: only visible lines are rendered, and only changed ones are redrawn.

It is not a Textual DataTable, which takes ten times the processor time for ten thousand rows and a
thousand events a second.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from msgspec.structs import replace
from rich.segment import Segment
from textual.binding import Binding
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from app.model.grouping import Group, Head
from app.model.sorting import ORDERS
from app.text.rows import Row, build_row
from app.text.wait_reasons import queue_position
from app.tui.table.columns import group_row, head_text, order_at, texts, titles
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
"""With many builds, rows are reordered at every third tick only, to keep them readable."""
_MEASURE_TICKS = 12
"""With many builds, the virtual size is updated once in this many ticks: it costs a layout pass."""


class _Styles(NamedTuple):
    """The styles of a line: of the line, of its glyph and state, of its other cells."""

    base: Style
    kind: Style
    dim: Style


class BuildTable(LineList):
    """All builds, one per line, with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open_group", "show", show=False, id="table.toggle"),
        Binding("s", "sort", "sort", show=False, id="table.sort"),
        Binding("S", "reverse", "reverse", show=False, id="table.reverse"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--dim", "table--selected", *(f"table--{kind}" for kind in _KINDS),
    }  # fmt: skip

    class Rearranged(Message):
        """The sort order or the filter has changed."""

    def __init__(self, model: RunModel, *, ascii_only: bool) -> None:
        super().__init__(id="builds")
        self._model = model
        self._ascii = ascii_only
        self._builds = RowOrder(model.state)
        self._shown: dict[int, tuple[Row | Head, bool]] = {}
        self._strips: dict[tuple[Row | Head, bool, int], Strip] = {}
        self._styles: dict[tuple[str, bool], _Styles] = {}
        self._ticks = 0
        self.table_query = TableQuery()
        """The current filter and sort order."""

    @property
    def count(self) -> int:
        """The number of rows: builds and groups."""
        return len(self._builds)

    @property
    def selected(self) -> BuildState | None:
        """The build under the cursor; None on a group."""
        there = self._there
        return None if isinstance(there, Group | Head) else there

    @property
    def group(self) -> Group | None:
        """The group under the cursor."""
        there = self._there
        return there if isinstance(there, Group) else None

    @property
    def _there(self) -> BuildState | Group | Head | None:
        return self._builds.at(self._cursor) if self._cursor < len(self._builds) else None

    def go(self, to: int) -> None:
        """Move the cursor to a line; past a head in the same direction."""
        super().go(self._skip_head(to, 1 if to >= self._cursor else -1))

    def is_selectable(self, line: int) -> bool:
        """Return whether a line is no head of a section."""
        return not isinstance(self._builds.at(line), Head)

    def _skip_head(self, line: int, step: int) -> int:
        """Return a line that is no head: this one, or the next or previous one."""
        line = min(max(line, 0), max(0, len(self._builds) - 1))
        if line >= len(self._builds) or self.is_selectable(line):
            return line
        # Below a head there is always a row or a group.
        return line + 1 if step > 0 or line == 0 else line - 1

    def show_heads(self, heads: bool) -> None:  # noqa: FBT001 - a state
        """Show a line above each section, or none."""
        if heads != self.table_query.heads:
            self.show(replace(self.table_query, heads=heads))

    def tick(self) -> None:
        """Apply changes of the state; called about ten times a second."""
        self._ticks += 1
        replaced = self._builds.state is not self._model.state
        few = len(self._builds) < _FEW
        if replaced or (self._model.changed and (few or self._ticks % _REORDER_TICKS == 0)):
            self.reorder()
        if replaced or few or self._ticks % _MEASURE_TICKS == 0:
            self.measure()
        self._refresh_changed()

    def show(self, query: TableQuery) -> None:
        """Change the filter, the sort order or the expanded groups; keep the selected build."""
        self.table_query = query
        self.reorder()
        self.measure()
        self.go(self._cursor)
        self.post_message(self.Rearranged())

    def reorder(self) -> None:
        """Reorder the rows; keep the selected row."""
        before, group = self.selected, self.group
        kept = before.id if before else None
        if self._builds.state is self._model.state:
            self._builds.update(self._model.changed, kept)
        else:
            self._builds = RowOrder(self._model.state)
        if self._builds.wanted != self.table_query:
            self._builds.show(self.table_query, kept)
        self._model.changed.clear()
        line = self._builds.line_of_group(group.section) if group else None
        self._cursor = self._line(kept) if line is None else line
        if (now := self.selected) is not before and (not now or not before or now.id != before.id):
            self.post_message(self.Moved())

    def _line(self, build: BuildId | None) -> int:
        found = None if build is None else self._builds.line_of(build)
        return self._skip_head(self._cursor, 1) if found is None else found

    def select(self, build: BuildId) -> None:
        """Move the cursor to a build, if it matches the filter."""
        section = self._builds.section(build)
        if section is not None and self._builds.line_of(build) is None:
            self.show(replace(self.table_query, expanded=self.table_query.expanded | {section}))
        self.go(self._line(build))

    def _refresh_changed(self) -> None:
        top = self.scroll_offset.y
        changed = [
            y for y in range(top, top + self.size.height) if self._shown.get(y) != self._at(y)
        ]
        # Refresh adjacent lines in one call: each call walks the whole widget.
        for _, run in groupby(enumerate(changed), key=lambda pair: pair[1] - pair[0]):
            lines = [y for _, y in run]
            self.refresh_lines(lines[0], len(lines))

    def _at(self, y: int) -> tuple[Row | Head, bool] | None:
        return (self._row(y), y == self._cursor) if y < len(self._builds) else None

    def _row(self, y: int) -> Row | Head:
        there = self._builds.at(y)
        if isinstance(there, Head):
            return there
        if isinstance(there, Group):
            return group_row(there)
        state = self._model.state
        return build_row(
            there, state, self._model.now, queue_position(there, self._model.slot_queue)
        )

    def render_line(self, y: int) -> Strip:
        """Render one line."""
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
            self._strips[key] = self._render_row(*key)
        return self._strips[key]

    def _render_row(self, shown: Row | Head, selected: bool, width: int) -> Strip:  # noqa: FBT001 - a cache key
        if isinstance(shown, Head):
            dim = self.rich_style + self.get_component_rich_style("table--dim", partial=True)
            return Strip([Segment(head_text(shown, width, ascii_only=self._ascii), dim)])
        key = (shown.kind, selected)
        if key not in self._styles:
            self._styles[key] = self._styles_of(*key)
        base, kind, dim = self._styles[key]
        glyph, name, state, *rest = texts(shown, width, ascii_only=self._ascii)
        segments = [Segment(glyph, kind), Segment(name, base), Segment(state, kind)]
        segments += [Segment(text, dim) for text in rest]
        return Strip(segments).adjust_cell_length(width, base)

    def _styles_of(self, kind: str, selected: bool) -> _Styles:  # noqa: FBT001 - a cache key
        base = self.rich_style
        if selected:
            base += self.get_component_rich_style("table--selected", partial=True)
        kinds = self.get_component_rich_style(f"table--{kind}", partial=True)
        dim = self.get_component_rich_style("table--dim", partial=True)
        return _Styles(base, base + kinds, base + dim)

    def notify_style_update(self) -> None:
        """Clear the cache of rendered lines after a change of colours."""
        super().notify_style_update()
        self._strips.clear()
        self._styles.clear()

    # Actions

    def sort(self, by: Order) -> None:
        """Sort by a column; by the same column again: reverse the order."""
        query = self.table_query
        self.show(replace(query, by=by, reverse=by == query.by and not query.reverse))

    def action_sort(self) -> None:
        """Sort by the next column."""
        following = ORDERS[(ORDERS.index(self.table_query.by) + 1) % len(ORDERS)]
        self.show(replace(self.table_query, by=following, reverse=False))

    def action_reverse(self) -> None:
        """Reverse the order within each section."""
        self.show(replace(self.table_query, reverse=not self.table_query.reverse))

    def action_open_group(self) -> None:
        """Expand or collapse the selected group."""
        if (group := self.group) is not None:
            self.show(
                replace(self.table_query, expanded=self.table_query.expanded ^ {group.section})
            )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Handle Enter only if a group is selected; else leave it to the screen."""
        return self.group is not None if action == "open_group" else True

    def clicked(self, event: events.Click) -> None:
        """Expand or collapse a clicked group at once."""
        if self.group is not None:
            self.action_open_group()
        else:
            super().clicked(event)


class ColumnHeader(ScrollView):
    """The column titles. The sort column is marked; a click selects another one."""

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
        """Mark another sort column."""
        self._wanted = wanted
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Render the line."""
        by, backwards = self._wanted.by, self._wanted.reverse
        text = titles(self.size.width, by, backwards=backwards, ascii_only=self._ascii)
        return Strip([Segment(text, self.rich_style)])

    def on_click(self, event: events.Click) -> None:
        """Post `Chosen` if the clicked column can be sorted by."""
        if (by := order_at(self.size.width, event.x)) is not None:
            self.post_message(self.Chosen(by))
