"""The line of graphs: builds, jobs, memory and pressure over the last minutes, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.widget import Widget

from app.text.meters.gauges import GAUGE_SECONDS, gauge_values, list_gauges
from app.text.meters.sparkline import sparkline

if TYPE_CHECKING:
    from app.text.meters.gauges import Gauge
    from app.tui.run_model import RunModel

__all__ = ["Graphs"]

_LEAST, _MOST = 8, 30
"""Minimum and maximum width of a graph in cells."""
_TICKS = 5
"""Graphs are redrawn at every fifth tick: they advance by one cell in several seconds."""


class Graphs(Widget):
    """One line with as many graphs as fit, the most important first."""

    def __init__(self, model: RunModel, *, ascii_only: bool) -> None:
        super().__init__(id="graphs")
        self._model = model
        self._ascii = ascii_only
        self._ticks = 0
        self._shown = Text()

    def tick(self) -> None:
        """Redraw if the values have changed."""
        self._ticks += 1
        if self._ticks % _TICKS == 1 and (line := self._line()) != self._shown:
            self._shown = line
            self.refresh()

    def on_resize(self) -> None:
        """Redraw for the new width at once."""
        self._ticks = 0
        self.tick()

    def _line(self) -> Text:
        known = list_gauges(self._model.state, self._model.timeline)
        known = known[: _count_that_fits(known, self.size.width)]
        if not known:
            return Text("")
        words = sum(_width(gauge) for gauge in known)
        cells = min(_MOST, (self.size.width - words - 1) // len(known))
        parts = (
            [(f" {GAUGE_SECONDS / 60:g} min", "dim")] if self._roomy(words, cells, known) else []
        )
        for gauge in known:
            past = gauge_values(self._model.timeline, gauge.measure, self._model.now, cells)
            graph = sparkline(past, gauge.scale, ascii_only=self._ascii)
            # The ends of a graph must be visible without colour.
            now = f" {gauge.now}" if gauge.now else ""
            parts += [(f" {gauge.name} ", "dim"), (f"|{graph}|{now} ", "")]
        return Text.assemble(*parts, no_wrap=True)

    def _roomy(self, words: int, cells: int, known: list[Gauge]) -> bool:
        return words + cells * len(known) + len(f" {GAUGE_SECONDS / 60:g} min") < self.size.width

    def render(self) -> Text:
        """Return the line."""
        return self._shown


def _width(gauge: Gauge) -> int:
    """Return the width in cells of everything but the graph itself."""
    return len(f" {gauge.name} || ") + (len(gauge.now) + 1 if gauge.now else 0)


def _count_that_fits(known: list[Gauge], width: int) -> int:
    """Return how many graphs fit side by side."""
    taken = 1
    for number, gauge in enumerate(known):
        taken += _width(gauge) + _LEAST
        if taken > width:
            return number
    return len(known)
