"""Which part of a run the timeline shows, and how much time one cell is: pure arithmetic.

A cell is always a round length of time and begins at a multiple of it, so that bars stay where
they are while the run goes on, and move on by whole cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor

from app.format import format_clock

__all__ = ["Part", "Viewport", "ticks"]

_STEPS = (
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0,
    60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0,
)  # fmt: skip
"""Seconds that a cell can be."""
_BETWEEN_LABELS = 10
"""Cells from one label of the axis to the next, at least."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some time, cut into cells."""

    first: int
    """The number of the first cell; cell 0 begins with the run."""
    step: float
    """Seconds in a cell."""
    cells: int

    @property
    def since(self) -> float:
        """The beginning, in seconds since the start of the run."""
        return self.first * self.step

    @property
    def until(self) -> float:
        """The end."""
        return (self.first + self.cells) * self.step

    def begin(self, cell: int) -> float:
        """Return when a cell begins, counted from the first one shown."""
        return (self.first + cell) * self.step


@dataclass(frozen=True, slots=True)
class Viewport:
    """What the user looks at; the whole run at first."""

    step: float | None = None
    """Seconds in a cell; None is as many as it takes to show the whole run."""
    since: float | None = None
    """Where it begins; None while it follows the end."""

    @property
    def whole(self) -> bool:
        """Whether all of the run is shown, however long it gets."""
        return self.step is None

    @property
    def follows(self) -> bool:
        """Whether it moves on with the end."""
        return self.since is None

    def part(self, now: float, cells: int) -> Part:
        """Return what is shown, where there is room for so many cells."""
        step = self.step or _fitting(now, cells)
        if self.since is None:
            first = max(0, ceil(now / step) - cells)
        else:
            first = max(0, floor(self.since / step + 1e-6))
        return Part(first, step, cells)

    def zoomed(self, by: int, now: float, cells: int) -> Viewport:
        """Return what shows less time (``by`` 1) or more (-1), around the same moment.

        The moment is the end while that is followed, the middle otherwise.
        """
        part = self.part(now, cells)
        place = _STEPS.index(part.step) - by
        step = _STEPS[min(max(place, 0), len(_STEPS) - 1)]
        if by < 0 and step >= _fitting(now, cells):
            return Viewport()
        if self.since is None:
            return Viewport(step)
        middle = (part.since + part.until) / 2
        return Viewport(step, max(0.0, middle - cells * step / 2)).caught_up(now, cells)

    def moved(self, screens: float, now: float, cells: int) -> Viewport:
        """Return what is later by so many screens, or earlier where negative."""
        part = self.part(now, cells)
        if self.step is None:
            return self
        # By whole cells, so that as far back again is the same place.
        first = max(0, part.first + round(screens * cells))
        return Viewport(part.step, first * part.step).caught_up(now, cells)

    def caught_up(self, now: float, cells: int) -> Viewport:
        """Return what follows the end, where this one has come to it."""
        part = self.part(now, cells)
        return replace(self, since=None) if part.until >= now else self


def ticks(part: Part) -> list[tuple[int, str]]:
    """Return the labels of the axis, each with the cell that it begins at."""
    apart = next((s for s in _STEPS if s >= part.step * _BETWEEN_LABELS), part.step * 12)
    every = max(1, round(apart / part.step))
    start = -part.first % every
    return [
        (cell, _label(part.begin(cell), apart)) for cell in range(start, part.cells, every)
    ]  # fmt: skip


def _label(seconds: float, apart: float) -> str:
    whole = format_clock(seconds + 1e-6)
    return whole if apart >= 1 else f"{whole}{seconds % 1:.2f}".replace("0.", ".", 1)


def _fitting(now: float, cells: int) -> float:
    """Return the shortest step with which everything so far has room."""
    return next((step for step in _STEPS if step * cells >= now), _STEPS[-1])
