"""The versions that were selected for a request so far, and the builds that provide them.

`pool.run.request_runner` fills it; builds without isolation wait for its next round. Deliberately
without decisions.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pool.common.errors import SkippedError
from pool.common.record import Record
from pool.resolve.manifest import InstalledDist
from pool.resolve.resolver import Resolution
from pool.run.installer import DistToInstall

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.utils import NormalizedName

    from pool.build.interfaces import BuildService
    from pool.build.job import BuildJob

__all__ = ["Provider", "Selection"]


class Provider(Record, frozen=True):
    """The build that provides a candidate."""

    origin: str
    """The file name or the URL of the candidate."""
    job: BuildJob


class Selection:
    """The selection of one request; belongs to one event loop.

    Args:
        requested: the names that the user requested, rather than dependencies.
    """

    def __init__(self, requested: Iterable[NormalizedName] = ()) -> None:
        self.requested = set(requested)
        self.resolution = Resolution(candidates=())
        self.providers: dict[NormalizedName, Provider] = {}
        self.unresolved: dict[NormalizedName, BuildJob] = {}
        """Candidates whose dependencies are known only when their builds have ended."""
        self.direct_jobs: dict[str, BuildJob] = {}
        """The builds of direct references among the dependencies, by URL."""
        self.rounds = 0
        """How often versions were resolved."""
        self._closed = False
        self._next_round = asyncio.Event()
        """Set at the end of a round, and then replaced by another event."""

    def end_round(self, unresolved: dict[NormalizedName, BuildJob]) -> None:
        """Record that versions are resolved and provided; wake builds that wait for a round."""
        self.unresolved = unresolved
        self.rounds += 1
        self._wake()

    def close(self) -> None:
        """Record that there will be no more rounds."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        self._next_round.set()
        self._next_round = asyncio.Event()

    async def wait_for_round(self) -> None:
        """Wait until versions are resolved once more.

        Raises:
            SkippedError: there will be no more rounds.
        """
        if self._closed:
            raise SkippedError("its build requirements will not be installed")
        await self._next_round.wait()

    async def dists_to_install(
        self, names: Iterable[NormalizedName], service: BuildService
    ) -> list[DistToInstall]:
        """Wait for the builds of these names; return the results, in the same order.

        Raises:
            PoolError: a build failed.
        """
        return [
            DistToInstall(
                result=await service.result_of(self.providers[name].job),
                requested=name in self.requested,
            )
            for name in names
        ]

    @property
    def kept_dists(self) -> dict[NormalizedName, InstalledDist]:
        """The distributions that the environment has and keeps."""
        candidates = self.resolution.candidates
        return {one.name: one.origin for one in candidates if isinstance(one.origin, InstalledDist)}

    @property
    def to_install(self) -> list[NormalizedName]:
        """The names of all other candidates."""
        candidates = self.resolution.candidates
        return [
            choice.name for choice in candidates if not isinstance(choice.origin, InstalledDist)
        ]

    def not_installed(
        self, names: Iterable[NormalizedName], installed: Mapping[NormalizedName, str]
    ) -> list[NormalizedName]:
        """Return those of the names whose selected version the run has not installed.

        Args:
            names: any names.
            installed: the versions that the run has installed so far.
        """
        selected = {choice.name: str(choice.version) for choice in self.resolution.candidates}
        return [
            name
            for name in names
            if name not in installed or installed[name] != selected.get(name, installed[name])
        ]
