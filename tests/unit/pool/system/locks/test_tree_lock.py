"""Tree locks against other processes: exclusive, in order, named, never leaking."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import shutil
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pool.common.errors import LockTimeoutError, ProjectError
from pool.system.locks import base as openlock
from pool.system.locks import queue as waiting_lines
from pool.system.locks.base import try_lock
from pool.system.locks.queue import LockGuard, LockQueue
from pool.system.locks.tree_lock import tree_lock_queue
from pool.system.locks.uv_lock import lock_path, open_lock
from tests.support.lock_holders import another, child, ignore, open_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from pool.common.model import Holder

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="holders are named on Linux only")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree


@pytest.fixture
async def locks(tmp_path: Path) -> AsyncIterator[LockQueue]:
    before = open_files()
    yield tree_lock_queue({"TMPDIR": str(tmp_path)})
    assert open_files() == before, "descriptors leaked"


def had(held: LockGuard | None) -> LockGuard:
    assert held is not None
    return held


async def waiting(
    locks: LockQueue, tree: Path, on_wait: Callable[[Holder | None], None] = ignore
) -> asyncio.Task[LockGuard]:
    """Start a waiter of the lock."""
    task = asyncio.ensure_future(locks.acquire(tree, on_wait=on_wait))
    await asyncio.sleep(0)
    return task


async def test_a_free_tree_is_locked_at_once(locks: LockQueue, tree: Path) -> None:
    held = had(locks.try_acquire(tree))
    assert len(held.fds) == 2
    assert not any(os.get_inheritable(fd) for fd in held.fds)
    held.release()


async def test_a_free_tree_is_locked_without_a_timeout(locks: LockQueue, tree: Path) -> None:
    held = await locks.acquire(tree, on_wait=ignore, timeout=0)
    held.release()


async def test_aliases_are_one_tree(locks: LockQueue, tree: Path, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(tree)
    held = had(locks.try_acquire(tree))
    assert locks.try_acquire(alias) is None
    assert locks.try_acquire(tree / ".." / "tree") is None
    held.release()
    had(locks.try_acquire(alias)).release()


async def test_trees_are_locked_one_by_one(locks: LockQueue, tree: Path, tmp_path: Path) -> None:
    first, second = had(locks.try_acquire(tree)), had(locks.try_acquire(tmp_path))
    first.release()
    second.release()


async def test_two_pools_of_one_process_exclude_each_other(
    locks: LockQueue, tree: Path, tmp_path: Path
) -> None:
    other = tree_lock_queue({"TMPDIR": str(tmp_path)})
    held = had(other.try_acquire(tree))
    assert locks.try_acquire(tree) is None
    waiter = await waiting(locks, tree)
    held.release()
    (await waiter).release()


async def test_a_tree_that_cannot_be_written_is_locked(locks: LockQueue, tree: Path) -> None:
    tree.chmod(0o555)
    had(locks.try_acquire(tree)).release()


async def test_waiters_of_one_process_go_in_order(locks: LockQueue, tree: Path) -> None:
    first = had(locks.try_acquire(tree))
    order = []

    async def wait(number: int) -> None:
        held = await locks.acquire(tree, on_wait=ignore)
        order.append(number)
        await asyncio.sleep(0)
        held.release()

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(wait(number))
        await asyncio.sleep(0)
        first.release()
    assert order == [0, 1, 2, 3, 4]


async def test_a_line_costs_no_descriptor_per_waiter(locks: LockQueue, tree: Path) -> None:
    first, before = had(locks.try_acquire(tree)), open_files()
    waiters = [await waiting(locks, tree) for _ in range(50)]
    assert open_files() <= before + 2
    first.release()
    for waiter in waiters:
        (await waiter).release()


async def test_no_waiter_overtakes_the_queue(locks: LockQueue, tree: Path) -> None:
    with another(tree) as process:
        waiter = await waiting(locks, tree)
        process.kill()
        process.wait()
        assert locks.try_acquire(tree) is None
    (await waiter).release()


async def test_a_second_release_does_nothing(locks: LockQueue, tree: Path) -> None:
    first = had(locks.try_acquire(tree))
    first.release()
    second, told = had(locks.try_acquire(tree)), list[Any]()
    first.release()
    waiter = await waiting(locks, tree, told.append)
    assert [holder.pid for holder in told] == [os.getpid()]
    second.release()
    (await waiter).release()


@pytest.mark.parametrize("which", ["tree", "uv"])
async def test_another_process_is_waited_for_until_it_is_killed(
    locks: LockQueue, tree: Path, tmp_path: Path, which: str
) -> None:
    path = str(tree)
    if which == "uv":
        path = lock_path(tree.resolve(), {"TMPDIR": str(tmp_path)})
        os.close(open_lock(path))
    told: list[Holder | None] = []
    with another(path) as process:
        assert locks.try_acquire(tree) is None
        waiter = await waiting(locks, tree, told.append)
        behind = await waiting(locks, tree, told.append)
        assert not waiter.done()
        if sys.platform == "linux":
            assert [holder and holder.pid for holder in told] == [process.pid, process.pid]
            assert told[0]
            assert "fcntl" in told[0].command
        process.kill()
        (await waiter).release()
        (await behind).release()


@LINUX
async def test_a_holder_among_us_is_named_too(locks: LockQueue, tree: Path) -> None:
    first, told = had(locks.try_acquire(tree)), list[Any]()
    waiter = await waiting(locks, tree, told.append)
    assert [holder.pid for holder in told] == [os.getpid()]
    first.release()
    (await waiter).release()


@LINUX
async def test_an_orphan_that_inherited_the_lock_still_holds_it_and_is_named(
    locks: LockQueue, tree: Path
) -> None:
    """Not the one that merely has the directory open, as all do who wait for it."""
    held = had(locks.try_acquire(tree))
    with another(tree, "look"), child("input()", fds=held.fds) as orphan, another(tree, "look"):
        held.release()
        assert locks.try_acquire(tree) is None
        with pytest.raises(LockTimeoutError, match=f"by pid {orphan.pid} "):
            await locks.acquire(tree, on_wait=ignore, timeout=0.05)
        orphan.kill()
        held = await locks.acquire(tree, on_wait=ignore)
    held.release()


@LINUX
async def test_a_change_of_holder_is_reported(
    locks: LockQueue, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_lines, "HOLDER_INTERVAL_SECONDS", 0.0)
    told: list[Any] = []
    changed = asyncio.Event()

    def tell(holder: Holder | None) -> None:
        told.append(holder.pid if holder else None)
        if len(told) == 2:
            changed.set()

    held = had(locks.try_acquire(tree))
    with child("input()", fds=held.fds) as heir:
        waiter = await waiting(locks, tree, tell)
        held.release()
        await changed.wait()
        assert told == [os.getpid(), heir.pid]
        heir.kill()
        (await waiter).release()


async def test_a_listener_that_fails_while_waiting_stops_no_waiter(
    locks: LockQueue, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_lines, "HOLDER_INTERVAL_SECONDS", 0.0)
    problems: list[Any] = []
    failed = asyncio.Event()

    def complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        problems.append(context.get("exception"))
        failed.set()

    def tell(holder: Holder | None) -> None:
        if holder is None or holder.pid != os.getpid():
            raise ZeroDivisionError

    asyncio.get_running_loop().set_exception_handler(complain)
    held = had(locks.try_acquire(tree))
    with child("input()", fds=held.fds) as heir:
        waiter = await waiting(locks, tree, tell)
        held.release()
        await failed.wait()
        heir.kill()
        (await waiter).release()
    assert {type(problem) for problem in problems} == {ZeroDivisionError}


async def test_a_listener_that_fails_at_once_leaves_the_line(locks: LockQueue, tree: Path) -> None:
    def tell(holder: Holder | None) -> None:
        raise ZeroDivisionError

    held = had(locks.try_acquire(tree))
    with pytest.raises(ZeroDivisionError):
        await locks.acquire(tree, on_wait=tell)
    held.release()
    had(locks.try_acquire(tree)).release()


@LINUX
async def test_patience_ends_with_the_holders_name(locks: LockQueue, tree: Path) -> None:
    with another(tree) as process:
        expected = f'tree: still locked by pid {process.pid} ".*" after 0.05 s'
        with pytest.raises(LockTimeoutError, match=expected) as caught:
            await locks.acquire(tree, on_wait=ignore, timeout=0.05)
        assert "--copy" in caught.value.hint
        assert locks.try_acquire(tree) is None, "nobody goes on without the lock"


async def test_a_cancelled_waiter_leaves_the_line(locks: LockQueue, tree: Path) -> None:
    first = had(locks.try_acquire(tree))
    waiters = [await waiting(locks, tree) for _ in range(3)]
    waiters[0].cancel()
    first.release()
    (await waiters[1]).release()
    (await waiters[2]).release()
    assert waiters[0].cancelled()


async def test_cancelled_after_being_given_the_tree_passes_it_on(
    locks: LockQueue, tree: Path
) -> None:
    first = had(locks.try_acquire(tree))
    waiters = [await waiting(locks, tree) for _ in range(2)]
    first.release()
    waiters[0].cancel()
    (await waiters[1]).release()
    assert waiters[0].cancelled()
    had(locks.try_acquire(tree)).release()


async def test_cancelled_while_another_process_holds_it_leaves_nothing(
    locks: LockQueue, tree: Path, tmp_path: Path
) -> None:
    path = lock_path(tree.resolve(), {"TMPDIR": str(tmp_path)})
    os.close(open_lock(path))
    with another(path):
        waiter = await waiting(locks, tree)
        with another(tree, "look"):
            waiter.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiter
        # The directory's own lock, which it had already, is free again.
        elsewhere = tree_lock_queue({"TMPDIR": "/nonexistent"})
        had(elsewhere.try_acquire(tree)).release()


@pytest.mark.parametrize("name", ["gone", "file"])
async def test_a_path_that_is_no_tree_is_named(locks: LockQueue, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ProjectError, match=f"{name}: no(t a| such file or) directory"):
        locks.try_acquire(tmp_path / name)
    with pytest.raises(ProjectError, match=f"{name}: no"):
        await locks.acquire(tmp_path / name, on_wait=ignore)


async def test_a_tree_that_vanishes_while_waited_for_is_named(locks: LockQueue, tree: Path) -> None:
    with another(tree):
        waiters = [await waiting(locks, tree) for _ in range(2)]
        tree.rmdir()
        for waiter in waiters:
            with pytest.raises(ProjectError, match="tree: no such file"):
                await waiter


async def test_a_tree_that_was_replaced_while_waited_for_is_locked_itself(
    locks: LockQueue, tree: Path
) -> None:
    """The other process has locked the old directory; the one that will be built is free."""
    with another(tree):
        waiters = [await waiting(locks, tree) for _ in range(2)]
        shutil.move(tree, tree.with_name("old"))
        tree.mkdir()
        for waiter in waiters:
            held = await waiter
            assert os.path.samestat(os.fstat(held.fds[0]), os.stat(tree))  # noqa: PTH116
            held.release()


async def test_a_tree_replaced_while_it_is_being_locked_is_not_acquired(
    locks: LockQueue, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = iter(("old", "older"))

    def replace(fd: int) -> bool:
        monkeypatch.setattr(openlock, "try_lock", try_lock)
        shutil.move(tree, tree.with_name(next(names)))
        tree.mkdir()
        return try_lock(fd)

    monkeypatch.setattr(openlock, "try_lock", replace)
    assert locks.try_acquire(tree) is None
    monkeypatch.setattr(openlock, "try_lock", replace)
    held = await locks.acquire(tree, on_wait=ignore)
    assert os.path.samestat(os.fstat(held.fds[0]), os.stat(tree))  # noqa: PTH116
    held.release()


async def test_uvs_file_that_was_removed_while_waited_for_is_made_again(
    locks: LockQueue, tree: Path, tmp_path: Path
) -> None:
    """As cleaners of /tmp do; uv would lock a new one."""
    path = lock_path(tree.resolve(), {"TMPDIR": str(tmp_path)})
    os.close(open_lock(path))
    with another(path):
        waiter = await waiting(locks, tree)
        os.unlink(path)  # noqa: PTH108
        held = await waiter
        assert os.path.samestat(os.fstat(held.fds[1]), os.stat(path))  # noqa: PTH116
    held.release()


async def test_without_a_place_for_uvs_lock_the_tree_is_locked_all_the_same(tree: Path) -> None:
    locks = tree_lock_queue({"TMPDIR": "/nonexistent"})
    held = had(locks.try_acquire(tree))
    assert len(held.fds) == 1
    assert locks.try_acquire(tree) is None
    held.release()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EBADF, errno.EIO])
async def test_a_file_system_without_locks_is_reported_with_a_fix(
    locks: LockQueue, tree: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(fd: int) -> bool:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(openlock, "try_lock", refuse)
    for _ in range(2):
        with pytest.raises(ProjectError, match=r"tree: (its file system|cannot be lock)") as caught:
            locks.try_acquire(tree)
        assert "--copy" in caught.value.hint
        with pytest.raises(ProjectError, match=r"tree: (its file system|cannot be lock)"):
            await locks.acquire(tree, on_wait=ignore)


async def test_where_uvs_file_cannot_be_locked_the_tree_is_locked_all_the_same(
    locks: LockQueue, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_files(fd: int) -> bool:
        if not os.path.samestat(os.fstat(fd), os.stat(tree)):  # noqa: PTH116
            raise OSError(errno.ENOLCK, "no locks")
        return try_lock(fd)

    monkeypatch.setattr(openlock, "try_lock", refuse_files)
    held = had(locks.try_acquire(tree))
    assert len(held.fds) == 1
    held.release()


async def test_with_no_descriptor_left_nothing_is_built_without_uvs_lock(
    locks: LockQueue, tree: Path
) -> None:
    free = os.dup(0)
    os.close(free)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, limits[1]))
    try:
        with pytest.raises(ProjectError, match="tree: too many open files"):
            locks.try_acquire(tree)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
