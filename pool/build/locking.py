"""A lock for a build: waited for without a slot, its holder named, all told in the journal."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pool.common.model import WaitFor
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTarget:
    """What is locked."""

    locks: LockQueue
    path: Path
    label: str
    """How it is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildLocks:
    """One build's way to its locks."""

    job: BuildJob
    seat: Slot
    bus: EventBus
    patience: float | None
    """Seconds; None waits for ever."""

    @asynccontextmanager
    async def hold(self, what: LockTarget) -> AsyncIterator[tuple[LockGuard, bool]]:
        """Hold a lock; yield it, and whether somebody else had it first.

        While somebody else has it, the slot is left.

        Raises:
            LockTimeoutError: they had it for too long.
            PoolError: it cannot be locked.
        """
        held, waited = what.locks.try_hold(what.path), False
        if held is None:
            held, waited = await self._awaited(what), True
        self.bus.emit(LockAcquired(build=self.job.id, lock=what.label))
        try:
            yield held, waited
        finally:
            self.bus.emit(LockReleased(build=self.job.id, lock=what.label))
            held.release()

    async def _awaited(self, what: LockTarget) -> LockGuard:
        """Wait for a lock without the slot; who does not get a slot again has no lock either."""
        held = None
        why = BuildWaiting(build=self.job.id, for_=WaitFor.LOCK, on=what.label)
        try:
            async with self.seat.released(why):
                held = await self._turn(what)
        except BaseException:
            if held is not None:
                held.release()
            raise
        return held

    async def _turn(self, what: LockTarget) -> LockGuard:
        def tell(holder: Holder | None) -> None:
            self.bus.emit(LockWaiting(build=self.job.id, lock=what.label, holder=holder))

        return await what.locks.acquire(what.path, on_wait=tell, timeout=self.patience)
