"""The memory budget as it is now: what was asked for, or what the machine offers, if that is less.

Pure: it is told what could be used now and what builds use already. Others take memory and give it
back while a run goes on; the budget follows: down at once, up when there has been more for a while.
Small changes are not followed, a margin is there for them.
"""

from __future__ import annotations

from collections import deque

__all__ = ["MemoryBudget", "safety_margin"]

_MAX_MARGIN = 2 << 30
_MIN_BUDGET = 64 << 20
_UP_SECONDS = 5.0
"""For so long there must have been more: who ends something often begins something else."""


class MemoryBudget:
    """One for a run.

    Attributes:
        asked: the most that builds may have, in bytes.
        now: what they may have now.
    """

    def __init__(self, limit: int, free: int) -> None:
        self.limit = limit
        self.current = min(limit, _usable(free))
        self._readings: deque[tuple[float, int]] = deque()
        """When, and what could be had then."""

    def update(self, now: float, free: int, used: int) -> int:
        """Return what builds may have after one look.

        Args:
            at: seconds, monotonic.
            free: bytes that could be used now.
            used: bytes that builds use already.
        """
        there = free + used
        self._readings.append((now, min(self.limit, _usable(there))))
        while self._readings[0][0] < now - _UP_SECONDS:
            self._readings.popleft()
        least = min(allowed for _, allowed in self._readings)
        back = least == self.limit != self.current
        if back or abs(least - self.current) > safety_margin(there) // 2:
            self.current = least
        return self.current


def safety_margin(free: int) -> int:
    """Return what of the free memory is left alone: a tenth, at most 2 GiB.

    Builds read and write files through the page cache, other programs grow, we take some
    ourselves, and what a tree has is seen once a second only.
    """
    return min(free // 10, _MAX_MARGIN)


def _usable(free: int) -> int:
    return max(_MIN_BUDGET, free - safety_margin(free))
