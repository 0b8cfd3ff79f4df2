"""The rows of the timeline: one line of bars per slot or per build, with a cursor.

Only visible lines are rendered, and only changed ones are redrawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import set_cell_size
from rich.segment import Segment
from textual.strip import Strip

from app.model.status import kind_of
from app.text.rows import GLYPHS, TO_ASCII, build_title
from app.tui.timeline.bars import Piece, bars, build_pieces, slot_pieces
from app.tui.widgets.list_view import LineList
from pool import Record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    import pool
    from app.model.timeline import Span
    from app.tui.run_model import RunModel
    from app.tui.timeline.viewport import TimeRange

__all__ = ["Row", "TimelineChart"]

_SHADES = (
    "build", "environment", "hook", "check", "load", "other",
    "queued", "lock", "memory", "needs", "paused", "job",
)  # fmt: skip


class Row(Record, frozen=True):
    """One line: of a slot, of a build, or, if neither is set, of the run itself."""

    spans: Sequence[Span]
    slot: int | None = None
    build: pool.BuildId | None = None


class _LineKey(Record, frozen=True):
    """The inputs from which a line was drawn; equal inputs give equal lines."""

    row: tuple[int | None, pool.BuildId | None]
    part: TimeRange
    newest: tuple[int, str, float | None, int]
    """The number of spans, the kind and end of the last one, and the last cell it covers."""
    selected: bool
    picked: pool.BuildId | None
    label: str
    width: int


class TimelineChart(LineList):
    """Rows over a time range that the screen sets."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "bars--selected", "bars--picked", "bars--name", *(f"bars--{shade}" for shade in _SHADES),
    }  # fmt: skip

    def __init__(self, model: RunModel, part: TimeRange, *, ascii_only: bool) -> None:
        super().__init__(id="chart")
        self._model = model
        self._part = part
        self._ascii = ascii_only
        self._rows: list[Row] = []
        self._drawn: dict[int, _LineKey] = {}
        self._made_for: tuple[int, bool, int, bool] | None = None
        self._picked: pool.BuildId | None = None
        self._label = 12
        self.by_build = False
        """Whether rows are builds with their waits; otherwise slots."""

    def tick(self, part: TimeRange, label: int) -> None:
        """Apply changes.

        Args:
            part: the time range to show.
            label: the width of row labels in cells.
        """
        self._part, self._label = part, label
        rows = self._those_there()
        more, self._rows = len(rows) != len(self._rows), rows
        if more:
            self.measure()
        self._cursor = min(self._cursor, max(0, len(rows) - 1))
        top = self.scroll_offset.y
        for line in range(top, top + self.size.height):
            if self._drawn.get(line) != self._seen(line):
                self.refresh_line(line)

    def _those_there(self) -> list[Row]:
        timeline = self._model.timeline
        count = len(timeline.builds) if self.by_build else len(timeline.slots)
        key = (id(timeline), self.by_build, count, bool(timeline.run_spans))
        # Rebuilding the rows of ten thousand builds at every tick is too slow.
        if key == self._made_for:
            return self._rows
        self._made_for = key
        around = [Row(timeline.run_spans)] if timeline.run_spans else []
        if self.by_build:
            return around + [Row(spans, build=one) for one, spans in timeline.builds.items()]
        return around + [Row(timeline.slots[slot], slot=slot) for slot in sorted(timeline.slots)]

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self._rows)

    @property
    def row(self) -> Row | None:
        """The selected row."""
        return self._rows[self._cursor] if self._cursor < len(self._rows) else None

    @property
    def build(self) -> pool.BuildId | None:
        """The selected build: in a row by slot, the picked one or the last one shown."""
        row = self.row
        if row is None or row.slot is None:
            return None if row is None else row.build
        shown = self._builds_in(row)
        return self._picked if self._picked in shown else shown[-1] if shown else None

    def _builds_in(self, row: Row) -> list[pool.BuildId]:
        """Return the builds shown in a row, each once, the last one last."""
        cells = bars(row.spans, self._part, self._model.now)
        builds = [span.build for span in cells if span is not None and span.build is not None]
        # A build often holds a slot for a moment first, and for long later.
        return list(dict.fromkeys(reversed(builds)))[::-1]

    # Rendering

    def _seen(self, line: int) -> _LineKey | None:
        if line >= len(self._rows):
            return None
        row, part = self._rows[line], self._part
        last = row.spans[-1] if row.spans else None
        goes_on = last is not None and last.until is None
        upto = int(self._model.now / part.step) if goes_on else 0
        newest = (len(row.spans), last.kind, last.until, upto) if last else (0, "", None, 0)
        selected = line == self._cursor
        picked = self.build if selected else None
        width = self.scrollable_content_region.width
        return _LineKey(
            (row.slot, row.build), part, newest, selected, picked, self._text(row), width
        )  # fmt: skip

    def _text(self, row: Row) -> str:
        """Return the label of a row."""
        if row.slot is not None:
            return f"slot {row.slot}"
        if row.build is None:
            return "run"
        if (build := self._model.state.builds.get(row.build)) is None:
            return ""  # A replay that seeks back drops builds before the next tick.
        return f"{GLYPHS[kind_of(build)][self._ascii]} {build_title(build)}"

    def render_line(self, y: int) -> Strip:
        """Render one line."""
        line = self.scroll_offset.y + y
        width = self.scrollable_content_region.width
        seen = self._seen(line)
        if seen is None:
            self._drawn.pop(line, None)
            return Strip.blank(width, self.rich_style)
        self._drawn[line] = seen
        base = self.rich_style
        if seen.selected:
            base += self.get_component_rich_style("bars--selected", partial=True)
        # The selected row must be visible without colour.
        mark = ("*" if self._ascii else "▸") if seen.selected else " "
        segments = [Segment(mark + self._cut(seen.label), base)]
        for piece in self._pieces(self._rows[line]):
            style = base
            if piece.shade != "blank":
                style += self.get_component_rich_style(f"bars--{piece.shade}", partial=True)
            if piece.name:
                style += self.get_component_rich_style("bars--name", partial=True)
                if seen.picked is not None and piece.build == seen.picked:
                    style += self.get_component_rich_style("bars--picked", partial=True)
            segments.append(Segment(piece.text, style))
        return Strip(segments).adjust_cell_length(width, base)

    def _cut(self, label: str) -> str:
        # Mark truncated text.
        cut = set_cell_size(label, self._label - 2)
        if cut.rstrip() != label.rstrip():
            cut = set_cell_size(label, self._label - 3) + "…"
        return f"{cut.translate(TO_ASCII) if self._ascii else cut} "

    def _pieces(self, row: Row) -> list[Piece]:
        cells = bars(row.spans, self._part, self._model.now)
        if row.slot is None:
            return build_pieces(cells, ascii_only=self._ascii)
        builds = self._model.state.builds
        return slot_pieces(cells, lambda build: builds[build].name, ascii_only=self._ascii)

    def notify_style_update(self) -> None:
        """Redraw all lines in the new colours."""
        super().notify_style_update()
        self._drawn.clear()

    # Actions

    def toggle_rows(self) -> None:
        """Switch between rows by slot and rows by build; keep the selected build visible."""
        build = self.build
        self.by_build = not self.by_build
        self.tick(self._part, self._label)
        self._picked = build
        self.go(next((n for n, row in enumerate(self._rows) if self._has(row, build)), 0))
        # The scroll range is known only after the layout of the new rows.
        self.call_after_refresh(self.reveal)

    def _has(self, row: Row, build: pool.BuildId | None) -> bool:
        if self.by_build:
            return row.build == build
        # The build may also have held other slots for less than a cell's time.
        return row.slot is not None and build in self._builds_in(row)

    def pick(self, step: int) -> None:
        """Select the next or previous build of the selected slot."""
        row = self.row
        shown = self._builds_in(row) if row is not None and row.slot is not None else []
        build = self.build
        if build in shown:
            place = shown.index(build) + step
            self._picked = shown[min(max(place, 0), len(shown) - 1)]
        self.go(self._cursor)

    def clicked(self, event: events.Click) -> None:
        """Select the build of the clicked bar."""
        cells = bars(self._rows[self._cursor].spans, self._part, self._model.now)
        cell = event.x - self._label
        span = cells[cell] if 0 <= cell < len(cells) else None
        if span is not None:
            self._picked = span.build
        super().clicked(event)
