"""Whose memory fits: what is set aside for each build, decided from figures alone.

Deliberately no asyncio, files or time. The `Limiter` asks `MemoryLedger.fits` when a slot is free, so the
slot and the memory are given in one decision: a build that does not fit holds no slot while it
waits, and the slot goes to the next one that does fit. The limiter sees to it that nobody is passed
for ever.

The rules: a build that runs has set aside what it was let in with, or what it uses where that is
more. Who comes next fits if the rest of the budget is enough. While nobody runs, anybody fits:
every wait for memory ends, nested builds included, for who waits for another holds no slot.

What a build needs: its peak in earlier runs; else what the largest quarter of those nobody knew
came to in this run, but no less than a first guess, which is halved with each that went well.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping

__all__ = ["FIRST_GUESS", "MemoryLedger"]

K = TypeVar("K", bound="Hashable")

FIRST_GUESS = 512 << 20
"""Bytes for a build of which nothing is known: one C++ compiler and a linker at work."""
_MIN_GUESS = 32 << 20
"""Bytes of an interpreter with a backend; the guess is never less."""


@dataclass(slots=True)
class _Entry:
    earlier_peak: int | None
    """The peak of earlier runs."""
    reserved: int = 0
    """What it was let in with."""
    usage: int = 0
    """As sampled last; 0 while it does not run."""
    peak: int = 0
    """The most it was seen to use in this run."""


class MemoryLedger(Generic[K]):
    """What every build that has not ended needs and uses, in bytes.

    Args:
        budget: for all of them; None for no end.
    """

    def __init__(self, budget: int | None) -> None:
        self.budget = budget
        self._entries: dict[K, _Entry] = {}
        self._sampled: dict[K, _Entry] = {}
        """Those in the newest sample."""
        self._ended_peaks: list[int] = []
        """Peaks of builds that nobody knew and that have ended, sorted."""
        self._successes = 0
        self._guess = FIRST_GUESS
        """What is expected of builds that nobody knows."""

    # What it is told

    def add(self, build: K, earlier_peak: int | None, last_attempt_peak: int = 0) -> None:
        """A build is announced.

        Args:
            who: is not here yet.
            known: its peak in earlier runs.
            seen: what an earlier try came to in this run: it needs that much, or more.
        """
        self._entries[build] = _Entry(earlier_peak=earlier_peak, peak=last_attempt_peak)

    def on_admit(self, key: K) -> None:
        """It goes on: set aside what it needs."""
        self._entries[key].reserved = self.expected_peak(key)

    def record_sample(self, usage: Mapping[K, int]) -> None:
        """Take one sample; who is not in it uses nothing now."""
        for entry in self._sampled.values():
            entry.usage = 0
        self._sampled = {who: self._entries[who] for who in usage if who in self._entries}
        for who, entry in self._sampled.items():
            entry.usage = usage[who]
            entry.peak = max(entry.peak, entry.usage)
        self._guess = self._estimate_guess()

    def remove(self, build: K, *, peak: int, succeeded: bool) -> None:
        """It has ended, with the most it ever used; ``well``: it was really built."""
        entry = self._entries.pop(build, None)
        if entry is None:
            return
        self._sampled.pop(build, None)
        if entry.earlier_peak is None and peak:
            insort(self._ended_peaks, peak)
            self._successes += succeeded
            self._guess = self._estimate_guess()

    # What it answers

    @property
    def total_usage(self) -> int:
        """What all builds use together, as sampled last."""
        return sum(self.usage.values())

    @property
    def usage(self) -> dict[K, int]:
        """What each build in the newest sample uses."""
        return {who: entry.usage for who, entry in self._sampled.items()}

    def expected_peak(self, build: K) -> int:
        """Return what a build is expected to use at most."""
        entry = self._entries[build]
        return max(self._guess if entry.earlier_peak is None else entry.earlier_peak, entry.peak)

    def reserved_bytes(self, build: K) -> int:
        """Return what is set aside for a build that runs; 0 for one that has just ended."""
        entry = self._entries.get(build)
        return max(entry.reserved, entry.usage) if entry else 0

    def free_bytes(self, running: Collection[K]) -> int:
        """Return what of the budget is left beside those who run; below 0 if they have more."""
        return (self.budget or 0) - sum(map(self.reserved_bytes, running))

    def fits(self, key: K, running: Collection[K]) -> bool:
        """Tell whether a build may run beside others."""
        return (
            self.budget is None
            or not running
            or self.expected_peak(key) <= self.free_bytes(running)
        )

    def _estimate_guess(self) -> int:
        least = max(_upper_quartile(self._ended_peaks), FIRST_GUESS >> self._successes, _MIN_GUESS)
        # Of those that run, only who has more than that tells something: the others may yet grow.
        using = self._sampled.values()
        above = [entry.peak for entry in using if entry.earlier_peak is None and entry.peak > least]
        return max(least, _upper_quartile(sorted([*self._ended_peaks, *above]))) if above else least


def _upper_quartile(peaks: list[int]) -> int:
    """Return what three quarters of them, sorted, are not above."""
    return peaks[(3 * len(peaks) + 3) // 4 - 1] if peaks else 0
