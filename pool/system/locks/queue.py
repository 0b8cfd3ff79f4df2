"""Waiting for locks: in order, told who holds them, never without them.

flock is not fair, so waiters for one lock stand in line inside the process, and one timer for all
locks tries for the heads of the lines. A lock is never given up for lack of patience: a waiter
either gets it, is cancelled, or fails with the name of the holder. The files that are
locked are those of a `FileLock`: a source tree's (`lock_pair`), or a file (`lock_file`).
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from pool.common.errors import LockTimeoutError, PoolError
from pool.system.locks.holder import describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pool.common.model import Holder
    from pool.system.locks.base import FileLock, LockKey

__all__ = ["LockGuard", "LockQueue", "Opener"]

Opener: TypeAlias = "Callable[[Path], FileLock]"
"""Opens the lock of a path; a `PoolError` says why it cannot be locked."""

FIRST_SECONDS, LONGEST_SECONDS = 0.02, 0.25
"""The sweeps: soon after a waiter arrives, then less and less often."""
HOLDER_SECONDS = 1.0
"""How often the holder is looked up again while waiting."""
LOOK_SECONDS = 0.005
"""How long one sweep looks: for an orphan, all descriptors of the machine have to be read."""


@dataclass(slots=True)
class LockGuard:
    """A lock that is ours until `release`."""

    _locks: LockQueue
    _open: FileLock

    @property
    def fds(self) -> tuple[int, ...]:
        """The descriptors to hand to hooks, so that the lock lives as long as they do."""
        return tuple(self._open.fds)

    def release(self) -> None:
        """Let the next one in; once is enough, and a second time does nothing."""
        if self._open.fds:
            self._open.close()
            self._locks._let_go(self._open.key)  # noqa: SLF001 - the other half of this class


@dataclass(slots=True, eq=False)
class _Waiter:
    path: Path
    on_wait: Callable[[Holder | None], None]
    turn: asyncio.Future[LockGuard] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    told: Holder | None = None
    """The holder that was reported last."""

    def tell(self, holder: Holder | None) -> None:
        self.told = holder
        self.on_wait(holder)


@dataclass(slots=True, eq=False)
class _WaitQueue:
    """Those who wait for one lock, in order; they share what is open of it."""

    lock: FileLock | None
    """None while one of them has it."""
    waiters: deque[_Waiter] = field(default_factory=deque)

    @property
    def head(self) -> _Waiter | None:
        # One that was just cancelled stands in line until its task has run.
        return next((waiter for waiter in self.waiters if not waiter.turn.done()), None)

    def opened(self, path: Path, opener: Opener) -> FileLock:
        """Return the lock, opened anew if what it had open is no longer what has the name."""
        if self.lock is None or not self.lock.current:
            self.close()
            self.lock = opener(path)
        return self.lock

    def close(self) -> None:
        if self.lock is not None:
            self.lock.close()
            self.lock = None


class LockQueue:
    """The locks of one kind that one pool takes; belongs to one event loop.

    Args:
        opener: opens the lock of a path.
        hint: what to do about a holder that does not let go.
    """

    def __init__(self, opener: Opener, *, hint: str = "wait for it, or end it") -> None:
        self._opener = opener
        self._hint = hint
        self._ours: set[LockKey] = set()
        self._lines: dict[LockKey, _WaitQueue] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._pause = FIRST_SECONDS
        self._look_next = 0.0
        self._to_look_at: list[LockKey] = []

    def try_hold(self, path: Path) -> LockGuard | None:
        """Lock a path if that can be done at once, and if no waiter is in line for it.

        Raises:
            PoolError: it is gone, or it cannot be locked.
        """
        lock = self._opener(path)
        taken = lock.key in self._ours or lock.key in self._lines
        if taken or not (lock.lock() and lock.current):
            lock.close()
            return None
        return self._given(lock)

    async def acquire(
        self,
        path: Path,
        *,
        on_wait: Callable[[Holder | None], None],
        timeout: float | None = None,  # noqa: ASYNC109 - its error names the holder
    ) -> LockGuard:
        """Wait in line for a lock.

        Args:
            path: what to lock, by any name.
            on_wait: told the holder when the wait begins and whenever the holder changes.
            timeout: seconds; None waits for ever.

        Raises:
            LockTimeoutError: the time is over; the message names the holder.
            PoolError: it is gone, or it cannot be locked.
        """
        last: Holder | None = None

        def tell(holder: Holder | None) -> None:
            nonlocal last
            last = holder
            on_wait(holder)

        try:
            async with asyncio.timeout(timeout):
                return await self._in_line(path, tell)
        except TimeoutError:
            raise self._out_of_patience(path, last, timeout or 0.0) from None

    async def _in_line(self, path: Path, on_wait: Callable[[Holder | None], None]) -> LockGuard:
        waiter = _Waiter(path, on_wait)
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

    def _join(self, waiter: _Waiter) -> LockKey:
        lock = self._opener(waiter.path)
        if (line := self._lines.get(lock.key)) is None:
            line = self._lines[lock.key] = _WaitQueue(lock)
        else:
            lock.close()
        line.waiters.append(waiter)
        return lock.key

    def _step_out(self, key: LockKey, waiter: _Waiter) -> None:
        """Undo what a waiter has that will not come to its caller."""
        line = self._lines.get(key)
        if line is not None and waiter in line.waiters:
            self._leave(key, line, waiter)
        elif waiter.turn.exception() is None:
            # It got the lock in the very moment in which it was cancelled.
            waiter.turn.result().release()

    def _leave(self, key: LockKey, line: _WaitQueue, waiter: _Waiter) -> None:
        line.waiters.remove(waiter)
        if not line.waiters:
            del self._lines[key]
            line.close()

    def _let_go(self, key: LockKey) -> None:
        self._ours.discard(key)
        self._admit(key)

    def _admit(self, key: LockKey) -> None:
        """Give the lock to the head of its line if it is free; send away who cannot have it."""
        line = self._lines.get(key)
        while line and key not in self._ours and (waiter := line.head):
            try:
                lock = line.opened(waiter.path, self._opener)
                # The file may have been replaced just before it was locked.
                if not (lock.lock() and lock.current):
                    return
                line.lock = None
                waiter.turn.set_result(self._given(lock))
            except PoolError as problem:
                waiter.turn.set_exception(problem)
            self._leave(key, line, waiter)

    def _given(self, lock: FileLock) -> LockGuard:
        self._ours.add(lock.key)
        return LockGuard(self, lock)

    def _sweep_soon(self) -> None:
        """Try again soon, because a waiter has just arrived."""
        loop = asyncio.get_running_loop()
        self._pause = FIRST_SECONDS
        if self._timer is None or self._timer.when() > loop.time() + self._pause:
            self._again(loop)

    def _again(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(self._pause, self._sweep, loop) if self._lines else None

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Try every lock that has waiters; look up its holder now and then."""
        self._pause = min(self._pause * 1.5, LONGEST_SECONDS)
        try:
            for key in list(self._lines):
                self._admit(key)
            self._look_around(loop)
        finally:
            # Other waiters are still in line if a listener raises.
            self._again(loop)

    def _look_around(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look who has the locks, now and then; what takes too long is left to the next sweep."""
        now = loop.time()
        if not self._to_look_at and now >= self._look_next:
            self._look_next = now + HOLDER_SECONDS
            self._to_look_at = list(self._lines)
        while self._to_look_at and loop.time() < now + LOOK_SECONDS:
            if (key := self._to_look_at.pop()) in self._lines:
                self._look(key)

    def _look(self, key: LockKey) -> None:
        holder = self._holder(key)
        for waiter in self._lines[key].waiters:
            if not waiter.turn.done() and holder != waiter.told:
                waiter.tell(holder)

    def _holder(self, key: LockKey) -> Holder | None:
        lock = self._lines[key].lock
        if lock is None or lock.key in self._ours:
            return describe(os.getpid())
        return lock.holder()

    def _out_of_patience(
        self, path: Path, holder: Holder | None, seconds: float
    ) -> LockTimeoutError:
        who = "another process"
        if holder is not None and holder.pid is not None:
            who = f'pid {holder.pid} "{holder.command}"' if holder.command else f"pid {holder.pid}"
        message = f"{path}: still locked by {who} after {seconds:g} s"
        return LockTimeoutError(message, hint=self._hint)
