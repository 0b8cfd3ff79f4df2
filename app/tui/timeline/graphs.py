"""Above the bars of the timeline: memory and running builds under their caps, marks, the time axis.

The scale of a graph is fixed: the budget, or the machine's memory; the highest cap there was.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from rich.cells import set_cell_size
from rich.text import Text
from textual.widget import Widget

from app.format import format_clock, format_size
from app.text.sparkline import sparkline
from app.tui.timeline.viewport import ticks

if TYPE_CHECKING:
    from app.model.timeline import Measure
    from app.tui.run_model import RunModel
    from app.tui.timeline.viewport import Part

__all__ = ["TimelineGraphs"]

_LOW, _HIGH, _TALL = 2, 4, 40
"""Lines of a graph, on screens with fewer lines than ``_TALL``, and on others."""
_RULES = "╌_"
"""What caps are drawn with, and where there is only ASCII; graphs have neither."""
_MACHINE = 1 << 30
"""The scale of memory where neither a budget nor the machine's memory is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Graph:
    name: str
    measure: Measure
    scale: float
    now: str
    cap: Measure
    """What is drawn as a rule where the graph leaves room."""


class TimelineGraphs(Widget):
    """Graphs, marks and the axis, cell for cell above the bars."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"graphs--line", "graphs--fill", "graphs--mark"}

    def __init__(self, feed: RunModel, part: Part, *, ascii_only: bool) -> None:
        super().__init__(id="graphs")
        self._feed = feed
        self._part = part
        self._label = 12
        self._ascii = ascii_only
        self._shown: Text = Text()

    @property
    def _rows(self) -> int:
        return _HIGH if self.app.size.height >= _TALL else _LOW

    def tick(self, part: Part, label: int) -> None:
        """Draw again if something moved.

        Args:
            part: the time to show.
            label: cells for the names of graphs.
        """
        self._part, self._label = part, label
        now = Text("\n", no_wrap=True).join([*self._graphs(), self._marks(), self._axis()])
        if now != self._shown:
            taller = now.plain.count("\n") != self._shown.plain.count("\n")
            self._shown = now
            self.refresh(layout=taller)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """Return the lines of two graphs, the marks and the axis."""
        return 2 * self._rows + 2

    def render(self) -> Text:
        """Return the lines."""
        return self._shown

    def _graphs(self) -> list[Text]:
        fill = self.get_component_rich_style("graphs--fill", partial=True)
        rule = self.get_component_rich_style("graphs--line", partial=True)
        lines: list[Text] = []
        for graph in (self._memory(), self._builds()):
            drawn = self._drawn(graph)
            notes = [f" {graph.name}", *[""] * (self._rows - 2), f" {graph.now}"]
            for note, row in zip(notes, drawn, strict=True):
                line = Text(set_cell_size(note, self._label), no_wrap=True)
                for ruled, glyphs in groupby(row, key=_RULES.__contains__):
                    line.append("".join(glyphs), rule if ruled else fill)
                lines.append(line)
        return lines

    def _drawn(self, graph: _Graph) -> list[str]:
        """Return the lines of a graph, the top one first, with a rule where its cap is."""
        filled, caps = self._values(graph.measure), self._values(graph.cap)
        step = graph.scale / self._rows
        drawn = []
        for row in reversed(range(self._rows)):
            # Each line is a graph of its own, of what goes beyond those below it.
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
        """Return the highest value in each cell; None where it is not known, or lies ahead."""
        series, part, now = self._feed.timeline.series[measure], self._part, self._feed.now
        begins = [part.begin(cell) for cell in range(part.cells)]
        return [
            series.highest(begin, begin + part.step) if begin <= now else None for begin in begins
        ]

    def _memory(self) -> _Graph:
        series, state = self._feed.timeline.series, self._feed.state
        scale = series["budget"].peak
        if not scale and state.machine is not None:
            scale = state.machine.total
        scale = max(scale, series["used"].peak) or _MACHINE
        used = series["used"].value_at(min(self._part.until, self._feed.now)) or 0
        now = f"peak {format_size(series['used'].peak)}" if state.finished else format_size(used)
        name = f"mem {format_size(scale)}"
        return _Graph(name=name, measure="used", scale=scale, now=now, cap="budget")

    def _builds(self) -> _Graph:
        series = self._feed.timeline.series
        scale = max(series["cap"].peak, series["running"].peak, 1)
        at = min(self._part.until, self._feed.now)
        running, cap = series["running"].value_at(at) or 0, series["cap"].value_at(at)
        now = f"{running}/{cap}" if cap else f"{running} paused" if cap == 0 else str(running)
        name = f"builds {scale}"
        return _Graph(name=name, measure="running", scale=scale, now=now, cap="cap")

    def _marks(self) -> Text:
        """Return the line of failures and changed caps."""
        failure, cap = ("x", "|") if self._ascii else ("✗", "┬")
        cells = [" "] * self._part.cells
        for mark in self._feed.timeline.landmarks:
            cell = int(mark.t / self._part.step) - self._part.first
            if 0 <= cell < len(cells) and cells[cell] != failure:
                cells[cell] = failure if mark.kind == "failure" else cap
        style = self.get_component_rich_style("graphs--mark", partial=True)
        return Text(set_cell_size(" failed, caps", self._label)).append("".join(cells), style)

    def _axis(self) -> Text:
        """Return the line of times; each begins where its moment is."""
        line = ["-" if self._ascii else "─"] * self._part.cells
        for cell, label in ticks(self._part):
            text = ("+" if self._ascii else "┼") + label
            if cell + len(text) <= len(line):
                line[cell : cell + len(text)] = text
        label = set_cell_size(f" {format_clock(self._feed.now)}", self._label)
        style = self.get_component_rich_style("graphs--line", partial=True)
        return Text(label).append("".join(line), style)


def _rule(cap: int | None, row: int, step: float, *, ascii_only: bool) -> str:
    there = cap and row * step < cap <= (row + 1) * step + 1e-9 * step
    return _RULES[ascii_only] if there else " "
