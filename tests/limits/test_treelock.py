"""Tree locks against other processes: exclusive, in order, named, never leaking."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pool.errors import LockTimeoutError, ProjectError
from pool.limits.treelock import TreeLocks
from pool.limits.uvlock import lock_path, open_lock
from pool.model import Holder

HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    return tree


@pytest.fixture
async def locks(tmp_path: Path) -> AsyncIterator[TreeLocks]:
    before = open_files()
    yield TreeLocks(environ={"TMPDIR": str(tmp_path)})
    assert open_files() == before, "descriptors leaked"


def open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@contextmanager
def held_by_another(path: Path | str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def ignore(holder: Holder | None) -> None:
    pass


async def test_a_free_tree_is_had_at_once(locks: TreeLocks, tree: Path) -> None:
    held = locks.try_hold(tree)
    assert held
    assert len(held.fds) == 2
    held.release()


async def test_aliases_are_one_tree(locks: TreeLocks, tree: Path, tmp_path: Path) -> None:
    alias = tmp_path / "alias"
    alias.symlink_to(tree)
    held = locks.try_hold(tree)
    assert held
    assert locks.try_hold(alias) is None
    assert locks.try_hold(tree / ".." / "tree") is None
    held.release()
    held = locks.try_hold(alias)
    assert held
    held.release()


async def test_waiters_of_one_process_go_in_order(locks: TreeLocks, tree: Path) -> None:
    first = locks.try_hold(tree)
    assert first
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


@pytest.mark.parametrize("which", ["tree", "uv"])
async def test_another_process_is_waited_for_and_named(
    locks: TreeLocks, tree: Path, tmp_path: Path, which: str
) -> None:
    path = str(tree)
    if which == "uv":
        path = lock_path(tree.resolve(), {"TMPDIR": str(tmp_path)})
        os.close(open_lock(path))
    told: list[Holder | None] = []
    with held_by_another(path) as process:
        assert locks.try_hold(tree) is None
        waiting = asyncio.ensure_future(locks.acquire(tree, on_wait=told.append))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert told[0] and told[0].pid == process.pid and "fcntl" in told[0].command
        process.kill()
        held = await waiting
    held.release()


async def test_an_orphan_that_inherited_the_lock_still_holds_it(
    locks: TreeLocks, tree: Path
) -> None:
    held = locks.try_hold(tree)
    assert held
    orphan = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=held.fds
    )
    held.release()
    assert locks.try_hold(tree) is None
    told: list[Holder | None] = []
    with pytest.raises(LockTimeoutError, match=f"pid {orphan.pid} "):
        await locks.acquire(tree, on_wait=told.append, timeout=0.05)
    orphan.communicate(b"\n")
    held = await locks.acquire(tree, on_wait=ignore)
    held.release()


async def test_patience_ends_with_the_holders_name(locks: TreeLocks, tree: Path) -> None:
    with held_by_another(tree) as process:
        with pytest.raises(LockTimeoutError, match=f'by pid {process.pid} ".*" after 0.05 s'):
            await locks.acquire(tree, on_wait=ignore, timeout=0.05)


async def test_a_cancelled_waiter_leaves_the_line(locks: TreeLocks, tree: Path) -> None:
    first = locks.try_hold(tree)
    assert first
    waiting = [asyncio.ensure_future(locks.acquire(tree, on_wait=ignore)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    first.release()
    second = await waiting[1]
    # Given the tree and cancelled before it could notice: the next one gets it.
    second.release()
    waiting[2].cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting[2]
    again = locks.try_hold(tree)
    assert again
    again.release()


async def test_a_tree_that_is_gone_is_named(locks: TreeLocks, tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="gone: no such file"):
        locks.try_hold(tmp_path / "gone")


async def test_without_a_place_for_uvs_lock_the_tree_is_locked_all_the_same(tree: Path) -> None:
    locks = TreeLocks(environ={"TMPDIR": "/nonexistent"})
    held = locks.try_hold(tree)
    assert held and len(held.fds) == 1
    assert locks.try_hold(tree) is None
    held.release()
