"""A build's seat at the gate: taken, left while the build waits for anything else, taken again.

The rule it keeps: no slot is held while waiting. And in the journal no two builds ever hold one
slot: what ends the holding is told before the slot is given back.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pool.common.model import BuildId, WaitFor
from pool.events.types import BuildStarted, BuildWaiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pool.events.bus import EventBus
    from pool.scheduling.gate import Gate

__all__ = ["FRESH", "GOES_ON", "LAST", "Priority", "Slot"]

Priority = tuple[int, float, int]
"""Rank, then the longest expected first (negative seconds), then the order given."""

LAST, FRESH, GOES_ON = 2, 1, 0
"""The ranks: what others wait for, or what has begun already, goes before what has not.

What must be alone is best last: it costs the same then, and holds nobody up.
"""


class Slot:
    """One build's way in and out of its slot; at most one slot at a time.

    Args:
        build: whose it is.
        gate: where it is taken.
        bus: where that is told.
        priority: at the gate, until it has begun.
        alone: whether nobody else may have a slot at the same time.
    """

    def __init__(
        self, build: BuildId, gate: Gate, bus: EventBus, priority: Priority, *, alone: bool = False
    ) -> None:
        self._build = build
        self._gate = gate
        self._bus = bus
        self._priority = priority
        self._alone = alone
        self._worked = 0.0
        self._since: float | None = None

    @property
    def worked(self) -> float:
        """Seconds with a slot so far."""
        now = 0.0 if self._since is None else self._bus.elapsed - self._since
        return self._worked + now

    async def take(self) -> None:
        """Wait for a slot."""
        slot = await self._gate.acquire(self._build, self._priority, alone=self._alone)
        self._since = self._bus.elapsed
        self._priority = (GOES_ON, *self._priority[1:])
        reserved = self._gate.reserved(self._build)
        self._bus.emit(BuildStarted(build=self._build, slot=slot, reserved=reserved))

    def release(self) -> None:
        """Give the slot back, if there is one; whoever calls this has told why."""
        if self._since is not None:
            self._worked += self._bus.elapsed - self._since
            self._since = None
            self._gate.release(self._build)

    @asynccontextmanager
    async def left(self, why: BuildWaiting) -> AsyncIterator[None]:
        """Wait for something else without a slot; there is one again when the block is done."""
        self._bus.emit(why)
        self.release()
        yield
        self._bus.emit(BuildWaiting(build=self._build, for_=WaitFor.SLOT))
        await self.take()
