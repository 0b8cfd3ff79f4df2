"""Whether builds have to step back for want of memory: the pure core, told of every sample.

It answers with a cap. Steps down are a quarter of what runs, at most one every two seconds, so that
what ends has a chance to show; steps up are one at a time after some calm.

A smaller cap only keeps others out. Where those who run still have more than was asked for, or
processes do little but wait for memory, somebody has to end; where nearly nothing is left, at once.
Then it waits to see what that has brought. Who ends is decided by `pool.scheduling.eviction`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Pressure", "PressureReading"]

DOWN_SECONDS, UP_SECONDS = 2.0, 5.0
"""Between two steps down; of calm before each step up."""
HIGH_STALL, LOW_STALL = 10.0, 2.0
"""Percent of time in which something waited for memory (PSI, ``some avg10``)."""
_CALM = 0.9
"""The part of the budget below which there is calm."""

OVERUSE_SECONDS = 5.0
"""Above what was asked for: a linker's peak is over by then, and a build may have ended."""
FAR_OVERUSE, FAR_OVERUSE_SECONDS = 1.1, 2.0
"""So far above it, and for so long: three looks agree, and it is no peak of a moment."""
CRITICAL_STALL = 40.0
"""Percent: work nearly stands still. systemd-oomd kills at 60, for which it waits 30 seconds."""
SETTLE_SECONDS = 3.0
"""After an end: two for a hook that was asked to end, one until the next look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureReading:
    """How hard memory is pressed at one moment."""

    load: float
    """Use as a part of the budget as it is now."""
    overuse: float
    """Use as a part of the budget that was asked for."""
    scarce: bool = False
    """Whether nearly nothing is left, whoever has it, or will be in a moment."""
    stall: float = 0.0
    """Percent of time in which some process waited for memory."""

    @property
    def critical(self) -> bool:
        """Whether it must not stay so."""
        return self.overuse > 1 or self.scarce or self.stall >= CRITICAL_STALL


@dataclass(slots=True)
class Pressure:
    """Remembers when the cap was moved and somebody ended, and since when it is calm, or dire."""

    _moved_at: float = float("-inf")
    _calm_since: float | None = None
    _critical_since: float | None = None
    _evicted_at: float = float("-inf")

    def recommend_cap(self, now: float, reading: PressureReading, *, running: int, cap: int) -> int:
        """Return what the cap should be; the caller keeps it from rising above the user's.

        Args:
            now: seconds, monotonic.
            strain: as it is now.
            running: how many builds hold a slot.
            cap: what it is now.
        """
        if reading.load > 1 or reading.stall >= HIGH_STALL or reading.scarce:
            self._calm_since = None
            if now - self._moved_at < DOWN_SECONDS:
                return cap
            self._moved_at = now
            effective = min(cap, max(running, 1))
            return max(1, effective - max(1, effective // 4))
        if reading.load > _CALM or reading.stall > LOW_STALL:
            self._calm_since = None
            return cap
        since = self._calm_since = now if self._calm_since is None else self._calm_since
        if now - max(since, self._moved_at) < UP_SECONDS:
            return cap
        self._moved_at = now
        return cap + 1

    def must_evict(self, now: float, reading: PressureReading) -> bool:
        """Tell whether a build has to end now; the caller ends one, if there is one that may."""
        if not reading.critical:
            self._critical_since = None
            return False
        since = self._critical_since = now if self._critical_since is None else self._critical_since
        if now - self._evicted_at < SETTLE_SECONDS:
            return False
        patience = FAR_OVERUSE_SECONDS if reading.overuse > FAR_OVERUSE else OVERUSE_SECONDS
        if not reading.scarce and now - max(since, self._evicted_at + SETTLE_SECONDS) < patience:
            return False
        self._evicted_at = now
        return True
