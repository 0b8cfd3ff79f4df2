"""Events of one build, from its announcement to its outcome."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from pool.common.model import BuildId, Holder, Outcome, Phase, WaitFor
from pool.events.types.base import BaseEvent


class BuildQueued(BaseEvent, frozen=True, tag="build.queued"):
    """A build is announced. Exactly one ``build.finished`` follows for it."""

    build: BuildId
    name: str
    target: str
    """The user's argument, or the requirement that needs this build."""
    log: str
    """The name of its log file in the folder of build logs."""
    version: str | None = None
    origin: str = ""
    """The file and line of the requirement: ``requirements.txt:3``; empty for an argument."""
    purpose: Literal["wheel", "editable", "metadata"] = "wheel"
    """The product. Metadata of an sdist is built while the resolver still decides about it."""
    needed_by: tuple[BuildId, ...] = ()
    """The builds that need this one as a build requirement."""
    nested: bool | None = None
    """Whether it is not one of the user's targets: a build requirement, or metadata for the
    resolver. None in older journals; see `is_nested`."""
    retry_of: BuildId | None = None
    """The finished build that this one tries again."""
    expected: float | None = None
    """Seconds that it took in earlier runs."""
    expected_peak: int | None = None
    """Bytes that it used in earlier runs, or before it was evicted."""
    config_settings: tuple[str, ...] = ()
    """``KEY=VALUE`` for its hooks, secrets redacted."""
    priority: tuple[int, float, int] | None = None
    """Its priority at the gate until it starts: see `pool.scheduling.slot`. None in older
    journals."""
    alone: bool = False
    """Whether it must run exclusively: it is a retry after it ran out of memory."""

    @property
    def is_nested(self) -> bool:
        """Whether it is not one of the user's targets, for journals of all ages."""
        if self.nested is None:
            return bool(self.needed_by) or self.purpose == "metadata"
        return self.nested


class BuildNeeded(BaseEvent, frozen=True, tag="build.needed"):
    """One more build needs a nested build that was already announced."""

    build: BuildId
    by: BuildId


class BuildWaiting(BaseEvent, frozen=True, tag="build.waiting"):
    """A build waits. It holds no slot meanwhile."""

    build: BuildId
    for_: WaitFor = msgspec.field(name="for")
    on: str = ""
    """A description of what it waits for: a tree, a file, the names of builds."""
    holder: Holder | None = None
    """The holder of the lock, if it waits for a lock and the system tells the holder."""
    builds: tuple[BuildId, ...] = ()
    """The nested builds that it waits for."""
    needs: int = 0
    """Bytes, if it waits for memory."""
    free: int = 0
    """Bytes of the memory budget that were not reserved at that moment."""


class BuildStarted(BaseEvent, frozen=True, tag="build.started"):
    """A build holds a slot: for the first time, or again after a wait."""

    build: BuildId
    slot: int
    """From 1; the lowest free one."""
    reserved: int = 0
    """Bytes of the memory budget that are reserved for it."""


class BuildPhase(BaseEvent, frozen=True, tag="build.phase"):
    """A build has entered another phase."""

    build: BuildId
    phase: Phase


class BuildRequirementsResolved(BaseEvent, frozen=True, tag="build.chose"):
    """The build requirements for a build environment are selected."""

    build: BuildId
    requirements: tuple[str, ...]
    """``name version``, in the order of installation."""


class BuildOutput(BaseEvent, frozen=True, tag="build.output"):
    """The log of a build has grown. Emitted at most a few times a second for one build."""

    build: BuildId
    lines: int
    """All lines of the log so far."""
    bytes: int
    last: str
    """The last line that is not empty, without control characters."""


class BuildFinished(BaseEvent, frozen=True, tag="build.finished"):
    """A build has its outcome; the last event of this build."""

    build: BuildId
    outcome: Outcome
    seconds: float = 0.0
    """Time with a slot; waits do not count."""
    peak: int = 0
    """Bytes: the largest sampled sum over its process tree."""
    version: str | None = None
    wheel: str | None = None
    """The path of the wheel, if there is one."""
    sha256: str | None = None
    bytes: int | None = None
    """The size of the wheel."""
    reference: str = ""
    """The short code of the error (pool.common.errors)."""
    cause: str = ""
    """The message in at most 40 characters; empty if there is none, or in older journals."""
    message: str = ""
    hint: str = ""
    rerun: str = ""
    """A shell command that runs the failed step again by hand."""


BuildEvent: TypeAlias = (
    BuildQueued
    | BuildNeeded
    | BuildWaiting
    | BuildStarted
    | BuildPhase
    | BuildRequirementsResolved
    | BuildOutput
    | BuildFinished
)
