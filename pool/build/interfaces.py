"""The parts of a run that builds call back into, as Protocols; `pool.run` implements them.

Builds are a lower layer than runs: they see the scheduler and the shared environment only as these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pool.build.frontend.build_env import BuildEnvironment
    from pool.build.job import BuildJob, BuildRequest, BuildResult
    from pool.cache.unpacked_wheels import UnpackedWheel

__all__ = ["BuildService", "SharedEnv"]


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


class SharedEnv(Protocol):
    """The environment of builds without isolation."""

    @property
    def environment(self) -> BuildEnvironment:
        """The environment in which their hooks run."""
        ...

    def is_ready(self, requires: Sequence[str], job: BuildJob) -> bool:
        """Return whether all that the run installs of these requirements is installed."""
        ...

    async def prepare(self, requires: Sequence[str], job: BuildJob, service: BuildService) -> None:
        """Wait until it is installed."""
        ...
