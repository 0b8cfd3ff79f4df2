"""A value over time, with a bounded number of points.

Pure. A series that changed thousands of times keeps its extremes only, in more detail the newer
they are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Literal

from msgspec import field

from pool import MutableRecord

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Measure", "Series"]

Measure = Literal[
    "used", "reserved", "budget", "available",
    "cap", "running", "tokens", "working", "jobs", "downloads", "stall",
]  # fmt: skip
"""The name of a series.

Bytes: ``used`` (sampled, all processes of all builds), ``reserved`` (for running builds),
``budget`` (0 is none), ``available`` (of the machine). Numbers: ``cap`` of builds (0 is paused),
``running`` builds, ``tokens`` (jobs beside the first of each build), ``working`` (all jobs),
``jobs`` (their cap), ``downloads``. Percent: ``stall`` (of the time, for lack of memory).
"""

_POINTS = 8192
"""The maximum number of points of a series: two hours of memory, sampled once a second."""


class Series(MutableRecord):
    """A value over time; each value holds from its time to the time of the next one."""

    times: list[float] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    extreme: Callable[[int, int], int] = max
    """Selects the value that stays when two points become one."""

    def append(self, t: float, value: int) -> None:
        """Add the value from ``t`` on; ``t`` is not before the newest time."""
        if self.values and self.values[-1] == value:
            return
        if self.times and self.times[-1] == t:
            self.values[-1] = value
            return
        self.times.append(t)
        self.values.append(value)
        if len(self.times) > _POINTS:
            self._halve()

    def value_at(self, t: float) -> int | None:
        """Return the value at a time; None before the first one."""
        index = bisect_right(self.times, t) - 1
        return self.values[index] if index >= 0 else None

    def highest(self, since: float, until: float) -> int | None:
        """Return the highest value in a length of time; None before the first one."""
        first = max(0, bisect_right(self.times, since) - 1)
        return max(self.values[first : bisect_left(self.times, until)], default=None)

    def copy(self) -> Series:
        """Return a copy to go on with."""
        return Series(list(self.times), list(self.values), self.extreme)

    @property
    def peak(self) -> int:
        """The highest value; 0 if there is none."""
        return max(self.values, default=0)

    def _halve(self) -> None:
        """Make one point of every two; the newest point stays as it is."""
        newest = self.times.pop(), self.values.pop()
        pairs = zip(self.values[::2], self.values[1::2], strict=True)
        self.values = [*(self.extreme(*pair) for pair in pairs), newest[1]]
        self.times = [*self.times[::2], newest[0]]
