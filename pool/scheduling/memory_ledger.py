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
_LEAST = 32 << 20
"""Bytes of an interpreter with a backend; the guess is never less."""


@dataclass(slots=True)
class _Entry:
    known: int | None
    """The peak of earlier runs."""
    reserved: int = 0
    """What it was let in with."""
    uses: int = 0
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
        self._using: dict[K, _Entry] = {}
        """Those in the newest sample."""
        self._seen: list[int] = []
        """Peaks of builds that nobody knew and that have ended, sorted."""
        self._went_well = 0
        self._guess = FIRST_GUESS
        """What is expected of builds that nobody knows."""

    # What it is told

    def expect(self, who: K, known: int | None, seen: int = 0) -> None:
        """A build is announced.

        Args:
            who: is not here yet.
            known: its peak in earlier runs.
            seen: what an earlier try came to in this run: it needs that much, or more.
        """
        self._entries[who] = _Entry(known=known, peak=seen)

    def let_in(self, who: K) -> None:
        """It goes on: set aside what it needs."""
        self._entries[who].reserved = self.need(who)

    def saw(self, uses: Mapping[K, int]) -> None:
        """Take one sample; who is not in it uses nothing now."""
        for entry in self._using.values():
            entry.uses = 0
        self._using = {who: self._entries[who] for who in uses if who in self._entries}
        for who, entry in self._using.items():
            entry.uses = uses[who]
            entry.peak = max(entry.peak, entry.uses)
        self._guess = self._guessed()

    def forget(self, who: K, *, peak: int, well: bool) -> None:
        """It has ended, with the most it ever used; ``well``: it was really built."""
        entry = self._entries.pop(who, None)
        if entry is None:
            return
        self._using.pop(who, None)
        if entry.known is None and peak:
            insort(self._seen, peak)
            self._went_well += well
            self._guess = self._guessed()

    # What it answers

    @property
    def used(self) -> int:
        """What all builds use together, as sampled last."""
        return sum(self.uses.values())

    @property
    def uses(self) -> dict[K, int]:
        """What each build in the newest sample uses."""
        return {who: entry.uses for who, entry in self._using.items()}

    def need(self, who: K) -> int:
        """Return what a build is expected to use at most."""
        entry = self._entries[who]
        return max(self._guess if entry.known is None else entry.known, entry.peak)

    def reserved(self, who: K) -> int:
        """Return what is set aside for a build that runs; 0 for one that has just ended."""
        entry = self._entries.get(who)
        return max(entry.reserved, entry.uses) if entry else 0

    def free(self, running: Collection[K]) -> int:
        """Return what of the budget is left beside those who run; below 0 if they have more."""
        return (self.budget or 0) - sum(map(self.reserved, running))

    def fits(self, who: K, running: Collection[K]) -> bool:
        """Tell whether a build may run beside others."""
        return self.budget is None or not running or self.need(who) <= self.free(running)

    def _guessed(self) -> int:
        least = max(_upper(self._seen), FIRST_GUESS >> self._went_well, _LEAST)
        # Of those that run, only who has more than that tells something: the others may yet grow.
        using = self._using.values()
        above = [entry.peak for entry in using if entry.known is None and entry.peak > least]
        return max(least, _upper(sorted([*self._seen, *above]))) if above else least


def _upper(peaks: list[int]) -> int:
    """Return what three quarters of them, sorted, are not above."""
    return peaks[(3 * len(peaks) + 3) // 4 - 1] if peaks else 0
