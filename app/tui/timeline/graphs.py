"""The graphs above the bars: memory and running builds with their limits, marks, and the time axis.

The scale of a graph is fixed: the budget or the machine's memory; the highest limit of the run.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from rich.cells import set_cell_size
from rich.text import Text
from textual.widget import Widget

from app.format import format_clock, format_size
from app.text.meters.sparkline import sparkline
from app.tui.timeline.viewport import ticks
from pool import Record

if TYPE_CHECKING:
    from app.model.series import Measure
    from app.tui.run_model import RunModel
    from app.tui.timeline.viewport import TimeRange

__all__ = ["TimelineGraphs"]

_LOW, _HIGH, _TALL = 2, 4, 40
"""The height of a graph in lines on screens with fewer than ``_TALL`` lines, and on others."""
_RULES = "╌_"
"""The characters of limit lines, Unicode and ASCII; graphs use neither."""
_MACHINE = 1 << 30
"""The scale of memory in bytes if neither the budget nor the machine's memory is known."""


class _Graph(Record, frozen=True, kw_only=True):
    name: str
    measure: Measure
    scale: float
    now: str
    cap: Measure
    """The limit, drawn as a line where the graph leaves room."""


class TimelineGraphs(Widget):
    """Graphs, marks and the axis, aligned with the bars below."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"graphs--line", "graphs--fill", "graphs--mark"}

    def __init__(self, model: RunModel, part: TimeRange, *, ascii_only: bool) -> None:
        super().__init__(id="graphs")
        self._model = model
        self._part = part
        self._label = 12
        self._ascii = ascii_only
        self._shown: Text = Text()

    @property
    def _rows(self) -> int:
        return _HIGH if self.app.size.height >= _TALL else _LOW

    def tick(self, part: TimeRange, label: int) -> None:
        """Redraw if anything has changed.

        Args:
            part: the time range to show.
            label: the width of graph labels in cells.
        """
        self._part, self._label = part, label
        now = Text("\n", no_wrap=True).join([*self._graphs(), self._marks(), self._axis()])
        if now != self._shown:
            taller = now.plain.count("\n") != self._shown.plain.count("\n")
            self._shown = now
            self.refresh(layout=taller)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """Return the number of lines of two graphs, the marks and the axis."""
        return 2 * self._rows + 2

    def render(self) -> Text:
        """Return the lines."""
        return self._shown

    def _graphs(self) -> list[Text]:
        fill = self.get_component_rich_style("graphs--fill", partial=True)
        rule = self.get_component_rich_style("graphs--line", partial=True)
        lines: list[Text] = []
        for graph in (self._memory(), self._builds()):
            drawn = self._render_graph(graph)
            notes = [f" {graph.name}", *[""] * (self._rows - 2), f" {graph.now}"]
            for note, row in zip(notes, drawn, strict=True):
                line = Text(set_cell_size(note, self._label), no_wrap=True)
                for ruled, glyphs in groupby(row, key=_RULES.__contains__):
                    line.append("".join(glyphs), rule if ruled else fill)
                lines.append(line)
        return lines

    def _render_graph(self, graph: _Graph) -> list[str]:
        """Return the lines of a graph, top first, with a line at the limit."""
        filled, caps = self._values(graph.measure), self._values(graph.cap)
        step = graph.scale / self._rows
        drawn = []
        for row in reversed(range(self._rows)):
            # Each line is a graph of the part of the value above the lines below it.
            values = [None if value is None else value - row * step for value in filled]
            text = sparkline(values, step, ascii_only=self._ascii)
            drawn.append(
                "".join(
                    _rule(cap, row, step, ascii_only=self._ascii) if glyph == " " else glyph
                    for glyph, cap in zip(text, caps, strict=True)
                )
            )
        return drawn

    def _values(self, measure: Measure) -> list[int | None]:
        """Return the highest value of each cell; None if it is unknown or in the future."""
        series, part, now = self._model.timeline.series[measure], self._part, self._model.now
        begins = [part.cell_start(cell) for cell in range(part.cells)]
        return [
            series.highest(begin, begin + part.step) if begin <= now else None for begin in begins
        ]

    def _memory(self) -> _Graph:
        series, state = self._model.timeline.series, self._model.state
        scale = series["budget"].peak
        if not scale and state.machine is not None:
            scale = state.machine.total
        scale = max(scale, series["used"].peak) or _MACHINE
        used = series["used"].value_at(min(self._part.until, self._model.now)) or 0
        now = f"peak {format_size(series['used'].peak)}" if state.finished else format_size(used)
        name = f"mem {format_size(scale)}"
        return _Graph(name=name, measure="used", scale=scale, now=now, cap="budget")

    def _builds(self) -> _Graph:
        series = self._model.timeline.series
        scale = max(series["cap"].peak, series["running"].peak, 1)
        at = min(self._part.until, self._model.now)
        running, cap = series["running"].value_at(at) or 0, series["cap"].value_at(at)
        now = f"{running}/{cap}" if cap else f"{running} paused" if cap == 0 else str(running)
        name = f"builds {scale}"
        return _Graph(name=name, measure="running", scale=scale, now=now, cap="cap")

    def _marks(self) -> Text:
        """Return the line that marks failures and limit changes."""
        failure, cap = ("x", "|") if self._ascii else ("✗", "┬")
        cells = [" "] * self._part.cells
        for mark in self._model.timeline.landmarks:
            cell = int(mark.t / self._part.step) - self._part.first
            if 0 <= cell < len(cells) and cells[cell] != failure:
                cells[cell] = failure if mark.kind == "failure" else cap
        style = self.get_component_rich_style("graphs--mark", partial=True)
        return Text(set_cell_size(" failed, caps", self._label)).append("".join(cells), style)

    def _axis(self) -> Text:
        """Return the axis labels; each begins at the cell of its time."""
        line = ["-" if self._ascii else "─"] * self._part.cells
        for cell, label in ticks(self._part):
            text = ("+" if self._ascii else "┼") + label
            if cell + len(text) <= len(line):
                line[cell : cell + len(text)] = text
        label = set_cell_size(f" {format_clock(self._model.now)}", self._label)
        style = self.get_component_rich_style("graphs--line", partial=True)
        return Text(label).append("".join(line), style)


def _rule(cap: int | None, row: int, step: float, *, ascii_only: bool) -> str:
    there = cap and row * step < cap <= (row + 1) * step + 1e-9 * step
    return _RULES[ascii_only] if there else " "
