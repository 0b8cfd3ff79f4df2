"""The current memory budget: the user's limit, or what the machine offers if that is less.

Pure: it takes the memory that is free now and that builds use already. Other programs take memory
and give it back during a run, and the budget follows: down at once, up when more has been available
for a while. Small changes are ignored; the safety margin covers them.
"""

from __future__ import annotations

from collections import deque

__all__ = ["MemoryBudget", "safety_margin"]

_MAX_MARGIN = 2 << 30
_MIN_BUDGET = 64 << 20
_UP_SECONDS = 5.0
"""More memory must be available for so long: a program that ends is often followed by another."""


class MemoryBudget:
    """The memory budget of all builds.

    Attributes:
        limit: the most that builds may use, in bytes.
        current: what they may use now, in bytes.
    """

    def __init__(self, limit: int, free: int) -> None:
        self.limit = limit
        self.current = min(limit, _usable(free))
        self._readings: deque[tuple[float, int]] = deque()
        """Times, with the bytes that builds could have used then."""

    def update(self, now: float, free: int, used: int) -> int:
        """Return the budget after one reading.

        Args:
            now: seconds, monotonic.
            free: bytes that are free now.
            used: bytes that builds use already.
        """
        total = free + used
        self._readings.append((now, min(self.limit, _usable(total))))
        while self._readings[0][0] < now - _UP_SECONDS:
            self._readings.popleft()
        least = min(usable for _, usable in self._readings)
        restored = least == self.limit != self.current
        if restored or abs(least - self.current) > safety_margin(total) // 2:
            self.current = least
        return self.current


def safety_margin(free: int) -> int:
    """Return how much of the free memory builds do not get: a tenth, at most 2 GiB.

    Builds read and write files through the page cache, other programs grow, this process needs
    some itself, and the usage of a process tree is sampled only once a second.
    """
    return min(free // 10, _MAX_MARGIN)


def _usable(free: int) -> int:
    return max(_MIN_BUDGET, free - safety_margin(free))
