"""A lock for a build: every end of the wait leaves the lock free."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from pool.build.locking import BuildLocks, LockTarget
from pool.scheduling.gate import Gate
from pool.scheduling.slot import RANK_NEW, Slot
from pool.system.locks.lock_file import LockFile
from pool.system.locks.queue import LockQueue
from tests.support.build_keys import build_key


class Told:
    """A bus that nobody listens to."""

    elapsed = 0.0

    def emit(self, event: object) -> None:
        """Take no notice."""


async def test_a_build_cancelled_while_it_reacquires_its_slot_releases_the_lock(
    tmp_path: Path,
) -> None:
    bus: Any = Told()
    gate, locks = Gate(1), LockQueue(LockFile)
    what = LockTarget(locks=locks, path=tmp_path / "lock", label="lock")
    first = locks.try_acquire(what.path)
    assert first is not None
    job: Any = type("Job", (), {"id": "b1"})
    key = build_key("b1")
    seat = Slot(key, gate, bus, (RANK_NEW, 0.0, 0))
    alone = BuildLocks(job=job, slot=seat, bus=bus, timeout=None)

    async def build() -> None:
        await seat.acquire()
        async with alone.hold(what):
            raise AssertionError("it has no slot")

    task = asyncio.create_task(build())
    await asyncio.sleep(0)
    await gate.acquire("b2", (RANK_NEW, 0.0, 0))
    first.release()
    for _ in range(5):
        await asyncio.sleep(0)
    assert key in gate.waiting
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert key not in gate.waiting
    again = locks.try_acquire(what.path)
    assert again is not None, "somebody is left with the lock"
    again.release()
