"""The memory reserved for each build: decides from figures alone which build fits.

No asyncio, files or time. The `Limiter` calls `MemoryLedger.fits` when a slot is free, so slot and
memory are granted in one decision: a build that does not fit waits without a slot, and the slot
goes to the next build that fits. The limiter prevents starvation.

The rules: a running build has reserved its expected peak, or its usage if that is more. The next
build fits if the rest of the budget is enough. While no build runs, every build fits. So every wait
for memory ends, also with nested builds, because a build that waits for another holds no slot.

The expected peak of a build is its peak in earlier runs. Without one, it is a guess: the upper
quartile of the peaks in this run of builds without earlier ones, but not less than a first guess,
which is halved with each such build that succeeds.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Generic, TypeVar

from pool.common.record import MutableRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping

__all__ = ["FIRST_GUESS", "MemoryLedger"]

K = TypeVar("K", bound="Hashable")

FIRST_GUESS = 512 << 20
"""Bytes for a build without an earlier peak: a C++ compiler and a linker."""
_MIN_GUESS = 32 << 20
"""Bytes of an interpreter with a build backend; the guess is never less."""


class _Entry(MutableRecord):
    earlier_peak: int | None
    """The peak in earlier runs; None if there is none."""
    reserved: int = 0
    """Bytes reserved when it was admitted."""
    usage: int = 0
    """Bytes in the last sample; 0 while it does not run."""
    peak: int = 0
    """The highest usage in the samples of this run."""


class MemoryLedger(Generic[K]):
    """Expected peak, reservation and usage, in bytes, of each build that has not ended.

    Args:
        budget: bytes for all builds; None for no limit.
    """

    def __init__(self, budget: int | None) -> None:
        self.budget = budget
        self._entries: dict[K, _Entry] = {}
        self._sampled: dict[K, _Entry] = {}
        """The builds in the last sample."""
        self._ended_peaks: list[int] = []
        """Sorted peaks of builds that have ended and had no earlier peak."""
        self._successes = 0
        self._guess = FIRST_GUESS
        """The expected peak of a build without an earlier one."""

    # Changes

    def add(self, build: K, earlier_peak: int | None, last_attempt_peak: int = 0) -> None:
        """Add a build.

        Args:
            build: not in the ledger yet.
            earlier_peak: its peak in earlier runs.
            last_attempt_peak: the peak of its last attempt in this run; it needs at least as much.
        """
        self._entries[build] = _Entry(earlier_peak=earlier_peak, peak=last_attempt_peak)

    def on_admit(self, key: K) -> None:
        """Reserve the expected peak of a build that the limiter admits."""
        self._entries[key].reserved = self.expected_peak(key)

    def record_sample(self, usage: Mapping[K, int]) -> None:
        """Record one sample; the usage of builds that are not in it is 0."""
        for entry in self._sampled.values():
            entry.usage = 0
        self._sampled = {key: self._entries[key] for key in usage if key in self._entries}
        for key, entry in self._sampled.items():
            entry.usage = usage[key]
            entry.peak = max(entry.peak, entry.usage)
        self._guess = self._estimate_guess()

    def remove(self, build: K, *, peak: int, succeeded: bool) -> None:
        """Remove a build that has ended; ``succeeded`` if a wheel was built from source."""
        entry = self._entries.pop(build, None)
        if entry is None:
            return
        self._sampled.pop(build, None)
        if entry.earlier_peak is None and peak:
            insort(self._ended_peaks, peak)
            self._successes += succeeded
            self._guess = self._estimate_guess()

    # Queries

    def __len__(self) -> int:
        """Return the number of builds that have not ended."""
        return len(self._entries)

    @property
    def total_usage(self) -> int:
        """The usage of all builds in the last sample."""
        return sum(self.usage.values())

    @property
    def usage(self) -> dict[K, int]:
        """The usage of each build in the last sample."""
        return {key: entry.usage for key, entry in self._sampled.items()}

    def expected_peak(self, build: K) -> int:
        """Return the most that a build is expected to use."""
        entry = self._entries[build]
        return max(self._guess if entry.earlier_peak is None else entry.earlier_peak, entry.peak)

    def reserved_bytes(self, build: K) -> int:
        """Return what is reserved for a running build; 0 for one that has just ended."""
        entry = self._entries.get(build)
        return max(entry.reserved, entry.usage) if entry else 0

    def free_bytes(self, running: Collection[K]) -> int:
        """Return what running builds leave of the budget; below 0 if they have reserved more."""
        return (self.budget or 0) - sum(map(self.reserved_bytes, running))

    def fits(self, key: K, running: Collection[K]) -> bool:
        """Return whether a build may run beside others."""
        return (
            self.budget is None
            or not running
            or self.expected_peak(key) <= self.free_bytes(running)
        )

    def _estimate_guess(self) -> int:
        least = max(_upper_quartile(self._ended_peaks), FIRST_GUESS >> self._successes, _MIN_GUESS)
        # Running builds count only above that: those below may still grow.
        running = self._sampled.values()
        above = [
            entry.peak for entry in running if entry.earlier_peak is None and entry.peak > least
        ]
        return max(least, _upper_quartile(sorted([*self._ended_peaks, *above]))) if above else least


def _upper_quartile(peaks: list[int]) -> int:
    """Return the value that three quarters of the sorted peaks do not exceed."""
    return peaks[(3 * len(peaks) + 3) // 4 - 1] if peaks else 0
