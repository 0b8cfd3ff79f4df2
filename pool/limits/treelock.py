"""Locks on source trees: one builder at a time on the whole machine, for every backend.

The lock is flock(2) on the tree's own directory: no file is left behind, it works on read-only
trees, and the kernel lets go of it when its last holder dies. Hooks inherit the descriptor, so
an orphaned hook still holds it. uv's lock file for the tree is taken as well, always second;
since everyone who takes both takes them in this order, nobody waits in a circle.

flock is not fair, so waiters of one tree queue inside the process, and one timer for all trees
tries for the heads of the queues. A lock is never given up for lack of patience: a waiter either
gets it, is cancelled, or fails with the name of the holder.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from filelock import lock_descriptor

from pool.errors import LockTimeoutError, ProjectError
from pool.limits import uvlock
from pool.limits.holder import describe, holder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pool.model import Holder

__all__ = ["Held", "TreeLocks"]

_Key = tuple[int, int]
"""Device and inode: all names of a tree are one tree."""

FIRST_SECONDS, LONGEST_SECONDS = 0.02, 0.25
"""The sweeps: soon after somebody begins to wait, then less and less often."""
HOLDER_SECONDS = 1.0
"""How often the holder is looked up again while waiting."""


class _Descriptors:
    """The tree's directory and uv's lock file, open, locked one after the other."""

    def __init__(self, tree: Path, environ: Mapping[str, str]) -> None:
        self.tree = tree
        try:
            self.fds = [os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
        except OSError as problem:
            raise ProjectError(f"{tree}: {(problem.strerror or '').lower()}") from problem
        # Where uv could not lock either (no such TMPDIR, another's file), the first lock is all.
        with suppress(OSError):
            self.fds.append(uvlock.open_lock(uvlock.lock_path(tree.resolve(), environ)))
        self._locked = 0

    @property
    def key(self) -> _Key:
        about = os.fstat(self.fds[0])
        return about.st_dev, about.st_ino

    def lock(self) -> bool:
        """Go on from what is locked already; never blocks."""
        while self._locked < len(self.fds):
            try:
                if not lock_descriptor(self.fds[self._locked], blocking=False):
                    return False
            except OSError as problem:
                raise _unlockable(self.tree, problem) from problem
            self._locked += 1
        return True

    def busy(self) -> Holder | None:
        """Return who holds the descriptor that is waited for."""
        return holder_of(self.fds[min(self._locked, len(self.fds) - 1)])

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)
        self.fds = []


def _unlockable(tree: Path, problem: OSError) -> ProjectError:
    if problem.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
        return ProjectError(
            f"{tree}: its file system has no locks", hint="--copy builds in a copy of the tree"
        )
    return ProjectError(f"{tree}: cannot be locked: {problem.strerror}")


@dataclass(slots=True)
class Held:
    """A tree that is ours until `release`."""

    _locks: TreeLocks
    _descriptors: _Descriptors
    _key: _Key

    @property
    def fds(self) -> tuple[int, ...]:
        """The descriptors to hand to hooks, so that the lock lives as long as they do."""
        return tuple(self._descriptors.fds)

    def release(self) -> None:
        """Let the next one in; the kernel frees the tree when no hook has it open any more."""
        self._descriptors.close()
        self._locks._let_go(self._key)  # noqa: SLF001 - the other half of this class


@dataclass(slots=True, eq=False)
class _Waiter:
    descriptors: _Descriptors
    on_wait: Callable[[Holder | None], None]
    turn: asyncio.Future[Held] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    told: Holder | None = None
    """Who was named last as the holder."""


class TreeLocks:
    """All tree locks of one pool; belongs to one event loop.

    Args:
        environ: where TMPDIR is looked up, which decides on uv's lock file.
    """

    def __init__(self, *, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._ours: set[_Key] = set()
        self._queues: dict[_Key, deque[_Waiter]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._pause = FIRST_SECONDS
        self._since_looked = 0.0

    def try_hold(self, tree: Path) -> Held | None:
        """Lock a tree if that can be done at once.

        Raises:
            ProjectError: the tree is gone, or its file system has no locks.
        """
        descriptors = _Descriptors(tree, self._environ)
        key = descriptors.key
        held = None
        try:
            if key not in self._ours and key not in self._queues and descriptors.lock():
                self._ours.add(key)
                held = Held(self, descriptors, key)
        finally:
            if held is None:
                descriptors.close()
        return held

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
        waiter = _Waiter(_Descriptors(tree, self._environ), on_wait)
        key = waiter.descriptors.key
        self._queues.setdefault(key, deque()).append(waiter)
        self._try_head(key)
        if not waiter.turn.done():
            self._look(key, waiter, again=True)
        self._wake()
        held: Held | None = None
        try:
            async with asyncio.timeout(timeout):
                held = await waiter.turn
        except TimeoutError:
            raise _out_of_patience(tree, waiter.told, timeout or 0.0) from None
        finally:
            if held is None:
                self._step_out(key, waiter)
        return held

    def _step_out(self, key: _Key, waiter: _Waiter) -> None:
        """Undo what a waiter has that will not come to its caller."""
        if waiter.turn.cancelled() or not waiter.turn.done():
            waiter.turn.cancel()
            self._queues[key].remove(waiter)
            self._drop_if_empty(key)
            waiter.descriptors.close()
            self._try_head(key)
        elif waiter.turn.exception() is None:
            # It got the tree in the very moment in which it was cancelled.
            waiter.turn.result().release()

    def _let_go(self, key: _Key) -> None:
        self._ours.discard(key)
        self._try_head(key)

    def _try_head(self, key: _Key) -> None:
        """Give the tree to the head of its queue if it is free."""
        queue = self._queues.get(key, ())
        # One that was just cancelled is still in line until its task has run.
        waiter = next((waiter for waiter in queue if not waiter.turn.done()), None)
        if waiter is None or key in self._ours:
            return
        try:
            if not waiter.descriptors.lock():
                return
            self._ours.add(key)
            waiter.turn.set_result(Held(self, waiter.descriptors, key))
        except ProjectError as problem:
            waiter.turn.set_exception(problem)
            waiter.descriptors.close()
        self._queues[key].remove(waiter)
        self._drop_if_empty(key)

    def _drop_if_empty(self, key: _Key) -> None:
        if not self._queues.get(key, True):
            del self._queues[key]

    def _wake(self) -> None:
        """Sweep soon: somebody has just begun to wait."""
        self._pause = FIRST_SECONDS
        if self._timer is not None:
            self._timer.cancel()
        self._again()

    def _again(self) -> None:
        self._timer = None
        if self._queues:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._pause, self._sweep)

    def _sweep(self) -> None:
        """Try for every tree that somebody waits for."""
        self._since_looked += self._pause
        look, self._since_looked = (
            (True, 0.0) if self._since_looked >= HOLDER_SECONDS else (False, self._since_looked)
        )
        self._pause = min(self._pause * 1.5, LONGEST_SECONDS)
        for key in list(self._queues):
            self._try_head(key)
            for waiter in self._queues.get(key, ()) if look else ():
                self._look(key, waiter)
        self._again()

    def _look(self, key: _Key, waiter: _Waiter, *, again: bool = False) -> None:
        holder = describe(os.getpid()) if key in self._ours else waiter.descriptors.busy()
        if again or holder != waiter.told:
            waiter.told = holder
            waiter.on_wait(holder)


def _out_of_patience(tree: Path, holder: Holder | None, seconds: float) -> LockTimeoutError:
    who = f'pid {holder.pid} "{holder.command}"' if holder and holder.pid else "another process"
    return LockTimeoutError(
        f"{tree}: {who} has held it for longer than {seconds:g} s",
        hint="wait for it, end it, or build in a copy with --copy",
    )
