"""Who waits at the gate of builds, the next one first, kept while builds change.

Pure, and from the state alone: the same line in a live run and in its replay. Who waits for memory
stands in it as well, as the gate has it, and may be passed.
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

_Ticket = tuple[tuple[int, float, int], int]


class SlotQueue:
    """Builds by who goes first; a change costs O(log waiting)."""

    def __init__(self) -> None:
        self._line: list[tuple[_Ticket, BuildId]] = []
        self._tickets: dict[BuildId, _Ticket] = {}
        self._numbers: dict[BuildId, int] = {}
        """The order of announcement, which decides where nothing else does."""

    @classmethod
    def of(cls, state: RunState) -> SlotQueue:
        """Return the line as it is in a state."""
        line = cls()
        line.update(state, state.builds)
        return line

    def __len__(self) -> int:
        return len(self._line)

    def __getitem__(self, place: int) -> BuildId:
        return self._line[place][1]

    def update(self, state: RunState, changed: Iterable[BuildId]) -> None:
        """Put those that have changed where they stand now."""
        assign_numbers(self._numbers, state)
        for name in changed:
            build = state.builds[name]
            ticket = (priority_of(build), self._numbers[name]) if _at_gate(build) else None
            if ticket != (old := self._tickets.pop(name, None)):
                if old is not None:
                    del self._line[bisect_left(self._line, (old, name))]
                if ticket is not None:
                    insort(self._line, (ticket, name))
            if ticket is not None:
                self._tickets[name] = ticket

    def position(self, build: BuildId) -> int | None:
        """Return how many are before a build; None where it does not wait for a slot."""
        ticket = self._tickets.get(build)
        return None if ticket is None else bisect_left(self._line, (ticket, build))


def _at_gate(build: BuildState) -> bool:
    return build.status is Status.QUEUED or (
        build.status is Status.WAITING and build.waiting_for is WaitFor.MEMORY
    )
