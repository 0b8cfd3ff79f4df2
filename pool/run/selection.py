"""What was chosen for a request so far, and which builds provide it.

An errand fills it; builds without isolation wait for what comes into it. Deliberately no decisions:
which versions there are, and what is built of them, is `pool.run.request_runner`'s business.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pool.common.errors import SkippedError
from pool.resolve.manifest import InstalledDist
from pool.resolve.resolver import Resolution
from pool.run.installer import DistToInstall

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.utils import NormalizedName

    from pool.build.job import BuildJob
    from pool.run.interfaces import BuildService

__all__ = ["Provided", "Selection"]


@dataclass(frozen=True, slots=True)
class Provided:
    """The build that provides a choice."""

    origin: str
    """A file's name, or a URL."""
    job: BuildJob


class Selection:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self.resolution = Resolution(candidates=())
        self.provided: dict[NormalizedName, Provided] = {}
        self.unresolved: dict[NormalizedName, BuildJob] = {}
        """What was chosen without knowing what it requires; its build will tell."""
        self.named: set[NormalizedName] = set()
        """What the user asked for, rather than what that requires."""
        self.rounds = 0
        """How often versions were found."""
        self._over = False
        self._news = asyncio.Event()
        """Set when they are found once more, or will not be; then there is another one."""

    def found(self, guesses: dict[NormalizedName, BuildJob]) -> None:
        """Versions are found, and builds provide them; wake those who wait for that."""
        self.unresolved = guesses
        self.rounds += 1
        self._wake()

    def close(self) -> None:
        """Nothing more will be found."""
        self._over = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def wait_for_round(self) -> None:
        """Wait until versions are found once more.

        Raises:
            SkippedError: they will not be.
        """
        if self._over:
            raise SkippedError("what it is built with will not be there")
        await self._news.wait()

    # What is in it

    async def pieces(
        self, names: Iterable[NormalizedName], crew: BuildService
    ) -> list[DistToInstall]:
        """Return what builds have made of these, in their order, once they have.

        Raises:
            PoolError: one of them failed, so there is nothing to put in place.
        """
        return [
            DistToInstall(
                built=await crew.result_of(self.provided[name].job), requested=name in self.named
            )
            for name in names
        ]

    @property
    def kept(self) -> dict[NormalizedName, InstalledDist]:
        """What an environment has and keeps."""
        choices = self.resolution.candidates
        return {one.name: one.origin for one in choices if isinstance(one.origin, InstalledDist)}

    @property
    def fresh(self) -> list[NormalizedName]:
        """What was chosen and is not kept as it is."""
        choices = self.resolution.candidates
        return [choice.name for choice in choices if not isinstance(choice.origin, InstalledDist)]

    def unplaced(
        self, names: Iterable[NormalizedName], placed: Mapping[NormalizedName, str]
    ) -> list[NormalizedName]:
        """Return those of which an environment does not have what was chosen.

        Args:
            names: which are asked about.
            placed: what this run has put in place, with versions.
        """
        chosen = {choice.name: str(choice.version) for choice in self.resolution.candidates}
        return [
            name
            for name in names
            if name not in placed or placed[name] != chosen.get(name, placed[name])
        ]
