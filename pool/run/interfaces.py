"""Those who build, as seen by who decides what is built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pool.build.job import BuildJob, BuildRequest, BuildResult

__all__ = ["BuildService"]


class BuildService(Protocol):
    """Those who build: the engine, as seen by who decides what is built."""

    def submit(self, orders: Sequence[BuildRequest]) -> list[BuildJob]:
        """Announce builds and let them begin, the longest expected first."""
        ...

    async def metadata_of(self, order: BuildRequest) -> str:
        """Return the metadata that an order is for, as a backend tells it."""
        ...

    async def result_of(self, job: BuildJob) -> BuildResult:
        """Return what came out of a build; wait on where one that went wrong may be tried again.

        Raises:
            SkippedError: it went wrong for good.
        """
        ...

    async def wait_for(self, job: BuildJob, by: BuildJob) -> BuildResult:
        """Let one build wait for another.

        Raises:
            RequirementError: they would wait for each other in a circle.
            SkippedError: the other went wrong.
        """
        ...
