"""The data types that every part of the engine shares.

No I/O and hardly any behaviour: the module is pure, so that a journal written on one machine reads
the same on another.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple, NewType

import msgspec

__all__ = [
    "BuildId",
    "BuildKey",
    "Holder",
    "LimitName",
    "Outcome",
    "Phase",
    "ProcessSample",
    "RunId",
    "WaitFor",
]

BuildId = NewType("BuildId", str)
"""Unique within one run: ``b1``, ``b2``, in the order of announcement."""

RunId = NewType("RunId", str)
"""Unique on one machine: the start time and the pid, ``20261121-031205-4711``, and a counter."""


class BuildKey(NamedTuple):
    """Identifies a build among those of all runs of a pool."""

    run: RunId
    build: BuildId

    def __str__(self) -> str:
        return f"{self.run}/{self.build}"


class Outcome(StrEnum):
    """The outcome of a build; each registered build has exactly one."""

    BUILT = "built"
    CACHED = "cached"
    """The wheel was found in the cache, built from the same source in the same way."""
    FETCHED = "fetched"
    """An existing wheel was used as it is."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_success(self) -> bool:
        """Whether the build has produced what was requested."""
        return self in (Outcome.BUILT, Outcome.CACHED, Outcome.FETCHED)


class Phase(StrEnum):
    """The steps of a build, in their order."""

    FETCH = "fetch"
    UNPACK = "unpack"
    LOOKUP = "lookup"
    """Reading the source and looking it up in the cache."""
    ENVIRONMENT = "environment"
    AWAIT_JOB = "await_job"
    """Waiting for one of the jobs for its next hook; the slot is kept."""
    GET_REQUIRES = "get_requires"
    METADATA = "metadata"
    BUILD = "build"
    CHECK = "check"


class WaitFor(StrEnum):
    """The reason why a build waits; it holds no slot meanwhile."""

    SLOT = "slot"
    LOCK = "lock"
    MEMORY = "memory"
    DEPENDENCY = "dependency"
    DOWNLOAD = "download"
    PAUSED = "paused"


class LimitName(StrEnum):
    """The limits that can be changed during a run."""

    BUILDS = "builds"
    DOWNLOADS = "downloads"
    INSTALLS = "installs"
    JOBS = "jobs"
    """Parallel compile jobs of all builds together."""
    MEMORY = "memory"


class Holder(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The process that holds a lock that a build waits for."""

    pid: int | None = None
    """None if the system does not tell (another user's process, macOS)."""
    command: str = ""
    """The command line, cleaned of control characters and secrets, at most 200 characters."""
    since: float | None = None
    """Seconds since the epoch at which the holding process started."""


class ProcessSample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One process of a build's tree at one tick."""

    pid: int
    ppid: int
    name: str
    command: str
    rss: int
    """Bytes."""
    cpu: float
    """Percent of one core, since the tick before or since it began."""
