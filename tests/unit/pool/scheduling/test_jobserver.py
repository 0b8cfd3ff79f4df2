"""The broker with real pipes: what is granted, taken back, lost with the killed, and borrowed."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pool.common.model import BuildId
from pool.scheduling.job_tokens import JobTokens
from pool.scheduling.jobserver import Jobserver, OuterJobserver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

A, B = BuildId("a"), BuildId("b")


@asynccontextmanager
async def running(jobserver: Jobserver[BuildId]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        broker = group.create_task(jobserver.run())
        yield
        broker.cancel()


async def read(fifo: Path, count: int) -> bytes:
    """Read tokens as make would, however long it takes."""
    pipe = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    tokens = b""
    try:
        async with asyncio.timeout(20):
            while len(tokens) < count:
                try:
                    tokens += os.read(pipe, count - len(tokens))
                except BlockingIOError:
                    await asyncio.sleep(0)
    finally:
        os.close(pipe)
    return tokens


async def test_all_but_one_token_come_and_are_free_again_when_the_build_ends(
    tmp_path: Path,
) -> None:
    jobserver: Jobserver[BuildId] = Jobserver(JobTokens(4))
    async with running(jobserver):
        for _ in range(2):
            async with jobserver.reserve(A, tmp_path, max_jobs=9, on_wait=pytest.fail) as granted:
                assert stat.S_IMODE(granted.fifo.stat().st_mode) == 0o600
                assert granted.fifo.parent == tmp_path
                # Never given back: as if its make had been killed.
                assert await read(granted.fifo, 3) == b"+++"
            assert jobserver.held(A) == 0
            assert not granted.fifo.exists()


async def test_a_client_waits_until_a_job_is_free(tmp_path: Path) -> None:
    jobserver: Jobserver[BuildId] = Jobserver(JobTokens(2))
    waited = asyncio.Event()
    order = []

    async def second(folder: Path) -> None:
        folder.mkdir()
        async with jobserver.reserve(B, folder, max_jobs=9, on_wait=waited.set):
            order.append("b is in")

    async def first(group: asyncio.TaskGroup) -> None:
        async with jobserver.reserve(A, tmp_path, max_jobs=9, on_wait=pytest.fail) as granted:
            await read(granted.fifo, 1)
            group.create_task(second(tmp_path / "b"))
            await waited.wait()
            order.append("a ends")

    async with running(jobserver), asyncio.TaskGroup() as group:
        await first(group)
    assert order == ["a ends", "b is in"]


async def test_a_token_that_is_needed_elsewhere_is_taken_as_soon_as_it_is_written_back(
    tmp_path: Path,
) -> None:
    # No poll runs here: only a wake-up by the pipe takes the token.
    jobs: JobTokens[BuildId] = JobTokens(3)
    jobserver = Jobserver(jobs)
    async with jobserver.reserve(A, tmp_path, max_jobs=9, on_wait=pytest.fail) as granted:
        pipe = os.open(granted.fifo, os.O_RDWR | os.O_NONBLOCK)
        assert os.read(pipe, 9) == b"++"
        jobserver.resize(2)
        os.write(pipe, b"+")
        for _ in range(9):
            await asyncio.sleep(0)
        assert jobs.used == 2
        with pytest.raises(BlockingIOError):
            os.read(pipe, 1)
        os.write(pipe, b"+")
        await asyncio.sleep(0)
        assert os.read(pipe, 9) == b"+", "what nobody else wants is left alone"
        os.close(pipe)


async def test_unread_bytes_do_not_add_tokens(tmp_path: Path) -> None:
    jobs: JobTokens[BuildId] = JobTokens(3)
    jobserver = Jobserver(jobs)
    async with running(jobserver):
        async with jobserver.reserve(A, tmp_path, max_jobs=9, on_wait=pytest.fail) as granted:
            pipe = os.open(granted.fifo, os.O_RDWR | os.O_NONBLOCK)
            os.write(pipe, b"+" * 50)
            async with asyncio.timeout(20):
                while len(waiting := os.read(pipe, 99)) > 2:
                    os.write(pipe, waiting)
                    await asyncio.sleep(0.001)
            os.close(pipe)
        assert jobs.used == 0


async def test_sixty_four_builds_come_and_go_with_two_jobs(tmp_path: Path) -> None:
    jobs: JobTokens[BuildId] = JobTokens(2)
    jobserver, inside, most = Jobserver(jobs), 0, 0

    async def build(number: int) -> None:
        nonlocal inside, most
        folder = tmp_path / str(number)
        folder.mkdir()
        async with jobserver.reserve(
            BuildId(f"b{number}"), folder, max_jobs=9, on_wait=lambda: None
        ) as granted:
            inside, pipe = inside + 1, os.open(granted.fifo, os.O_RDWR | os.O_NONBLOCK)
            most = max(most, inside)
            with suppress(BlockingIOError):
                os.read(pipe, 1)
            os.close(pipe)
            await asyncio.sleep(0)
            inside -= 1

    async with running(jobserver), asyncio.TaskGroup() as group:
        for number in range(64):
            group.create_task(build(number))
    assert (jobs.used, most) == (0, 2)


async def test_a_client_cancelled_while_it_waits_leaves_nothing(tmp_path: Path) -> None:
    jobs: JobTokens[BuildId] = JobTokens(1)
    jobserver, waited = Jobserver(jobs), asyncio.Event()
    async with running(jobserver):
        async with jobserver.reserve(A, tmp_path, max_jobs=9, on_wait=pytest.fail):
            (tmp_path / "b").mkdir()
            second = asyncio.ensure_future(
                jobserver.reserve(B, tmp_path / "b", max_jobs=9, on_wait=waited.set).__aenter__()
            )
            await waited.wait()
            second.cancel()
            await asyncio.wait([second])
        assert jobs.used == 0
        assert not list(tmp_path.glob("b/*"))


async def test_a_folder_with_odd_characters_gets_its_pipe_elsewhere(tmp_path: Path) -> None:
    odd = tmp_path / "a b"
    odd.mkdir()
    jobserver: Jobserver[BuildId] = Jobserver(JobTokens(2))
    async with jobserver.reserve(A, odd, max_jobs=9, on_wait=pytest.fail) as granted:
        assert " " not in str(granted.fifo)
        assert stat.S_ISFIFO(granted.fifo.stat().st_mode)
    assert not granted.fifo.parent.exists()


async def test_tokens_of_an_outer_jobserver_are_borrowed_and_given_back(tmp_path: Path) -> None:
    theirs = tmp_path / "outer"
    os.mkfifo(theirs)
    pipe = os.open(theirs, os.O_RDWR | os.O_NONBLOCK)
    os.write(pipe, b"xy")
    outer = OuterJobserver.join(
        {"MAKEFLAGS": f" -j3 --jobserver-auth=3,4 --jobserver-auth=fifo:{theirs}"}
    )
    assert outer is not None
    jobserver: Jobserver[BuildId] = Jobserver(JobTokens(8), outer)
    async with (
        running(jobserver),
        jobserver.reserve(A, tmp_path, max_jobs=9, on_wait=pytest.fail) as granted,
    ):
        await read(granted.fifo, 2)
        with pytest.raises(BlockingIOError):
            os.read(pipe, 1)
    jobserver.close()
    assert sorted(os.read(pipe, 9)) == sorted(b"xy")
    os.close(pipe)


@pytest.mark.parametrize(
    "auth", ["", " -j3 --jobserver-auth=fifo:/nowhere", " --jobserver-auth=990,991"]
)
def test_an_outer_jobserver_that_cannot_be_reached_is_none(auth: str) -> None:
    assert OuterJobserver.join({"MAKEFLAGS": auth}) is None
