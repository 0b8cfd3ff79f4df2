"""The pure core of every limit: decides which waiting entries are admitted.

No asyncio, no threads, no clock. The limiter takes requests, removals and a new cap, and returns
the keys that it admits. `Gate` makes that awaitable.

The rules, each a property test: never above the cap; by priority, then first come first served;
no slot stays idle while an entry waits; a smaller cap evicts nothing; each grant has the lowest
free slot number. An exclusive entry is admitted when nothing runs, and nothing else is admitted
until it is removed.

With an `Admission` policy, a free slot alone is not enough: the entry must also fit. An entry that
does not fit keeps its position, and the slot goes to the next entry that fits. So a slot is idle
only if no entry fits.

Starvation limit: an entry that does not fit may be overtaken at most `MAX_OVERTAKES` times; then
nothing behind it is admitted until it is. `LOOK_AHEAD` bounds the cost of one decision.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Sequence

__all__ = ["LOOK_AHEAD", "MAX_OVERTAKES", "Admission", "Limiter"]

K = TypeVar("K", bound="Hashable")
K_contra = TypeVar("K_contra", bound="Hashable", contravariant=True)

MAX_OVERTAKES = 8
"""How many entries may overtake one that does not fit."""
LOOK_AHEAD = 100
"""How many entries that do not fit one decision examines."""

Priority = tuple[Any, ...]
"""Sorts among the priorities of one limiter; the lowest is admitted first."""


class Admission(Protocol[K_contra]):
    """A policy beside the cap: decides whether an entry fits, for example into memory."""

    def fits(self, key: K_contra, running: Collection[K_contra]) -> bool:
        """Return whether an entry may run beside those that run; always true if none runs."""
        ...

    def on_admit(self, key: K_contra) -> None:
        """Record that the limiter has admitted an entry."""
        ...


class Limiter(Generic[K]):
    """A resizable cap over identities. An operation costs O(log waiting), amortized."""

    def __init__(self, cap: int, policy: Admission[K] | None = None) -> None:
        self.cap = cap
        """The most entries that may run; 0 admits none."""
        self.running: dict[K, int] = {}
        """The slot number of each running entry, from 1."""
        self.refused: tuple[K, ...] = ()
        """Entries for which the last decision had a free slot, but which did not fit."""
        self._policy = policy
        self._overtakes: dict[K, int] = {}
        self._waiting: dict[K, tuple[Priority, int]] = {}
        self._exclusive: set[K] = set()
        # Heap entries of removed keys stay in the heap and are skipped at its top.
        self._heap: list[tuple[Priority, int, K]] = []
        self._arrivals = count()
        self._free: list[int] = []
        self._slots = 0

    @property
    def waiting(self) -> Sequence[K]:
        """The waiting keys, the next one first; costs a sort."""
        return sorted(self._waiting, key=self._waiting.__getitem__)

    def request(self, key: K, priority: Priority, *, exclusive: bool = False) -> list[K]:
        """Queue an entry; return the keys that are admitted now.

        Args:
            key: neither waits nor runs yet.
            priority: the lowest is admitted first.
            exclusive: nothing else may run at the same time.

        Raises:
            ValueError: the key waits or runs already.
        """
        if key in self._waiting or key in self.running:
            raise ValueError(f"{key!r} is already here")
        ticket = (priority, next(self._arrivals))
        self._waiting[key] = ticket
        heapq.heappush(self._heap, (*ticket, key))
        if exclusive:
            self._exclusive.add(key)
        return self._admit()

    def remove(self, key: K) -> list[K]:
        """Remove an entry that waits or runs; return the keys that are admitted instead."""
        self._exclusive.discard(key)
        if key in self.running:
            heapq.heappush(self._free, self.running.pop(key))
        else:
            del self._waiting[key]
            self._overtakes.pop(key, None)
            self._compact_heap()
        return self._admit()

    def resize(self, cap: int) -> list[K]:
        """Set the cap; return the keys that are admitted. Running entries go on."""
        self.cap = cap
        return self._admit()

    def reconsider(self) -> list[K]:
        """Return the keys that are admitted now that the policy's answers may have changed."""
        return self._admit()

    def _admit(self) -> list[K]:
        admitted: list[K] = []
        refused: list[tuple[Priority, int, K]] = []
        while len(self.running) < self.cap and len(self._waiting) > len(refused):
            priority, arrival, key = heapq.heappop(self._heap)
            if self._waiting.get(key) != (priority, arrival):
                continue
            if self._must_wait_for_idle(key):
                # No entry may overtake it: there would always be one that runs.
                heapq.heappush(self._heap, (priority, arrival, key))
                break
            if self._policy is None or self._policy.fits(key, self.running):
                self._grant(key, refused)
                admitted.append(key)
                if any(map(self._is_starving, refused)):
                    break
                continue
            refused.append((priority, arrival, key))
            if self._is_starving(refused[-1]) or len(refused) == LOOK_AHEAD:
                break
        for entry in refused:
            heapq.heappush(self._heap, entry)
        self.refused = tuple(key for _, _, key in refused)
        return admitted

    def _must_wait_for_idle(self, key: K) -> bool:
        exclusive = key in self._exclusive or not self._exclusive.isdisjoint(self.running)
        return exclusive and bool(self.running)

    def _is_starving(self, entry: tuple[Priority, int, K]) -> bool:
        return self._overtakes.get(entry[-1], 0) >= MAX_OVERTAKES

    def _grant(self, key: K, overtaken: Sequence[tuple[Priority, int, K]]) -> None:
        del self._waiting[key]
        self._overtakes.pop(key, None)
        self.running[key] = self._lowest_free_slot()
        if self._policy is not None:
            self._policy.on_admit(key)
        for _, _, other in overtaken:
            self._overtakes[other] = self._overtakes.get(other, 0) + 1

    def _compact_heap(self) -> None:
        """Rebuild the heap once most of its entries are stale, so that the cost is amortized."""
        if len(self._heap) > 2 * len(self._waiting) + 16:
            self._heap = [(*ticket, key) for key, ticket in self._waiting.items()]
            heapq.heapify(self._heap)

    def _lowest_free_slot(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._slots += 1
        return self._slots
