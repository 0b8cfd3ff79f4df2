"""Decides who may go on: the pure core of every cap.

Deliberately no asyncio, threads or time: it is told of requests, releases and a new cap, and
answers with whom to let in. `Gate` makes that awaitable.

The rules, each a property test: never above the cap; by priority, then first come first served;
no slot idles while somebody waits; a smaller cap evicts nobody; every grant has the lowest free
slot number. Who asks to be alone is let in when nobody runs, and nobody is while they do.

Where there is a judge (`Admission`), a free slot is not all that it takes. Who is refused keeps the
place in the line, and the slot goes to the next one who is not, so it idles only if nobody fits.
Nobody is passed for ever: after `MOST_PASSES` of those behind have gone first, nobody behind goes
any more until the one in front has. `LOOK_AHEAD` bounds what one decision costs.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Sequence

__all__ = ["LOOK_AHEAD", "MOST_PASSES", "Admission", "Limiter"]

K = TypeVar("K", bound="Hashable")
K_contra = TypeVar("K_contra", bound="Hashable", contravariant=True)

MOST_PASSES = 8
"""So many may pass one who does not fit."""
LOOK_AHEAD = 100
"""So many who do not fit are looked at in one go."""

Priority = tuple[Any, ...]
"""Anything that sorts among its kind; lower goes first."""


class Admission(Protocol[K_contra]):
    """Says who of those who could have a slot fits."""

    def fits(self, who: K_contra, running: Collection[K_contra]) -> bool:
        """Tell whether somebody may go on beside those who run; with nobody running, anybody."""
        ...

    def let_in(self, who: K_contra) -> None:
        """Take note of who goes on."""
        ...


class Limiter(Generic[K]):
    """A resizable cap over identities. An operation costs O(log waiting), seen over many."""

    def __init__(self, cap: int, judge: Admission[K] | None = None) -> None:
        self.cap = cap
        """How many may run; 0 lets nobody in."""
        self.running: dict[K, int] = {}
        """Who runs, with the slot, from 1."""
        self.refused: tuple[K, ...] = ()
        """Who could have had a slot when last looked at, but did not fit."""
        self._judge = judge
        self._passes: dict[K, int] = {}
        self._waiting: dict[K, tuple[Priority, int]] = {}
        self._loners: set[K] = set()
        # Entries of those who withdrew stay in the heap and are skipped at its top.
        self._heap: list[tuple[Priority, int, K]] = []
        self._arrivals = count()
        self._free: list[int] = []
        self._slots = 0

    @property
    def waiting(self) -> Sequence[K]:
        """Those who wait, the next one first; costs a sort."""
        return sorted(self._waiting, key=self._waiting.__getitem__)

    def request(self, who: K, priority: Priority, *, alone: bool = False) -> list[K]:
        """Queue somebody; return who is let in now.

        Args:
            who: is not here yet.
            priority: lower goes first.
            alone: nobody else may run meanwhile.

        Raises:
            ValueError: they wait or run already.
        """
        if who in self._waiting or who in self.running:
            raise ValueError(f"{who!r} is already here")
        ticket = (priority, next(self._arrivals))
        self._waiting[who] = ticket
        heapq.heappush(self._heap, (*ticket, who))
        if alone:
            self._loners.add(who)
        return self._admit()

    def leave(self, who: K) -> list[K]:
        """Take somebody out, waiting or running; return who is let in for it."""
        self._loners.discard(who)
        if who in self.running:
            heapq.heappush(self._free, self.running.pop(who))
        else:
            del self._waiting[who]
            self._passes.pop(who, None)
            self._tidy()
        return self._admit()

    def resize(self, cap: int) -> list[K]:
        """Set the cap; return who is let in. Nobody is put out."""
        self.cap = cap
        return self._admit()

    def reconsider(self) -> list[K]:
        """Return who is let in now that the judge may say something else."""
        return self._admit()

    def _admit(self) -> list[K]:
        let_in: list[K] = []
        refused: list[tuple[Priority, int, K]] = []
        while len(self.running) < self.cap and len(self._waiting) > len(refused):
            priority, arrival, who = heapq.heappop(self._heap)
            if self._waiting.get(who) != (priority, arrival):
                continue
            if self._kept_apart(who):
                # Nobody behind passes: they would never leave it alone.
                heapq.heappush(self._heap, (priority, arrival, who))
                break
            if self._judge is None or self._judge.fits(who, self.running):
                self._enter(who, refused)
                let_in.append(who)
                if any(map(self._was_passed_enough, refused)):
                    break
                continue
            refused.append((priority, arrival, who))
            if self._was_passed_enough(refused[-1]) or len(refused) == LOOK_AHEAD:
                break
        for entry in refused:
            heapq.heappush(self._heap, entry)
        self.refused = tuple(who for _, _, who in refused)
        return let_in

    def _kept_apart(self, who: K) -> bool:
        alone = who in self._loners or any(loner in self.running for loner in self._loners)
        return alone and bool(self.running)

    def _was_passed_enough(self, entry: tuple[Priority, int, K]) -> bool:
        return self._passes.get(entry[-1], 0) >= MOST_PASSES

    def _enter(self, who: K, passed: Sequence[tuple[Priority, int, K]]) -> None:
        del self._waiting[who]
        self._passes.pop(who, None)
        self.running[who] = self._slot()
        if self._judge is not None:
            self._judge.let_in(who)
        for _, _, other in passed:
            self._passes[other] = self._passes.get(other, 0) + 1

    def _tidy(self) -> None:
        """Drop the entries of those who withdrew when they are most: no one leave pays for all."""
        if len(self._heap) > 2 * len(self._waiting) + 16:
            self._heap = [(*ticket, who) for who, ticket in self._waiting.items()]
            heapq.heapify(self._heap)

    def _slot(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._slots += 1
        return self._slots
