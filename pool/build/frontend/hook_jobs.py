"""The jobs of one hook: one job of its own, a FIFO with more tokens, and the environment for both.

Deliberately without the tokens: `pool.scheduling.jobserver` grants them.
"""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pool.build.frontend import temporary_folder
from pool.build.frontend.cmake_trees import name_programs, name_shims
from pool.build.frontend.job_flags import job_flags, user_job_limits
from pool.common.aio import in_thread
from pool.events.types import Note

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from concurrent.futures import Executor
    from pathlib import Path

    from pool.build.frontend.build_env import BuildEnvironment
    from pool.build.frontend.tool_shims import ToolShims
    from pool.build.job import BuildJob
    from pool.build.workspace import BuildDir
    from pool.common.model import BuildKey
    from pool.events.bus import EventBus
    from pool.scheduling.jobserver import Jobserver

__all__ = ["HookJobs"]


class HookJobs:
    """Reserves jobs for hooks; one instance serves a run.

    Args:
        jobserver: grants the jobs.
        shims: wrappers for tools that do not speak the jobserver protocol.
        environ: the user's environment.
        executor: for files and for asking tools for their versions.
        running_builds: returns the number of builds that share the jobs now.
    """

    def __init__(
        self,
        jobserver: Jobserver[BuildKey],
        shims: ToolShims,
        environ: Mapping[str, str],
        executor: Executor,
        running_builds: Callable[[], int],
    ) -> None:
        self._jobserver = jobserver
        self._shims = shims
        self._environ = environ
        self._executor = executor
        self._running_builds = running_builds
        self._user_limits = user_job_limits(environ)

    def emit_user_limits(self, bus: EventBus) -> None:
        """Emit a note for each job limit that the user's environment sets."""
        for name, number in self._user_limits.items():
            setting = f"-j{number} in MAKEFLAGS" if name == "MAKEFLAGS" else f"{name}={number}"
            bus.emit(
                Note(
                    text=f"{setting} is kept as the most jobs of each build;"
                    f" all builds together have {self._jobserver.cap} (--jobs)"
                )
            )

    @asynccontextmanager
    async def reserve(
        self,
        job: BuildJob,
        env: BuildEnvironment,
        build_dir: BuildDir,
        tree: Path,
        *,
        on_wait: Callable[[], None],
    ) -> AsyncIterator[dict[str, str]]:
        """Hold a job while a hook runs; yield the environment for the hook.

        Args:
            job: the build of the hook.
            env: the build environment in which it runs.
            build_dir: the folder for its FIFO.
            tree: its source; no path of a shim is left in it.
            on_wait: called if no job is free at once.
        """
        tools = await in_thread(self._executor, self._shims.find_tools, env)
        cap = self._jobserver.cap
        limits = [*self._user_limits.values(), *([job.max_jobs] if job.max_jobs else [])]
        most = min([sys.maxsize, *limits])
        # A lease cannot grow and shrink as tokens do: it is a fair share, rounded up.
        share = -(-cap // max(1, self._running_builds())) if tools.needs_lease else 1
        async with (
            self._jobserver.reserve(
                job.key, build_dir.root, max_jobs=most, lease=share - 1, on_wait=on_wait
            ) as granted,
            self._shims_in_tree(tree, tools.programs()),
            self._temporary_folder(build_dir) as temporary,
        ):
            environ = {**env.environ(self._environ), "TMPDIR": str(temporary)}
            yield job_flags(
                tools.environ(environ, granted.fixed),
                fifo=granted.fifo,
                max_jobs=min(cap, most),
                lease=granted.fixed if tools.needs_lease else None,
                called_by_path=tools.leased_ninja
                and tools.ninja is not None
                and tools.ninja.parent == env.bin,
                hides_fifo=tools.hides_fifo,
            )

    @asynccontextmanager
    async def _temporary_folder(self, build_dir: BuildDir) -> AsyncIterator[Path]:
        """Yield the TMPDIR of a hook."""
        folder = build_dir.temporary
        temporary = await in_thread(self._executor, temporary_folder.create, folder, self._environ)
        try:
            yield temporary
        finally:
            await in_thread(self._executor, temporary_folder.release, temporary, folder)

    @asynccontextmanager
    async def _shims_in_tree(self, tree: Path, shims: Mapping[str, str]) -> AsyncIterator[None]:
        """Let the cmake builds in a tree use shims for the length of a block, and not after it."""
        if not shims:
            yield
            return
        await in_thread(self._executor, name_shims, tree, shims)
        try:
            yield
        finally:
            await in_thread(self._executor, name_programs, tree, self._shims.folder)
