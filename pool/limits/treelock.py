"""Locks on source trees: one builder at a time on the whole machine, for every backend.

The lock is flock(2) on the tree's own directory: no file is left behind, it works on read-only
trees, and the kernel lets go of it when its last holder dies. Hooks inherit the descriptor, so
an orphaned hook still holds it. uv's lock file for the tree is taken as well (see `pair`).

flock is not fair, so waiters of one tree stand in line inside the process, and one timer for all
trees tries for the heads of the lines. A lock is never given up for lack of patience: a waiter
either gets it, is cancelled, or fails with the name of the holder.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pool.errors import LockTimeoutError, ProjectError
from pool.limits.holder import describe
from pool.limits.pair import LockPair, TreeKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pool.model import Holder

__all__ = ["Held", "TreeLocks"]

FIRST_SECONDS, LONGEST_SECONDS = 0.02, 0.25
"""The sweeps: soon after somebody begins to wait, then less and less often."""
HOLDER_SECONDS = 1.0
"""How often the holder is looked up again while waiting."""
LOOK_SECONDS = 0.005
"""How long one sweep looks: for an orphan, all descriptors of the machine have to be read."""


@dataclass(slots=True)
class Held:
    """A tree that is ours until `release`."""

    _locks: TreeLocks
    _pair: LockPair

    @property
    def fds(self) -> tuple[int, ...]:
        """The descriptors to hand to hooks, so that the lock lives as long as they do."""
        return tuple(self._pair.fds)

    def release(self) -> None:
        """Let the next one in; once is enough, and a second time does nothing."""
        if self._pair.fds:
            self._pair.close()
            self._locks._let_go(self._pair.key)  # noqa: SLF001 - the other half of this class


@dataclass(slots=True, eq=False)
class _Waiter:
    tree: Path
    on_wait: Callable[[Holder | None], None]
    turn: asyncio.Future[Held] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    told: Holder | None = None
    """Who was named last as the holder."""

    def tell(self, holder: Holder | None) -> None:
        self.told = holder
        self.on_wait(holder)


@dataclass(slots=True, eq=False)
class _Line:
    """Those who wait for one tree, in order; they share one pair of descriptors."""

    pair: LockPair | None
    """None while one of them has it."""
    waiters: deque[_Waiter] = field(default_factory=deque)

    @property
    def head(self) -> _Waiter | None:
        # One that was just cancelled stands in line until its task has run.
        return next((waiter for waiter in self.waiters if not waiter.turn.done()), None)

    def opened(self, tree: Path, environ: Mapping[str, str]) -> LockPair:
        """Return the pair, opened anew if what it had open is no longer what has the name."""
        if self.pair is None or not self.pair.current:
            self.close()
            self.pair = LockPair(tree, environ)
        return self.pair

    def close(self) -> None:
        if self.pair is not None:
            self.pair.close()
            self.pair = None


class TreeLocks:
    """All tree locks of one pool; belongs to one event loop.

    Args:
        environ: where TMPDIR is looked up, which decides on uv's lock file.
    """

    def __init__(self, *, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._ours: set[TreeKey] = set()
        self._lines: dict[TreeKey, _Line] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._pause = FIRST_SECONDS
        self._look_next = 0.0
        self._to_look_at: list[TreeKey] = []

    def try_hold(self, tree: Path) -> Held | None:
        """Lock a tree if that can be done at once, and if nobody of ours stands in line for it.

        Raises:
            ProjectError: the tree is gone, or its file system has no locks.
        """
        pair = LockPair(tree, self._environ)
        taken = pair.key in self._ours or pair.key in self._lines
        if taken or not (pair.lock() and pair.current):
            pair.close()
            return None
        return self._given(pair)

    async def acquire(
        self,
        tree: Path,
        *,
        on_wait: Callable[[Holder | None], None],
        timeout: float | None = None,  # noqa: ASYNC109 - its error names the holder
    ) -> Held:
        """Wait in line for a tree.

        Args:
            tree: its directory, by any name.
            on_wait: told the holder when the wait begins and whenever the holder changes.
            timeout: seconds; None waits for ever.

        Raises:
            LockTimeoutError: the time is over; the message names the holder.
            ProjectError: the tree is gone, or its file system has no locks.
        """
        last: Holder | None = None

        def tell(holder: Holder | None) -> None:
            nonlocal last
            last = holder
            on_wait(holder)

        try:
            async with asyncio.timeout(timeout):
                return await self._in_line(tree, tell)
        except TimeoutError:
            raise _out_of_patience(tree, last, timeout or 0.0) from None

    async def _in_line(self, tree: Path, on_wait: Callable[[Holder | None], None]) -> Held:
        waiter = _Waiter(tree, on_wait)
        key = self._join(waiter)
        try:
            self._admit(key)
            if not waiter.turn.done():
                waiter.tell(self._holder(key))
                self._sweep_soon()
            return await waiter.turn
        except BaseException:
            self._step_out(key, waiter)
            raise

    def _join(self, waiter: _Waiter) -> TreeKey:
        pair = LockPair(waiter.tree, self._environ)
        if (line := self._lines.get(pair.key)) is None:
            line = self._lines[pair.key] = _Line(pair)
        else:
            pair.close()
        line.waiters.append(waiter)
        return pair.key

    def _step_out(self, key: TreeKey, waiter: _Waiter) -> None:
        """Undo what a waiter has that will not come to its caller."""
        line = self._lines.get(key)
        if line is not None and waiter in line.waiters:
            self._leave(key, line, waiter)
        elif waiter.turn.exception() is None:
            # It got the tree in the very moment in which it was cancelled.
            waiter.turn.result().release()

    def _leave(self, key: TreeKey, line: _Line, waiter: _Waiter) -> None:
        line.waiters.remove(waiter)
        if not line.waiters:
            del self._lines[key]
            line.close()

    def _let_go(self, key: TreeKey) -> None:
        self._ours.discard(key)
        self._admit(key)

    def _admit(self, key: TreeKey) -> None:
        """Give the tree to the head of its line if it is free; send away who cannot have it."""
        line = self._lines.get(key)
        while line and key not in self._ours and (waiter := line.head):
            try:
                pair = line.opened(waiter.tree, self._environ)
                # What had the name can have been replaced in the moment before it was locked.
                if not (pair.lock() and pair.current):
                    return
                line.pair = None
                waiter.turn.set_result(self._given(pair))
            except ProjectError as problem:
                waiter.turn.set_exception(problem)
            self._leave(key, line, waiter)

    def _given(self, pair: LockPair) -> Held:
        self._ours.add(pair.key)
        return Held(self, pair)

    def _sweep_soon(self) -> None:
        """Try again soon: somebody has just begun to wait."""
        loop = asyncio.get_running_loop()
        self._pause = FIRST_SECONDS
        if self._timer is None or self._timer.when() > loop.time() + self._pause:
            self._again(loop)

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(self._pause, self._sweep, loop) if self._lines else None

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Try for every tree that somebody waits for; look now and then who has it."""
        self._pause = min(self._pause * 1.5, LONGEST_SECONDS)
        try:
            for key in list(self._lines):
                self._admit(key)
            self._look_around(loop)
        finally:
            # Whatever a listener raises is its own trouble; the others still wait.
            self._again(loop)

    def _look_around(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look who has the trees, now and then; what takes too long is left to the next sweep."""
        now = loop.time()
        if not self._to_look_at and now >= self._look_next:
            self._look_next = now + HOLDER_SECONDS
            self._to_look_at = list(self._lines)
        while self._to_look_at and loop.time() < now + LOOK_SECONDS:
            if (key := self._to_look_at.pop()) in self._lines:
                self._look(key)

    def _look(self, key: TreeKey) -> None:
        holder = self._holder(key)
        for waiter in self._lines[key].waiters:
            if not waiter.turn.done() and holder != waiter.told:
                waiter.tell(holder)

    def _holder(self, key: TreeKey) -> Holder | None:
        pair = self._lines[key].pair
        if pair is None or pair.key in self._ours:
            return describe(os.getpid())
        return pair.holder()


def _out_of_patience(tree: Path, holder: Holder | None, seconds: float) -> LockTimeoutError:
    who = "another process"
    if holder is not None and holder.pid is not None:
        who = f'pid {holder.pid} "{holder.command}"' if holder.command else f"pid {holder.pid}"
    return LockTimeoutError(
        f"{tree}: still locked by {who} after {seconds:g} s",
        hint="wait for it, end it, or build in a copy with --copy",
    )
