"""What was chosen for a request so far, and which builds provide it.

An errand fills it; builds without isolation wait for what comes into it. Deliberately no decisions:
which versions there are, and what is built of them, is `pool.run.request_runner`'s business.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pool.resolve.manifest import Kept
from pool.resolve.resolver import Resolution
from pool.run.installer import Piece
from pool.run.outcome import SkippedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from packaging.utils import NormalizedName

    from pool.build.job import Job
    from pool.run.interfaces import Crew

__all__ = ["Provided", "Selection"]


@dataclass(frozen=True, slots=True)
class Provided:
    """The build that provides a choice."""

    origin: str
    """A file's name, or a URL."""
    job: Job


class Selection:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self.resolution = Resolution(choices=())
        self.provided: dict[NormalizedName, Provided] = {}
        self.guesses: dict[NormalizedName, Job] = {}
        """What was chosen without knowing what it requires; its build will tell."""
        self.named: set[NormalizedName] = set()
        """What the user asked for, rather than what that requires."""
        self.rounds = 0
        """How often versions were found."""
        self._over = False
        self._news = asyncio.Event()
        """Set when they are found once more, or will not be; then there is another one."""

    def found(self, guesses: dict[NormalizedName, Job]) -> None:
        """Versions are found, and builds provide them; wake those who wait for that."""
        self.guesses = guesses
        self.rounds += 1
        self._wake()

    def close(self) -> None:
        """Nothing more will be found."""
        self._over = True
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def news(self) -> None:
        """Wait until versions are found once more.

        Raises:
            SkippedError: they will not be.
        """
        if self._over:
            raise SkippedError("what it is built with will not be there")
        await self._news.wait()

    # What is in it

    async def pieces(self, names: Iterable[NormalizedName], crew: Crew) -> list[Piece]:
        """Return what builds have made of these, in their order, once they have.

        Raises:
            PoolError: one of them failed, so there is nothing to put in place.
        """
        return [
            Piece(built=await crew.good(self.provided[name].job), requested=name in self.named)
            for name in names
        ]

    @property
    def kept(self) -> dict[NormalizedName, Kept]:
        """What an environment has and keeps."""
        choices = self.resolution.choices
        return {one.name: one.origin for one in choices if isinstance(one.origin, Kept)}

    @property
    def fresh(self) -> list[NormalizedName]:
        """What was chosen and is not kept as it is."""
        choices = self.resolution.choices
        return [choice.name for choice in choices if not isinstance(choice.origin, Kept)]

    def unplaced(
        self, names: Iterable[NormalizedName], placed: Mapping[NormalizedName, str]
    ) -> list[NormalizedName]:
        """Return those of which an environment does not have what was chosen.

        Args:
            names: which are asked about.
            placed: what this run has put in place, with versions.
        """
        chosen = {choice.name: str(choice.version) for choice in self.resolution.choices}
        return [
            name
            for name in names
            if name not in placed or placed[name] != chosen.get(name, placed[name])
        ]
