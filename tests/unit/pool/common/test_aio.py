"""Work in threads: a cancelled caller continues only when the thread has finished."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pool.common.aio import gather_first_error, in_thread, run_until_first
from pool.common.cancellation import check_cancelled


@pytest.mark.parametrize("fails", [False, True])
async def test_it_is_let_finish_even_when_cancelled_twice(fails: bool) -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait()
        done.set()
        if fails:
            raise OSError("no space")

    with ThreadPoolExecutor(1) as executor:
        task = asyncio.create_task(in_thread(executor, work))
        await asyncio.sleep(0)
        begun.wait()
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert done.is_set()


async def test_an_exception_of_the_function_is_raised() -> None:
    with ThreadPoolExecutor(1) as executor:
        assert await in_thread(executor, len, "abc") == 3
        with pytest.raises(TypeError):
            await in_thread(executor, len, 3)  # type: ignore[arg-type] # on purpose


async def test_gather_first_error_returns_results_in_order() -> None:
    async def after(seconds: float, value: int) -> int:
        await asyncio.sleep(seconds)
        return value

    assert await gather_first_error(after(0.01, 1), after(0, 2)) == [1, 2]
    assert await gather_first_error() == []


async def test_gather_first_error_cancels_the_others_and_raises_the_error_itself() -> None:
    cancelled = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def fail() -> None:
        await asyncio.sleep(0)
        raise KeyError("x")

    with pytest.raises(KeyError):
        await gather_first_error(wait(), fail())
    assert cancelled.is_set()


async def test_run_until_first_cancels_the_rest_and_raises_the_error_of_the_first() -> None:
    cancelled = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def fail() -> None:
        raise KeyError("x")

    await run_until_first(wait(), asyncio.sleep(0))
    assert cancelled.is_set()
    with pytest.raises(KeyError):
        await run_until_first(wait(), fail())


async def test_in_thread_cancelled_ends_work_that_checks() -> None:
    started, checks = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        while True:
            check_cancelled()

    def clean_up() -> None:
        checks.set()

    with ThreadPoolExecutor(1) as executor:
        task = asyncio.create_task(in_thread(executor, work))
        await asyncio.sleep(0)
        started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # The flag is that of one call.
        await in_thread(executor, clean_up)
    assert checks.is_set()
    check_cancelled()
