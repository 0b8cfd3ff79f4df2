"""The queue of builds that wait for a slot, the next one first, updated as builds change.

Pure, and derived from the state alone: a replay has the same queue as the run. A build that waits
for memory stays in it, as at the gate, and may be overtaken.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from app.model.sorting import assign_numbers, priority_of
from pool import Status, WaitFor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pool import BuildId, BuildState, RunState

__all__ = ["SlotQueue"]

_Key = tuple[tuple[int, float, int], int]
"""The priority at the gate, then the order of announcement."""


class SlotQueue:
    """Builds in the order in which they get a slot; one change costs O(log length)."""

    def __init__(self) -> None:
        self._queue: list[tuple[_Key, BuildId]] = []
        self._keys: dict[BuildId, _Key] = {}
        self._numbers: dict[BuildId, int] = {}
        """The order of announcement; it decides between equal priorities."""

    @classmethod
    def of(cls, state: RunState) -> SlotQueue:
        """Return the queue of a state."""
        queue = cls()
        queue.update(state, state.builds)
        return queue

    def __len__(self) -> int:
        return len(self._queue)

    def __getitem__(self, position: int) -> BuildId:
        return self._queue[position][1]

    def update(self, state: RunState, changed: Iterable[BuildId]) -> None:
        """Insert, move or remove builds that have changed."""
        assign_numbers(self._numbers, state)
        for name in changed:
            build = state.builds[name]
            key = (priority_of(build), self._numbers[name]) if _waits_for_slot(build) else None
            if key != (old := self._keys.pop(name, None)):
                if old is not None:
                    del self._queue[bisect_left(self._queue, (old, name))]
                if key is not None:
                    insort(self._queue, (key, name))
            if key is not None:
                self._keys[name] = key

    def position(self, build: BuildId) -> int | None:
        """Return the number of builds before a build; None if it does not wait for a slot."""
        key = self._keys.get(build)
        return None if key is None else bisect_left(self._queue, (key, build))


def _waits_for_slot(build: BuildState) -> bool:
    return build.status is Status.QUEUED or (
        build.status is Status.WAITING and build.waiting_for is WaitFor.MEMORY
    )
