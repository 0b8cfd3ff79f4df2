"""The shared environment of builds without isolation (--no-build-isolation).

Before such a build starts, its build requirements that the same run installs are installed.
Dependencies are declared up front (`BuildService.wait_for`), so that cycles are detected instead of
deadlocking.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pool.resolve.resolver import parse_build_requirements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from packaging.utils import NormalizedName

    from pool.build.frontend.build_env import BuildEnvironment
    from pool.build.interfaces import BuildService
    from pool.build.job import BuildJob
    from pool.run.installer import Installer
    from pool.run.selection import Provider, Selection

__all__ = ["SharedBuildEnv"]


class SharedBuildEnv:
    """The environment of builds without isolation; belongs to one event loop.

    Args:
        environment: the environment in which their hooks run.
        isolates: returns whether a project is built in an environment of its own.
        selection: the versions that were selected so far.
        installer: installs into the environment; None if the run installs nothing.
    """

    def __init__(
        self,
        environment: BuildEnvironment,
        isolates: Callable[[str], bool],
        selection: Selection,
        installer: Installer | None,
    ) -> None:
        self.environment = environment
        self._interpreter = environment.interpreter
        self._isolates = isolates
        self._selection = selection
        self._installer = installer
        self._lock = asyncio.Lock()

    def is_ready(self, requires: Sequence[str], job: BuildJob) -> bool:
        """Return whether the build requirements that this run installs are installed."""
        if self._installer is None:
            return True
        return not (self._waits_for_round(job) or self._missing(requires, job))

    async def prepare(self, requires: Sequence[str], job: BuildJob, service: BuildService) -> None:
        """Install the build requirements that this run provides.

        Raises:
            PoolError: one of them failed, or depends on this build in turn.
        """
        selection = self._selection
        await self._wait_for_round(job)
        while missing := self._missing(requires, job):
            rounds = selection.rounds
            built = {name: selection.providers[name] for name in missing}
            for provider in built.values():
                await service.wait_for(provider.job, job)
            if not selection.unresolved.keys().isdisjoint(missing):
                await self._wait_for_round(job, after=rounds)
            elif await self._install(requires, job, built, service):
                return

    async def _install(
        self,
        requires: Sequence[str],
        job: BuildJob,
        built: Mapping[NormalizedName, Provider],
        service: BuildService,
    ) -> bool:
        """Install what is built; return False if other versions are selected by now."""
        async with self._lock:
            names = self._missing(requires, job)
            # No build is waited for with the lock: that build may need the lock, too.
            if any(built.get(name) != self._selection.providers[name] for name in names):
                return False
            if names and self._installer is not None:
                dists = await self._selection.dists_to_install(names, service)
                await self._installer.install(dists, {})
            return True

    async def _wait_for_round(self, job: BuildJob, after: int = 0) -> None:
        """Wait until versions are resolved, or resolved once more after a round."""
        while self._waits_for_round(job, after):
            await self._selection.wait_for_round()

    def _waits_for_round(self, job: BuildJob, after: int = 0) -> bool:
        return self._selection.rounds <= after and not self._is_direct(job)

    def _is_direct(self, job: BuildJob) -> bool:
        """Return whether the resolver waits for the build, or for an attempt before it."""
        return any(one.request is job.request for one in self._selection.direct_jobs.values())

    def _missing(self, requires: Sequence[str], job: BuildJob) -> list[NormalizedName]:
        """Return the names that this run provides for a build and has not installed."""
        if self._installer is None:
            return []
        selection = self._selection
        provided = selection.providers.keys() - {job.canonical_name}
        required = {need.name for need in parse_build_requirements(requires, self._interpreter)}
        names = set(selection.resolution.closure(required & provided) & provided)
        if self._is_direct(job):
            # The resolver waits for this build, and builds without isolation for the resolver.
            names = {
                name
                for name in names
                if self._isolates(selection.providers[name].job.canonical_name)
            }
        return sorted(selection.not_installed(names, self._installer.installed))
