"""The cost of the broker of job tokens, in percent of one core, and how late a token comes.

Builds that take and give back tokens all the time make it look as often as it ever does; builds
that compile one long file each let it slow down.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from pool.common.model import BuildId
from pool.scheduling.job_tokens import JobTokens
from pool.scheduling.jobserver import Jobserver

AIM_PERCENT = 2.0
AIM_MS = 60.0


async def _client(fifo: Path, naps: float) -> None:
    """Take a token and give it back, again and again, as a make with short jobs does."""
    pipe = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
    try:
        while True:
            try:
                token = os.read(pipe, 1)
            except BlockingIOError:
                token = b""
            await asyncio.sleep(naps)
            if token:
                os.write(pipe, token)
                await asyncio.sleep(naps)
    finally:
        os.close(pipe)


async def cost(builds: int, naps: float | None, seconds: float, folder: Path) -> float:
    """Return the processor time that the broker took of a time; less that of the clients."""
    jobserver: Jobserver[BuildId] = Jobserver(JobTokens(2 * builds))
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        broker = group.create_task(jobserver.run())
        fifos = []
        for number in range(builds):
            place = folder / str(number)
            place.mkdir(exist_ok=True)
            admitted = jobserver.reserve(
                BuildId(f"b{number}"), place, max_jobs=64, on_wait=lambda: None
            )
            fifos.append((await stack.enter_async_context(admitted)).fifo)
        clients = [group.create_task(_client(fifo, naps)) for fifo in fifos if naps is not None]
        before = time.process_time()
        await asyncio.sleep(seconds)
        used = time.process_time() - before
        broker.cancel()
        if clients:
            before = time.process_time()
            await asyncio.sleep(seconds)
            used -= time.process_time() - before
        for client in clients:
            client.cancel()
    return 100 * used / seconds


async def lateness(folder: Path, times: int) -> float:
    """Return the longest wait for a second token, in seconds, when nothing had moved before."""
    jobserver: Jobserver[BuildId] = Jobserver(JobTokens(4))
    slowest = 0.0
    async with asyncio.TaskGroup() as group:
        broker = group.create_task(jobserver.run())
        async with jobserver.reserve(
            BuildId("b"), folder, max_jobs=64, on_wait=lambda: None
        ) as granted:
            pipe = os.open(granted.fifo, os.O_RDWR | os.O_NONBLOCK)
            for _ in range(times):
                await asyncio.sleep(0.5)
                tokens, begun = os.read(pipe, 1), time.perf_counter()
                while len(tokens) < 2:
                    await asyncio.sleep(0.001)
                    try:
                        tokens += os.read(pipe, 1)
                    except BlockingIOError:
                        continue
                slowest = max(slowest, time.perf_counter() - begun)
                os.write(pipe, tokens)
            os.close(pipe)
        broker.cancel()
    return slowest


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--builds", type=int, default=16)
    arguments.add_argument("--seconds", type=float, default=3.0)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        busy = asyncio.run(cost(given.builds, 0.01, given.seconds, folder))
        idle = asyncio.run(cost(given.builds, None, given.seconds, folder))
        late = 1000 * asyncio.run(lateness(folder, 8))
    print(f"jobserver: {given.builds} builds, a pipe each")
    print(f"  tokens move all the time  {busy:5.2f} % of a core")
    print(f"  nothing moves             {idle:5.2f} % of a core (aim: {AIM_PERCENT})")
    print(f"  the second token after a pause comes within {late:.1f} ms (aim: {AIM_MS})")


if __name__ == "__main__":
    main()
