"""What each hook gets of the jobs: one of its own, a pipe with more, and variables that say so."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pool.build.context import in_thread
from pool.build.frontend.job_flags import job_flags, own_bounds
from pool.events.types import Note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from concurrent.futures import Executor

    from pool.build.frontend.build_env import BuildEnvironment
    from pool.build.frontend.tool_shims import Shims
    from pool.build.job import BuildJob
    from pool.build.workspace import BuildDir
    from pool.events.bus import EventBus
    from pool.scheduling.jobserver import Jobserver

__all__ = ["HookJobs"]


class HookJobs:
    """One for the pool.

    Args:
        jobserver: who hands out.
        shims: what stands before programs that cannot ask.
        environ: the user's.
        executor: for files and versions.
        at_work: how many builds may share at this moment.
    """

    def __init__(
        self,
        jobserver: Jobserver,
        shims: Shims,
        environ: Mapping[str, str],
        executor: Executor,
        at_work: Callable[[], int],
    ) -> None:
        self._jobserver = jobserver
        self._shims = shims
        self._environ = environ
        self._executor = executor
        self._at_work = at_work
        self._bounds = own_bounds(environ)

    def tell(self, bus: EventBus) -> None:
        """Say what becomes of the user's own numbers of jobs."""
        for name, number in self._bounds.items():
            said = f"-j{number} in MAKEFLAGS" if name == "MAKEFLAGS" else f"{name}={number}"
            bus.emit(
                Note(
                    text=f"{said} is kept as the most jobs of each build;"
                    f" all builds together have {self._jobserver.cap} (--jobs)"
                )
            )

    @asynccontextmanager
    async def reserve(
        self, job: BuildJob, env: BuildEnvironment, place: BuildDir, *, on_wait: Callable[[], None]
    ) -> AsyncIterator[dict[str, str]]:
        """Have a job while a hook runs; gives the environment that it inherits.

        Args:
            job: whose hook it is.
            env: where it runs.
            place: where its FIFO is made.
            on_wait: called if there is no job at once.
        """
        tools = await in_thread(self._executor, self._shims.tools, env)
        cap = self._jobserver.cap
        bounds = [*self._bounds.values(), *([job.most_jobs] if job.most_jobs else [])]
        most = min([sys.maxsize, *bounds])
        # A lease cannot grow and shrink as tokens do: it is a fair share, rounded up.
        share = -(-cap // max(1, self._at_work())) if tools.leased else 1
        async with self._jobserver.admitted(
            job.id, place.root, most=most, lease=share - 1, on_wait=on_wait
        ) as granted:
            yield job_flags(
                tools.environ(env.environ(self._environ), granted.fixed),
                fifo=granted.fifo,
                most=min(cap, most),
                lease=granted.fixed if tools.leased else None,
                by_path=tools.ninja is not None and tools.ninja.parent == env.bin,
            )
