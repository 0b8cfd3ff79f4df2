"""How builds react to memory pressure: the pure core, given every sample.

It recommends a cap of builds. A step down is a quarter of the running builds, at most one every two
seconds, so that the effect of the last step can show. A step up is one build after some calm.

A smaller cap only keeps waiting builds out. If running builds still use more than the user's limit,
or processes mostly wait for memory, a build must be evicted; at once if almost no memory is left.
Then there is a pause for the effect to show. `pool.scheduling.eviction` chooses the build.
"""

from __future__ import annotations

from pool.common.record import MutableRecord, Record

__all__ = ["Pressure", "PressureReading"]

DOWN_SECONDS, UP_SECONDS = 2.0, 5.0
"""Between two steps down; of calm before each step up."""
HIGH_STALL, LOW_STALL = 10.0, 2.0
"""Percent of time in which some process waited for memory (PSI, ``some avg10``)."""
_CALM_LOAD = 0.9
"""The part of the budget below which memory is calm."""

OVERUSE_SECONDS = 5.0
"""How long builds may exceed the limit: a linker's peak is shorter, and a build may end."""
FAR_OVERUSE, FAR_OVERUSE_SECONDS = 1.1, 2.0
"""An overuse so high that fewer seconds are enough: three samples agree, so it is no short peak."""
CRITICAL_STALL = 40.0
"""Percent: work almost stands still. systemd-oomd kills at 60, after 30 seconds."""
SETTLE_SECONDS = 3.0
"""After an eviction: two for a hook to end when it is asked to, one until the next sample."""


class PressureReading(Record, frozen=True, kw_only=True):
    """The memory pressure at one moment."""

    load: float
    """The builds' usage as a part of the current budget."""
    overuse: float
    """The builds' usage as a part of the user's limit; above 1 exceeds it."""
    scarce: bool = False
    """Whether almost no memory is left on the machine, or will be in a moment."""
    stall: float = 0.0
    """Percent of time in which some process waited for memory."""

    @property
    def critical(self) -> bool:
        """Whether a build must be evicted if this lasts."""
        return self.overuse > 1 or self.scarce or self.stall >= CRITICAL_STALL


class Pressure(MutableRecord):
    """The state between samples: when the cap last moved, and since when memory is calm or not."""

    _moved_at: float = float("-inf")
    _calm_since: float | None = None
    _critical_since: float | None = None
    _evicted_at: float = float("-inf")

    def recommend_cap(self, now: float, reading: PressureReading, *, running: int, cap: int) -> int:
        """Return the cap that fits the pressure; the caller keeps it below the user's cap.

        Args:
            now: seconds, monotonic.
            reading: the pressure now.
            running: how many builds hold a slot.
            cap: the cap now.
        """
        if reading.load > 1 or reading.stall >= HIGH_STALL or reading.scarce:
            self._calm_since = None
            if now - self._moved_at < DOWN_SECONDS:
                return cap
            self._moved_at = now
            effective = min(cap, max(running, 1))
            return max(1, effective - max(1, effective // 4))
        if reading.load > _CALM_LOAD or reading.stall > LOW_STALL:
            self._calm_since = None
            return cap
        since = self._calm_since = now if self._calm_since is None else self._calm_since
        if now - max(since, self._moved_at) < UP_SECONDS:
            return cap
        self._moved_at = now
        return cap + 1

    def must_evict(self, now: float, reading: PressureReading) -> bool:
        """Return whether a build must be evicted now; the caller evicts one if any may be."""
        if not reading.critical:
            self._critical_since = None
            return False
        since = self._critical_since = now if self._critical_since is None else self._critical_since
        if now - self._evicted_at < SETTLE_SECONDS:
            return False
        lasted = now - max(since, self._evicted_at + SETTLE_SECONDS)
        tolerated = FAR_OVERUSE_SECONDS if reading.overuse > FAR_OVERUSE else OVERUSE_SECONDS
        if not reading.scarce and lasted < tolerated:
            return False
        self._evicted_at = now
        return True
