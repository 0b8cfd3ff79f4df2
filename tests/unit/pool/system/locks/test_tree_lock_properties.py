"""Under waits, timeouts and releases by any path, a tree has one builder and a fair queue."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from pool.system.locks.tree_lock import tree_lock_queue
from tests.support.lock_holders import ignore, open_files

if TYPE_CHECKING:
    from pool.system.locks.queue import LockGuard

ALIASES = {"one": "one", "one/../one": "one", "link": "one", "one/": "one", "two": "two"}
STEP = st.one_of(
    st.tuples(st.sampled_from(["wait", "try"]), st.sampled_from(sorted(ALIASES))),
    st.tuples(st.sampled_from(["cancel", "release"]), st.integers(0, 5).map(str)),
    st.tuples(st.just("turn"), st.just("")),
)


class Trees:
    """Builders at two trees with five names, and a model of who should have which."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.locks = tree_lock_queue({"TMPDIR": str(root)})
        self.lines: dict[str, deque[asyncio.Task[LockGuard]]] = {"one": deque(), "two": deque()}
        self.has: dict[str, LockGuard | asyncio.Task[LockGuard] | None] = {"one": None, "two": None}
        self.cancelled: dict[str, asyncio.Task[LockGuard]] = {}
        """The last task that was cancelled after its lock was granted: it releases when it runs."""

    async def step(self, what: str, which: str) -> None:
        match what:
            case "wait":
                await self.wait(which)
            case "try":
                self.attempt(which)
            case "turn":
                await self.settle()
            case "cancel":
                self.cancel(int(which))
            case _:
                await self.release("one" if int(which) % 2 else "two")

    async def wait(self, alias: str) -> None:
        tree = ALIASES[alias]
        waiting = self.locks.acquire(self.root / alias, on_wait=ignore)
        self.lines[tree].append(asyncio.ensure_future(waiting))
        await asyncio.sleep(0)
        self.expect_next(tree)

    def attempt(self, alias: str) -> None:
        tree = ALIASES[alias]
        held = self.locks.try_acquire(self.root / alias)
        releases = tree in self.cancelled and not self.cancelled[tree].done()
        free = self.has[tree] is None and not self.lines[tree] and not releases
        assert (held is not None) == free
        if held is not None:
            self.has[tree] = held

    def cancel(self, number: int) -> None:
        """Cancel one of those in line, or the one who was given the tree this very moment."""
        for tree, line in self.lines.items():
            given = self.has[tree]
            if number == 0 and isinstance(given, asyncio.Task) and given.cancel():
                self.cancelled[tree] = given
                self.has[tree] = None
                self.expect_next(tree)
            elif number < len(line):
                line[number].cancel()
                del line[number]

    async def release(self, tree: str) -> None:
        await self.settle()
        if (given := self.has[tree]) is not None:
            held = await given if isinstance(given, asyncio.Task) else given
            self.has[tree] = None
            held.release()
            self.expect_next(tree)

    def expect_next(self, tree: str) -> None:
        if self.has[tree] is None and self.lines[tree]:
            self.has[tree] = self.lines[tree].popleft()

    async def settle(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0)
        self.check()

    def check(self) -> None:
        for tree, line in self.lines.items():
            given = self.has[tree]
            assert not isinstance(given, asyncio.Task) or given.done(), "a free tree idles"
            assert not any(task.done() for task in line), "somebody overtook, or two have it"
            if given is None:
                assert not line


async def play(root: Path, steps: list[tuple[str, str]]) -> None:
    trees = Trees(root)
    for step in steps:
        await trees.step(*step)
    await trees.settle()
    for tree in trees.lines:
        while trees.has[tree] is not None:
            await trees.release(tree)


@settings(max_examples=200, deadline=None)
@given(st.lists(STEP, max_size=30))
def test_a_tree_has_one_builder_and_a_fair_line(steps: list[tuple[str, str]]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "one").mkdir()
        (root / "two").mkdir()
        (root / "link").symlink_to("one")
        before = open_files()
        asyncio.run(play(root, steps))
        assert open_files() == before, "descriptors leaked"
