"""The time range that the timeline shows, and the time of one cell: pure arithmetic.

The time of a cell is a round number and cells begin at multiples of it, so bars keep their cells
while the run continues and move by whole cells.
"""

from __future__ import annotations

from math import ceil, floor

from msgspec.structs import replace

from app.format import format_clock
from pool import Record

__all__ = ["TimeRange", "Viewport", "ticks"]

_STEPS = (
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0,
    60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0,
)  # fmt: skip
"""The possible times of a cell in seconds."""
_BETWEEN_LABELS = 10
"""Minimum number of cells between labels of the axis."""


class TimeRange(Record, frozen=True):
    """A time range divided into cells."""

    first: int
    """The number of the first cell; cell 0 begins at the start of the run."""
    step: float
    """The time of a cell in seconds."""
    cells: int

    @property
    def since(self) -> float:
        """The start, in seconds since the start of the run."""
        return self.first * self.step

    @property
    def until(self) -> float:
        """The end, in seconds since the start of the run."""
        return (self.first + self.cells) * self.step

    def cell_start(self, cell: int) -> float:
        """Return when a cell begins; cells are counted from the first one shown."""
        return (self.first + cell) * self.step


class Viewport(Record, frozen=True):
    """The time range the user has chosen; the whole run by default."""

    step: float | None = None
    """The time of a cell in seconds; None to fit the whole run."""
    since: float | None = None
    """The start of the range; None to follow the end."""

    @property
    def whole(self) -> bool:
        """Whether the whole run is shown while it grows."""
        return self.step is None

    @property
    def follows(self) -> bool:
        """Whether the range moves with the end."""
        return self.since is None

    def part(self, now: float, cells: int) -> TimeRange:
        """Return the visible range for a number of cells."""
        step = self.step or _step_that_fits(now, cells)
        if self.since is None:
            first = max(0, ceil(now / step) - cells)
        else:
            first = max(0, floor(self.since / step + 1e-6))
        return TimeRange(first, step, cells)

    def zoom(self, by: int, now: float, cells: int) -> Viewport:
        """Return the viewport zoomed in (``by`` 1) or out (-1).

        The fixed point is the end while it is followed, else the middle.
        """
        part = self.part(now, cells)
        place = _STEPS.index(part.step) - by
        step = _STEPS[min(max(place, 0), len(_STEPS) - 1)]
        if by < 0 and step >= _step_that_fits(now, cells):
            return Viewport()
        if self.since is None:
            return Viewport(step)
        middle = (part.since + part.until) / 2
        return Viewport(step, max(0.0, middle - cells * step / 2)).follow_if_at_end(now, cells)

    def pan(self, screens: float, now: float, cells: int) -> Viewport:
        """Return the viewport moved by a number of screens; negative is earlier."""
        part = self.part(now, cells)
        if self.step is None:
            return self
        # Move by whole cells, so that moving back returns to the same range.
        first = max(0, part.first + round(screens * cells))
        return Viewport(part.step, first * part.step).follow_if_at_end(now, cells)

    def follow_if_at_end(self, now: float, cells: int) -> Viewport:
        """Return a viewport that follows the end if this one has reached it."""
        part = self.part(now, cells)
        return replace(self, since=None) if part.until >= now else self


def ticks(part: TimeRange) -> list[tuple[int, str]]:
    """Return the labels of the axis, each with the cell it begins at."""
    apart = next((s for s in _STEPS if s >= part.step * _BETWEEN_LABELS), part.step * 12)
    every = max(1, round(apart / part.step))
    start = -part.first % every
    return [
        (cell, _label(part.cell_start(cell), apart)) for cell in range(start, part.cells, every)
    ]  # fmt: skip


def _label(seconds: float, apart: float) -> str:
    whole = format_clock(seconds + 1e-6)
    return whole if apart >= 1 else f"{whole}{seconds % 1:.2f}".replace("0.", ".", 1)


def _step_that_fits(now: float, cells: int) -> float:
    """Return the shortest cell time with which the whole run fits."""
    return next((step for step in _STEPS if step * cells >= now), _STEPS[-1])
