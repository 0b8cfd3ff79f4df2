"""Where builds without isolation run: an environment that the same run may have to fill first.

What such a build is built with, and the request provides, is put in place before the build begins.
Who is in whose way is told in advance: nobody here waits for a build that waits for it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pool.resolve.resolver import parse_build_requirements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from packaging.utils import NormalizedName

    from pool.build.frontend.build_env import BuildEnvironment
    from pool.build.job import BuildJob
    from pool.run.installer import Installer
    from pool.run.interfaces import BuildService
    from pool.run.metadata import MetadataFetcher
    from pool.run.selection import Provided, Selection

__all__ = ["SharedBuildEnv"]


class SharedBuildEnv:
    """The environment of builds without isolation; belongs to the engine's loop.

    Args:
        environment: where their hooks run.
        isolates: tells whether a project's builds have environments of their own.
        selection: what was chosen so far.
    """

    def __init__(
        self,
        environment: BuildEnvironment,
        isolates: Callable[[NormalizedName], bool],
        selection: Selection,
    ) -> None:
        self.environment = environment
        self._interpreter = environment.interpreter
        self._isolates = isolates
        self._selection = selection
        self._bringing = asyncio.Lock()

    def begin(
        self, crew: BuildService, finder: MetadataFetcher, furnishing: Installer | None
    ) -> None:
        """Get to know what it works with; once, before any build.

        Args:
            crew: those who build.
            finder: what asks backends for metadata, by builds of its own.
            furnishing: the environment to fill; None where wheels are the aim.
        """
        self._crew = crew
        self._finder = finder
        self._furnishing = furnishing

    def is_ready(self, requires: Sequence[str], job: BuildJob) -> bool:
        """Tell whether all that this run provides of build requirements is in place."""
        if self._furnishing is None:
            return True
        return not (self._waits_for_versions(job) or self._lacking(requires, job))

    async def prepare(self, requires: Sequence[str], job: BuildJob) -> None:
        """Put what a build without isolation is built with in place before it begins.

        Raises:
            PoolError: it cannot be had, or needs the build in turn.
        """
        selection = self._selection
        await self._until_versions(job)
        while lacking := self._lacking(requires, job):
            rounds, made = selection.rounds, {name: selection.provided[name] for name in lacking}
            for provided in made.values():
                await self._crew.wait_for(provided.job, job)
            if not selection.unresolved.keys().isdisjoint(lacking):
                await self._until_versions(job, after=rounds)
            elif await self._brought(requires, job, made):
                return

    async def _brought(
        self, requires: Sequence[str], job: BuildJob, made: Mapping[NormalizedName, Provided]
    ) -> bool:
        """Put what is made in place; return whether that was still what is lacking."""
        async with self._bringing:
            names = self._lacking(requires, job)
            # Nobody waits for a build in here: that build may want to come in, too.
            if any(made.get(name) != self._selection.provided[name] for name in names):
                return False
            if names and self._furnishing is not None:
                await self._furnishing.install(await self._selection.pieces(names, self._crew), {})
            return True

    async def _until_versions(self, job: BuildJob, after: int = 0) -> None:
        """Wait until versions were found, or found once more."""
        while self._waits_for_versions(job, after):
            await self._selection.wait_for_round()

    def _waits_for_versions(self, job: BuildJob, after: int = 0) -> bool:
        return self._selection.rounds <= after and not self._is_pointed_at(job)

    def _is_pointed_at(self, job: BuildJob) -> bool:
        """Tell whether it is built, or built again, to find versions."""
        return any(one.request is job.request for one in self._finder.pointed_at.values())

    def _lacking(self, requires: Sequence[str], job: BuildJob) -> list[NormalizedName]:
        """Return what this run provides for a build, and has not put in place."""
        if self._furnishing is None:
            return []
        selection = self._selection
        wanted = {need.name for need in parse_build_requirements(requires, self._interpreter)}
        mine = wanted & selection.provided.keys() - {job.key}
        closure = set(selection.resolution.closure(mine) & selection.provided.keys() - {job.key})
        if self._is_pointed_at(job):
            # Versions wait for it, so it must not wait for who waits for versions.
            closure = {name for name in closure if self._isolates(selection.provided[name].job.key)}
        return sorted(selection.unplaced(closure, self._furnishing.placed))
