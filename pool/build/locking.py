"""Locks of one build: it waits for them without its slot, and emits an event for each change.

Deliberately without the locks themselves: those are `pool.system.locks`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pool.common.model import WaitFor
from pool.common.record import Record
from pool.events.types import BuildWaiting, LockAcquired, LockReleased, LockWaiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pool.build.job import BuildJob
    from pool.common.model import Holder
    from pool.events.bus import EventBus
    from pool.scheduling.slot import Slot
    from pool.system.locks.queue import LockGuard, LockQueue

__all__ = ["BuildLocks", "LockTarget"]


class LockTarget(Record, frozen=True, kw_only=True):
    """A path, and the queue in which it is locked."""

    locks: LockQueue
    path: Path
    label: str
    """The name in events and messages."""


class BuildLocks(Record, frozen=True, kw_only=True):
    """Acquires locks for one build."""

    job: BuildJob
    slot: Slot
    bus: EventBus
    timeout: float | None
    """Seconds; None for no limit."""

    @asynccontextmanager
    async def hold(self, target: LockTarget) -> AsyncIterator[tuple[LockGuard, bool]]:
        """Hold a lock; yield the lock, and whether it was held by another process or build.

        The slot is released while this build waits for the lock.

        Raises:
            LockTimeoutError: the lock was not free within the timeout.
            PoolError: the path cannot be locked.
        """
        lock, waited = target.locks.try_acquire(target.path), False
        if lock is None:
            lock, waited = await self._wait_without_slot(target), True
        self.bus.emit(LockAcquired(build=self.job.id, lock=target.label))
        try:
            yield lock, waited
        finally:
            self.bus.emit(LockReleased(build=self.job.id, lock=target.label))
            lock.release()

    async def _wait_without_slot(self, target: LockTarget) -> LockGuard:
        """Release the slot while waiting for the lock.

        If acquiring the slot again fails, the lock is released too.
        """
        lock = None
        waiting = BuildWaiting(build=self.job.id, for_=WaitFor.LOCK, on=target.label)
        try:
            async with self.slot.released(waiting):
                lock = await self._acquire(target)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return lock

    async def _acquire(self, target: LockTarget) -> LockGuard:
        def emit_holder(holder: Holder | None) -> None:
            self.bus.emit(LockWaiting(build=self.job.id, lock=target.label, holder=holder))

        return await target.locks.acquire(target.path, on_wait=emit_holder, timeout=self.timeout)
