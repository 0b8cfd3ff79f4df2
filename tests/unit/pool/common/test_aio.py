"""Work in threads: whoever is cancelled, however often, goes on when the thread is done."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pool.build.context import in_thread


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


async def test_what_it_raises_is_raised() -> None:
    with ThreadPoolExecutor(1) as executor:
        assert await in_thread(executor, len, "abc") == 3
        with pytest.raises(TypeError):
            await in_thread(executor, len, 3)  # type: ignore[arg-type] # on purpose
