"""Helpers for asyncio: blocking work in threads, several coroutines at once.

`asyncio.to_thread` is deliberately not used: its default executor has CPU count + 4 threads and
would silently cap the pool.
"""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pool.common.cancellation import observe_flag

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

__all__ = ["gather_first_error", "in_thread", "run_until_first"]

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(
    executor: Executor, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run blocking work in a thread of the executor.

    A cancelled caller waits for the thread, however often it is cancelled: a thread cannot be
    interrupted, and the caller may hold a lock or own a folder that the thread still uses. Work
    that calls `pool.common.cancellation.check_cancelled` ends soon; other work, such as removing
    files, is done to its end.
    """
    loop = asyncio.get_running_loop()
    cancel_flag = threading.Event()
    future = loop.run_in_executor(
        executor, _run_cancellable, cancel_flag, partial(work, *args, **kwargs)
    )
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as problem:
            cancelled = problem
            cancel_flag.set()
    if cancelled is not None:
        # Retrieve the exception, so asyncio does not log "exception was never retrieved".
        future.exception()
        raise cancelled
    return future.result()


def _run_cancellable(flag: threading.Event, work: Callable[[], T]) -> T:
    with observe_flag(flag):
        return work()


async def gather_first_error(*coroutines: Coroutine[None, None, T]) -> list[T]:
    """Run coroutines concurrently and return their results in order.

    The first exception cancels the others and is raised as it is, without an ExceptionGroup.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


async def run_until_first(*coroutines: Coroutine[None, None, None]) -> None:
    """Run coroutines concurrently until one ends, then cancel the others.

    An exception of the coroutine that ended is raised as it is.
    """
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        finished, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in finished:
        task.result()
