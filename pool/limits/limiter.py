"""Decides who may go on: the pure core of every cap.

Deliberately no asyncio, threads or time: it is told of requests, releases and a new cap, and
answers with whom to let in. `Gate` makes that awaitable.

The rules, each a property test: never above the cap; by priority, then first come first served;
no slot idles while somebody waits; a smaller cap evicts nobody; every grant has the lowest free
slot number.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = ["Limiter"]

K = TypeVar("K", bound="Hashable")

Priority = tuple[Any, ...]
"""Anything that sorts among its kind; lower goes first."""


class Limiter(Generic[K]):
    """A resizable cap over identities. An operation costs O(log waiting), seen over many."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        """How many may run; 0 lets nobody in."""
        self.running: dict[K, int] = {}
        """Who runs, with the slot, from 1."""
        self._waiting: dict[K, tuple[Priority, int]] = {}
        # Entries of those who withdrew stay in the heap and are skipped at its top.
        self._heap: list[tuple[Priority, int, K]] = []
        self._arrivals = count()
        self._free: list[int] = []
        self._slots = 0

    @property
    def waiting(self) -> Sequence[K]:
        """Those who wait, the next one first; costs a sort."""
        return sorted(self._waiting, key=self._waiting.__getitem__)

    def request(self, who: K, priority: Priority) -> list[K]:
        """Queue somebody; return who is let in now.

        Raises:
            ValueError: they wait or run already.
        """
        if who in self._waiting or who in self.running:
            raise ValueError(f"{who!r} is already here")
        ticket = (priority, next(self._arrivals))
        self._waiting[who] = ticket
        heapq.heappush(self._heap, (*ticket, who))
        return self._admit()

    def leave(self, who: K) -> list[K]:
        """Take somebody out, waiting or running; return who is let in for it."""
        if who in self.running:
            heapq.heappush(self._free, self.running.pop(who))
        else:
            del self._waiting[who]
            self._tidy()
        return self._admit()

    def resize(self, cap: int) -> list[K]:
        """Set the cap; return who is let in. Nobody is put out."""
        self.cap = cap
        return self._admit()

    def _admit(self) -> list[K]:
        let_in = []
        while len(self.running) < self.cap and self._waiting:
            priority, arrival, who = heapq.heappop(self._heap)
            if self._waiting.get(who) == (priority, arrival):
                del self._waiting[who]
                self.running[who] = self._slot()
                let_in.append(who)
        return let_in

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
