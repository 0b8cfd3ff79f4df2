"""Locks on plain files: made, never removed, waited for like trees, and read-only ones too."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from typing import TYPE_CHECKING

import pytest

from pool.common.errors import LockError, LockTimeoutError
from pool.system.locks import base as openlock
from pool.system.locks.lock_file import LockFile
from pool.system.locks.queue import LockGuard, LockQueue
from tests.support.lock_holders import another, ignore, open_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pool.common.model import Holder


@pytest.fixture
async def locks() -> AsyncIterator[LockQueue]:
    before = open_files()
    yield LockQueue(LockFile)
    assert open_files() == before, "descriptors leaked"


def had(held: LockGuard | None) -> LockGuard:
    assert held is not None
    return held


async def test_the_file_is_made_and_stays(locks: LockQueue, tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    held = had(locks.try_acquire(path))
    assert len(held.fds) == 1
    assert not os.get_inheritable(held.fds[0])
    assert locks.try_acquire(path) is None
    held.release()
    assert path.read_bytes() == b""


async def test_the_content_of_the_file_stays(locks: LockQueue, tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("somebody's")
    had(locks.try_acquire(tmp_path / ".lock")).release()
    assert (tmp_path / ".lock").read_text() == "somebody's"


async def test_another_process_excludes_us_and_is_named(locks: LockQueue, tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    told: list[Holder | None] = []
    path.touch()
    with another(path) as process:
        assert locks.try_acquire(path) is None
        waiter = asyncio.ensure_future(locks.acquire(path, on_wait=told.append))
        await asyncio.sleep(0)
        if sys.platform == "linux":
            assert told[0] is not None
            assert told[0].pid == process.pid
        process.kill()
    (await waiter).release()


async def test_patience_ends_with_a_way_out_that_fits_a_file(
    locks: LockQueue, tmp_path: Path
) -> None:
    path = tmp_path / ".lock"
    path.touch()
    with another(path), pytest.raises(LockTimeoutError, match="lock: still locked") as caught:
        await locks.acquire(path, on_wait=ignore, timeout=0.03)
    assert caught.value.hint == "wait for it, or end it"


async def test_a_file_that_may_only_be_read_is_locked(
    locks: LockQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another user's; root may write any file, so the refusal is played."""
    path, real = tmp_path / ".lock", os.open
    path.touch()

    def refuse(name: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise OSError(errno.EACCES, "Permission denied")
        return real(name, flags, mode)

    monkeypatch.setattr("pool.system.locks.lock_file.os.open", refuse)
    with another(path):
        assert locks.try_acquire(path) is None
    had(locks.try_acquire(path)).release()


@pytest.mark.parametrize(("name", "why"), [("gone/.lock", "no such file"), (".", "is a dir")])
async def test_a_file_that_cannot_be_opened_is_reported(
    locks: LockQueue, tmp_path: Path, name: str, why: str
) -> None:
    with pytest.raises(LockError, match=why):
        locks.try_acquire(tmp_path / name)
    with pytest.raises(LockError, match=why):
        await locks.acquire(tmp_path / name, on_wait=ignore)


async def test_a_file_system_without_locks_is_reported(
    locks: LockQueue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(openlock, "try_lock", refuse)
    with pytest.raises(LockError, match="its file system has no locks for files"):
        locks.try_acquire(tmp_path / ".lock")


async def test_a_file_that_was_replaced_while_waited_for_is_locked_itself(
    locks: LockQueue, tmp_path: Path
) -> None:
    path = tmp_path / ".lock"
    path.touch()
    with another(path):
        waiter = asyncio.ensure_future(locks.acquire(path, on_wait=ignore))
        await asyncio.sleep(0)
        path.rename(tmp_path / "old")
        path.touch()
        held = await waiter
        assert os.path.samestat(os.fstat(held.fds[0]), path.stat())
        held.release()
