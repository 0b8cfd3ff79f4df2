"""A build's slot: acquired, released while the build waits for anything else, acquired again.

The rule: a build that waits holds no slot. The event that ends a slot is emitted before the
release, so the journal never shows two builds in one slot. The event that starts one is emitted in
the step of the admission, so the journal never shows a start above the cap.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pool.common.model import WaitFor
from pool.events.types import BuildStarted, BuildWaiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pool.common.model import BuildKey
    from pool.events.bus import EventBus
    from pool.scheduling.gate import Gate

__all__ = ["RANK_LAST", "RANK_NEW", "RANK_RESUMED", "Priority", "Slot"]

Priority = tuple[int, float, int]
"""The rank, then the longest expected duration first (negative seconds), then the order given."""

RANK_LAST, RANK_NEW, RANK_RESUMED = 2, 1, 0
"""Ranks: builds that others wait for or that have started before are admitted before new ones.

An exclusive build ranks last: it takes as long then, and delays no other build.
"""


class Slot:
    """One build's slot at the gate; the build holds at most one.

    Args:
        key: the build that holds the slot.
        gate: the gate where the slot is acquired.
        bus: the bus of the build's run.
        priority: the priority at the gate until the build has started.
        exclusive: whether no other build may hold a slot at the same time.
    """

    def __init__(
        self,
        key: BuildKey,
        gate: Gate,
        bus: EventBus,
        priority: Priority,
        *,
        exclusive: bool = False,
    ) -> None:
        self._key = key
        self._gate = gate
        self._bus = bus
        self._priority = priority
        self._exclusive = exclusive
        self._active_seconds = 0.0
        self._acquired_at: float | None = None

    @property
    def active_seconds(self) -> float:
        """Seconds with a slot so far."""
        current = 0.0 if self._acquired_at is None else self._bus.elapsed - self._acquired_at
        return self._active_seconds + current

    async def acquire(self) -> None:
        """Wait for a slot."""
        await self._gate.acquire(
            self._key,
            self._priority,
            group=self._key.run,
            exclusive=self._exclusive,
            on_admit=self._on_admit,
        )

    def _on_admit(self, slot: int) -> None:
        self._acquired_at = self._bus.elapsed
        self._priority = (RANK_RESUMED, *self._priority[1:])
        reserved = self._gate.reserved_bytes(self._key)
        self._bus.emit(BuildStarted(build=self._key.build, slot=slot, reserved=reserved))

    def release(self) -> None:
        """Release the slot if the build holds one; the caller has emitted the reason."""
        if self._acquired_at is not None:
            self._active_seconds += self._bus.elapsed - self._acquired_at
            self._acquired_at = None
            self._gate.release(self._key)

    @asynccontextmanager
    async def released(self, reason: BuildWaiting) -> AsyncIterator[None]:
        """Release the slot for the length of a block, and acquire one again after it."""
        self._bus.emit(reason)
        self.release()
        yield
        self._bus.emit(BuildWaiting(build=self._key.build, for_=WaitFor.SLOT))
        await self.acquire()
