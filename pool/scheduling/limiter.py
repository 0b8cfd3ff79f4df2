"""The pure core of every limit: decides which waiting entries are admitted.

No asyncio, no threads, no clock. The limiter takes requests, removals and new caps, and returns
the keys that it admits. `Gate` makes that awaitable.

The rules, each a property test: never above the cap, nor above the cap of a group; no slot stays
idle while an entry waits that may use it; a smaller cap evicts nothing; each grant has the lowest
free slot number. An exclusive entry is admitted when nothing runs, and nothing else is admitted
until it is removed.

Order: the rank (the first item of a priority) counts first, over all groups. Within a rank the
groups take turns: the group that was served least recently is next. Within a group the rest of
the priority counts, then first come first served. A group is one run of a pool, so a run of one
build does not wait behind a run of two hundred. A new group counts as just served: a stream of new
runs could starve the older ones otherwise.

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

from msgspec import field

from pool.common.record import MutableRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Sequence

__all__ = ["LOOK_AHEAD", "MAX_OVERTAKES", "Admission", "Limiter", "Priority"]

K = TypeVar("K", bound="Hashable")
K_contra = TypeVar("K_contra", bound="Hashable", contravariant=True)

MAX_OVERTAKES = 8
"""How many entries may overtake one that does not fit."""
LOOK_AHEAD = 100
"""How many entries of one group that do not fit one decision examines."""

Priority = tuple[Any, ...]
"""The rank and more; sorts among the priorities of one limiter, the lowest is admitted first."""


class Admission(Protocol[K_contra]):
    """A policy beside the cap: decides whether an entry fits, for example into memory."""

    def fits(self, key: K_contra, running: Collection[K_contra]) -> bool:
        """Return whether an entry may run beside those that run; always true if none runs."""
        ...

    def on_admit(self, key: K_contra) -> None:
        """Record that the limiter has admitted an entry."""
        ...


class _Group(MutableRecord, Generic[K]):
    """The entries of one group, and its turn."""

    turn: int
    """When the group was served last; the lowest is next."""
    cap: int | None = None
    """The most entries of the group that may run; None for the cap of the limiter alone."""
    running: int = 0
    examined: int = 0
    """Entries that did not fit in the current decision."""
    waiting: dict[K, tuple[Priority, int]] = field(default_factory=dict)
    # Heap entries of removed keys stay in the heap and are skipped at its top.
    heap: list[tuple[Priority, int, K]] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        below_cap = self.cap is None or self.running < self.cap
        return below_cap and self.examined < LOOK_AHEAD

    def push(self, key: K, ticket: tuple[Priority, int]) -> None:
        self.waiting[key] = ticket
        heapq.heappush(self.heap, (*ticket, key))

    def head(self) -> tuple[Priority, int, K] | None:
        """Return the next entry that still waits."""
        while self.heap:
            priority, arrival, key = self.heap[0]
            if self.waiting.get(key) == (priority, arrival):
                return self.heap[0]
            heapq.heappop(self.heap)
        return None

    def compact(self) -> None:
        """Rebuild the heap once most of its entries are stale, so that the cost is amortized."""
        if len(self.heap) > 2 * len(self.waiting) + 16:
            self.heap = [(*ticket, key) for key, ticket in self.waiting.items()]
            heapq.heapify(self.heap)


class _Refused(MutableRecord, Generic[K]):
    """An entry that did not fit, taken off its heap for the length of one decision."""

    group: _Group[K]
    entry: tuple[Priority, int, K]

    @property
    def key(self) -> K:
        return self.entry[-1]


class Limiter(Generic[K]):
    """A resizable cap over keys in groups.

    An operation costs O(groups + log waiting), amortized.
    """

    def __init__(self, cap: int, policy: Admission[K] | None = None) -> None:
        self.cap = cap
        """The most entries that may run; 0 admits none."""
        self.running: dict[K, int] = {}
        """The slot number of each running entry, from 1."""
        self.refused: tuple[K, ...] = ()
        """Entries for which the last decision had a free slot, but which did not fit."""
        self._policy = policy
        self._overtakes: dict[K, int] = {}
        self._groups: dict[Hashable, _Group[K]] = {}
        self._group_of: dict[K, Hashable] = {}
        self._exclusive: set[K] = set()
        self._arrivals = count()
        self._turns = count()
        self._free: list[int] = []
        self._slots = 0

    @property
    def waiting(self) -> Sequence[K]:
        """The waiting keys in the order in which they are admitted if all fit; costs a sort."""
        queues = {
            name: sorted(((*ticket, key) for key, ticket in group.waiting.items()), reverse=True)
            for name, group in self._groups.items()
            if group.waiting
        }
        turns = {name: self._groups[name].turn for name in queues}
        turn, ordered = max(turns.values(), default=0), []
        while queues:
            name = min(queues, key=lambda one: (_rank(queues[one][-1]), turns[one]))
            ordered.append(queues[name].pop()[-1])
            turn += 1
            turns[name] = turn
            if not queues[name]:
                del queues[name]
        return ordered

    def request(
        self, key: K, priority: Priority, *, group: Hashable = None, exclusive: bool = False
    ) -> list[K]:
        """Queue an entry; return the keys that are admitted now.

        Args:
            key: neither waits nor runs yet.
            priority: the lowest is admitted first.
            group: the groups take turns.
            exclusive: nothing else may run at the same time.

        Raises:
            ValueError: the key waits or runs already.
        """
        if key in self._group_of:
            raise ValueError(f"{key!r} is already here")
        self._group_of[key] = group
        self._group(group).push(key, (priority, next(self._arrivals)))
        if exclusive:
            self._exclusive.add(key)
        return self._admit()

    def remove(self, key: K) -> list[K]:
        """Remove an entry that waits or runs; return the keys that are admitted instead."""
        group = self._groups[self._group_of.pop(key)]
        self._exclusive.discard(key)
        if key in self.running:
            heapq.heappush(self._free, self.running.pop(key))
            group.running -= 1
        else:
            del group.waiting[key]
            self._overtakes.pop(key, None)
            group.compact()
        return self._admit()

    def resize(self, cap: int) -> list[K]:
        """Set the cap; return the keys that are admitted. Running entries go on."""
        self.cap = cap
        return self._admit()

    def resize_group(self, group: Hashable, cap: int | None) -> list[K]:
        """Set the cap of a group, None for no cap of its own; return the keys admitted."""
        self._group(group).cap = cap
        return self._admit()

    def remove_group(self, group: Hashable) -> None:
        """Forget the turn and the cap of a group, none of whose entries waits or runs."""
        known = self._groups.get(group)
        if known is not None and (known.waiting or known.running):
            raise ValueError(f"{group!r} has entries that wait or run")
        self._groups.pop(group, None)

    def reconsider(self) -> list[K]:
        """Return the keys that are admitted now that the policy's answers may have changed."""
        return self._admit()

    def _group(self, name: Hashable) -> _Group[K]:
        if (group := self._groups.get(name)) is None:
            group = self._groups[name] = _Group(turn=next(self._turns))
        return group

    def _admit(self) -> list[K]:
        admitted: list[K] = []
        refused: list[_Refused[K]] = []
        while len(self.running) < self.cap and (group := self._next_group()) is not None:
            priority, arrival, key = heapq.heappop(group.heap)
            if self._must_wait_for_idle(key):
                # No entry may overtake it: there would always be one that runs.
                heapq.heappush(group.heap, (priority, arrival, key))
                break
            if self._policy is None or self._policy.fits(key, self.running):
                self._grant(key, group, refused)
                admitted.append(key)
                if any(map(self._is_starving, refused)):
                    break
                continue
            refused.append(_Refused(group, (priority, arrival, key)))
            group.examined += 1
            if self._is_starving(refused[-1]):
                break
        for one in refused:
            heapq.heappush(one.group.heap, one.entry)
            one.group.examined = 0
        self.refused = tuple(one.key for one in refused)
        return admitted

    def _next_group(self) -> _Group[K] | None:
        """Return the group whose first entry is examined next; None if there is none."""
        best: tuple[Priority, bool, int] | None = None
        found = None
        for group in self._groups.values():
            if group.waiting and group.is_open and (head := group.head()) is not None:
                # A starving entry goes before its group's turn: no other group overtakes it.
                starves = self._overtakes.get(head[-1], 0) >= MAX_OVERTAKES
                order = (_rank(head), not starves, group.turn)
                if best is None or order < best:
                    best, found = order, group
        return found

    def _must_wait_for_idle(self, key: K) -> bool:
        exclusive = key in self._exclusive or not self._exclusive.isdisjoint(self.running)
        return exclusive and bool(self.running)

    def _is_starving(self, one: _Refused[K]) -> bool:
        return self._overtakes.get(one.key, 0) >= MAX_OVERTAKES

    def _grant(self, key: K, group: _Group[K], overtaken: Sequence[_Refused[K]]) -> None:
        del group.waiting[key]
        group.running += 1
        group.turn = next(self._turns)
        self._overtakes.pop(key, None)
        self.running[key] = self._lowest_free_slot()
        if self._policy is not None:
            self._policy.on_admit(key)
        for one in overtaken:
            self._overtakes[one.key] = self._overtakes.get(one.key, 0) + 1

    def _lowest_free_slot(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        self._slots += 1
        return self._slots


def _rank(entry: tuple[Priority, int, Any]) -> Priority:
    return entry[0][:1]
