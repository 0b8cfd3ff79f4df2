"""The service that builds a run's jobs, as its users see it; the run's scheduler implements it.

A build uses it for the builds that it depends on, the request for the builds that it consists of.
It is passed to each call, because a build and the service need each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pool.build.job import BuildJob, BuildRequest, BuildResult
    from pool.cache.unpacked_wheels import UnpackedWheel

__all__ = ["BuildService"]


class BuildService(Protocol):
    """Builds requests, each once, and lets dependents wait for the result."""

    def submit(self, requests: Sequence[BuildRequest]) -> list[BuildJob]:
        """Register builds and start them, the longest expected first."""
        ...

    async def build_metadata(self, request: BuildRequest) -> str:
        """Return the METADATA that the backend of a source distribution makes.

        Raises:
            SkippedError: the build failed.
        """
        ...

    async def build_nested(self, request: BuildRequest, by: BuildJob) -> UnpackedWheel:
        """Return the unpacked wheel of a build requirement; it is built once in the run.

        Raises:
            RequirementError: the builds would wait for each other in a cycle.
            SkippedError: the build failed.
        """
        ...

    async def result_of(self, job: BuildJob) -> BuildResult:
        """Wait for the result of a build, or of its next attempt if it can be retried.

        Raises:
            SkippedError: it failed and is not retried.
        """
        ...

    async def wait_for(self, job: BuildJob, by: BuildJob) -> BuildResult:
        """Let one build wait for another one.

        Raises:
            RequirementError: the builds would wait for each other in a cycle.
            SkippedError: the other build failed.
        """
        ...
