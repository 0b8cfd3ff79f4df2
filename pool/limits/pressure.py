"""Whether builds have to step back for want of memory: the pure core, told of every sample.

It answers with a cap. Steps down are a quarter of what runs, at most one every two seconds, so that
what ends has a chance to show; steps up are one at a time after some calm. Nobody is ended.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Pressure", "stalled"]

DOWN_SECONDS, UP_SECONDS = 2.0, 5.0
"""Between two steps down; of calm before each step up."""
HIGH_STALL, LOW_STALL = 10.0, 2.0
"""Percent of time in which something waited for memory (PSI, ``some avg10``)."""
_CALM = 0.9
"""The part of the budget below which there is calm."""


@dataclass(slots=True)
class Pressure:
    """Remembers only when the cap was moved, and since when there is calm."""

    _moved: float = float("-inf")
    _calm_since: float | None = None

    def cap(self, now: float, load: float, stall: float, *, running: int, cap: int) -> int:
        """Return what the cap should be; the caller keeps it from rising above the user's.

        Args:
            now: seconds, monotonic.
            load: use as a part of the budget.
            stall: percent, as `stalled` returns it.
            running: how many builds hold a slot.
            cap: what it is now.
        """
        if load > 1 or stall >= HIGH_STALL:
            self._calm_since = None
            if now - self._moved < DOWN_SECONDS:
                return cap
            self._moved = now
            effective = min(cap, max(running, 1))
            return max(1, effective - max(1, effective // 4))
        if load > _CALM or stall > LOW_STALL:
            self._calm_since = None
            return cap
        since = self._calm_since = now if self._calm_since is None else self._calm_since
        if now - max(since, self._moved) < UP_SECONDS:
            return cap
        self._moved = now
        return cap + 1


def stalled(root: Path = Path("/")) -> float:
    """Return the percent of the last ten seconds in which some process waited for memory.

    0.0 where the kernel does not tell (Documentation/accounting/psi.rst).
    """
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/pressure/memory").read_text().splitlines():
            if line.startswith("some "):
                return float(line.split()[1].partition("=")[2])
    return 0.0
