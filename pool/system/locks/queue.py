"""Waits for file locks, first come, first served, and reports their holders.

flock is not fair, so the waiters for one lock queue inside the process, and one timer for all locks
tries for the first waiter of each queue. A timeout never lets a build go on without its lock: a
waiter gets the lock, is cancelled, or fails with an error that names the holder. The lock itself is
a `FileLock`: of a source tree (`tree_lock`) or of a lock file (`lock_file`).
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from msgspec import field

from pool.common.errors import LockTimeoutError, PoolError
from pool.common.record import MutableRecord
from pool.system.locks.holder import describe_process

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pool.common.model import Holder
    from pool.system.locks.base import FileLock, LockKey

__all__ = ["LockGuard", "LockQueue", "Opener"]

Opener: TypeAlias = "Callable[[Path], FileLock]"
"""Opens the lock of a path; raises a `PoolError` if it cannot be opened."""

MIN_DELAY_SECONDS, MAX_DELAY_SECONDS = 0.02, 0.25
"""Delay of the next sweep: short after a new waiter, then longer each time."""
HOLDER_INTERVAL_SECONDS = 1.0
"""How often the holder is looked up during a wait."""
HOLDER_BUDGET_SECONDS = 0.005
"""Time for holders in one sweep: to find an orphan, all descriptors of the machine are read."""


class LockGuard(MutableRecord):
    """A lock that is held until `release`."""

    _locks: LockQueue
    _open: FileLock

    @property
    def fds(self) -> tuple[int, ...]:
        """The descriptors that hooks inherit, so that the lock lives as long as they do."""
        return tuple(self._open.fds)

    def release(self) -> None:
        """Release the lock to the next waiter; a second call does nothing."""
        if self._open.fds:
            self._open.close()
            self._locks._on_release(self._open.key)  # noqa: SLF001 - the other half of this class


class _Waiter(MutableRecord, eq=False):
    path: Path
    on_wait: Callable[[Holder | None], None]
    result: asyncio.Future[LockGuard] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    reported: Holder | None = None
    """The holder of the last report."""

    def report(self, holder: Holder | None) -> None:
        self.reported = holder
        self.on_wait(holder)


class _WaitQueue(MutableRecord, eq=False):
    """The waiters for one lock, in order; they share its open descriptors."""

    lock: FileLock | None
    """None while a waiter of the queue has just received it."""
    waiters: deque[_Waiter] = field(default_factory=deque)

    @property
    def head(self) -> _Waiter | None:
        # A waiter that was just cancelled stays in the queue until its task has run.
        return next((waiter for waiter in self.waiters if not waiter.result.done()), None)

    def open_current(self, path: Path, opener: Opener) -> FileLock:
        """Return the lock, opened again if another file has the path now."""
        if self.lock is None or not self.lock.is_current:
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
        hint: for the error of a timeout: what the user can do.
    """

    def __init__(self, opener: Opener, *, hint: str = "wait for it, or end it") -> None:
        self._opener = opener
        self._hint = hint
        self._held: set[LockKey] = set()
        self._queues: dict[LockKey, _WaitQueue] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._delay = MIN_DELAY_SECONDS
        self._next_holder_update = 0.0
        self._stale_holders: list[LockKey] = []

    def try_acquire(self, path: Path) -> LockGuard | None:
        """Lock a path if that needs no wait and no waiter of this process comes first.

        Raises:
            PoolError: the path does not exist or cannot be locked.
        """
        lock = self._opener(path)
        busy = lock.key in self._held or lock.key in self._queues
        if busy or not (lock.lock() and lock.is_current):
            lock.close()
            return None
        return self._guard(lock)

    async def acquire(
        self,
        path: Path,
        *,
        on_wait: Callable[[Holder | None], None],
        timeout: float | None = None,  # noqa: ASYNC109 - its error names the holder
    ) -> LockGuard:
        """Wait for a lock, behind earlier waiters.

        Args:
            path: the file or directory, by any of its paths.
            on_wait: called with the holder when the wait begins and when the holder changes.
            timeout: seconds; None waits for ever.

        Raises:
            LockTimeoutError: the timeout is over; the message names the holder.
            PoolError: the path does not exist or cannot be locked.
        """
        last: Holder | None = None

        def report(holder: Holder | None) -> None:
            nonlocal last
            last = holder
            on_wait(holder)

        try:
            async with asyncio.timeout(timeout):
                return await self._acquire_in_order(path, report)
        except TimeoutError:
            raise self._timeout_error(path, last, timeout or 0.0) from None

    async def _acquire_in_order(
        self, path: Path, on_wait: Callable[[Holder | None], None]
    ) -> LockGuard:
        waiter = _Waiter(path, on_wait)
        key = self._enqueue(waiter)
        try:
            self._admit(key)
            if not waiter.result.done():
                waiter.report(self._find_holder(key))
                self._schedule_early_sweep()
            return await waiter.result
        except BaseException:
            self._withdraw(key, waiter)
            raise

    def _enqueue(self, waiter: _Waiter) -> LockKey:
        lock = self._opener(waiter.path)
        if (queue := self._queues.get(lock.key)) is None:
            queue = self._queues[lock.key] = _WaitQueue(lock)
        else:
            lock.close()
        queue.waiters.append(waiter)
        return lock.key

    def _withdraw(self, key: LockKey, waiter: _Waiter) -> None:
        """Remove a waiter that failed or was cancelled; release its lock if it has one already."""
        queue = self._queues.get(key)
        if queue is not None and waiter in queue.waiters:
            self._dequeue(key, queue, waiter)
        elif waiter.result.exception() is None:
            # It was cancelled right after it received the lock.
            waiter.result.result().release()

    def _dequeue(self, key: LockKey, queue: _WaitQueue, waiter: _Waiter) -> None:
        queue.waiters.remove(waiter)
        if not queue.waiters:
            del self._queues[key]
            queue.close()

    def _on_release(self, key: LockKey) -> None:
        self._held.discard(key)
        self._admit(key)

    def _admit(self, key: LockKey) -> None:
        """Give a free lock to the first waiter; fail waiters that can never get it."""
        queue = self._queues.get(key)
        while queue and key not in self._held and (waiter := queue.head):
            try:
                lock = queue.open_current(waiter.path, self._opener)
                # The file can be replaced just before it is locked.
                if not (lock.lock() and lock.is_current):
                    return
                queue.lock = None
                waiter.result.set_result(self._guard(lock))
            except PoolError as problem:
                waiter.result.set_exception(problem)
            self._dequeue(key, queue, waiter)

    def _guard(self, lock: FileLock) -> LockGuard:
        self._held.add(lock.key)
        return LockGuard(self, lock)

    def _schedule_early_sweep(self) -> None:
        """Schedule a sweep soon, because there is a new waiter."""
        loop = asyncio.get_running_loop()
        self._delay = MIN_DELAY_SECONDS
        if self._timer is None or self._timer.when() > loop.time() + self._delay:
            self._schedule_sweep(loop)

    def _schedule_sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_later(self._delay, self._sweep, loop) if self._queues else None

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Try to take each lock that has waiters; update the holders now and then."""
        self._delay = min(self._delay * 1.5, MAX_DELAY_SECONDS)
        try:
            for key in list(self._queues):
                self._admit(key)
            self._update_holders(loop)
        finally:
            # An `on_wait` that raises must not stop the other waiters.
            self._schedule_sweep(loop)

    def _update_holders(self, loop: asyncio.AbstractEventLoop) -> None:
        """Update holders within the time budget; the rest is left to the next sweep."""
        now = loop.time()
        if not self._stale_holders and now >= self._next_holder_update:
            self._next_holder_update = now + HOLDER_INTERVAL_SECONDS
            self._stale_holders = list(self._queues)
        while self._stale_holders and loop.time() < now + HOLDER_BUDGET_SECONDS:
            if (key := self._stale_holders.pop()) in self._queues:
                self._update_holder(key)

    def _update_holder(self, key: LockKey) -> None:
        holder = self._find_holder(key)
        for waiter in self._queues[key].waiters:
            if not waiter.result.done() and holder != waiter.reported:
                waiter.report(holder)

    def _find_holder(self, key: LockKey) -> Holder | None:
        lock = self._queues[key].lock
        if lock is None or lock.key in self._held:
            return describe_process(os.getpid())
        return lock.holder()

    def _timeout_error(self, path: Path, holder: Holder | None, seconds: float) -> LockTimeoutError:
        name = "another process"
        if holder is not None and holder.pid is not None:
            name = f'pid {holder.pid} "{holder.command}"' if holder.command else f"pid {holder.pid}"
        message = f"{path}: still locked by {name} after {seconds:g} s"
        return LockTimeoutError(message, hint=self._hint)
