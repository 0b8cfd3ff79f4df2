"""The closed union of everything that can happen in a run.

An event is a fact in the past tense, complete in itself (samples alone leave out what is as it was
in the one before), and safe to show and to keep: text in it is already cleaned of terminal escapes
and secrets. Output of builds is deliberately not in here;
it stays in per-build log files, and events carry only counts and the last line.

The bus stamps ``seq`` and ``t``; whoever makes an event leaves them at their defaults. Readers
ignore fields they do not know and carry unknown types through as `Unknown`.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from pool.common.model import (
    BuildId,
    Holder,
    LimitName,
    Outcome,
    Phase,
    RunId,
    WaitFor,
)
from pool.events.process_delta import ProcessNews

__all__ = [
    "SCHEMA",
    "BuildFinished",
    "BuildNeeded",
    "BuildOutput",
    "BuildPhase",
    "BuildQueued",
    "BuildRequirementsResolved",
    "BuildSample",
    "BuildStarted",
    "BuildWaiting",
    "DownloadFinished",
    "DownloadProgress",
    "DownloadStarted",
    "EnvironmentChange",
    "EnvironmentChanged",
    "EnvironmentFailed",
    "Event",
    "Header",
    "Host",
    "InstallFinished",
    "InstallStarted",
    "KnownEvent",
    "LimitChanged",
    "LockAcquired",
    "LockReleased",
    "LockWaiting",
    "MachineMemory",
    "Note",
    "ResolveFailed",
    "ResolveFinished",
    "ResolveProgress",
    "ResolveStarted",
    "RunFinished",
    "RunStarted",
    "RunStopping",
    "Sample",
    "SelectedVersion",
    "Unknown",
]

SCHEMA = 2
"""Raised when a reader of the old schema would misread a new journal."""


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """The machine of a run."""

    cpus: int
    memory: int
    """Bytes."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Line 1 of a journal."""

    wheelpool: str
    """The version that wrote it."""
    schema: int
    run: RunId
    started: str
    """ISO 8601, UTC."""
    argv: tuple[str, ...]
    python: str
    """The version of the target interpreter."""
    host: Host


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """What all events have."""

    seq: int = 0
    """From 1, without gaps, in the order of the journal."""
    t: float = 0.0
    """Seconds since the start of the run, monotonic."""


class RunStarted(_Event, frozen=True, tag="run.started"):
    """The first event."""

    limits: dict[LimitName, int]
    targets: int
    out_dir: str
    logs: str
    """Where the logs of the builds are, as the run saw it; a reader looks beside the journal."""
    environment: str = ""
    """Where it all is installed; empty where wheels are the aim."""


class RunStopping(_Event, frozen=True, tag="run.stopping"):
    """Nothing more is admitted, and what runs is being ended."""

    why: str
    """``interrupted`` or ``fail-fast``."""


class RunFinished(_Event, frozen=True, tag="run.finished"):
    """The last event."""

    exit_code: int
    totals: dict[Outcome, int]
    """What was asked for, retried builds counted by their last try; nested builds are not in it."""
    warning: str = ""
    """What the user should know although nothing failed: the journal could not be written."""


class LimitChanged(_Event, frozen=True, tag="limit.changed"):
    """A cap has a new value; 0 means paused, and for memory, whose values are bytes, no budget."""

    limit: LimitName
    old: int
    new: int
    why: str
    """``user``, ``pause``, ``resume``, ``memory``, or ``machine``: it offers more or less of it."""


class BuildQueued(_Event, frozen=True, tag="build.queued"):
    """A build is announced; exactly one ``build.finished`` follows for it."""

    build: BuildId
    name: str
    target: str
    """What the user typed, or the requirement that made it necessary."""
    log: str
    """The name of its log file in the folder of logs."""
    version: str | None = None
    origin: str = ""
    """Where it was asked for: ``requirements.txt:3``; empty for the command line."""
    purpose: Literal["wheel", "editable", "metadata"] = "wheel"
    """What is to come out: metadata is asked of an sdist before it is known to be wanted."""
    needed_by: tuple[BuildId, ...] = ()
    """Empty for what the user asked for."""
    retry_of: BuildId | None = None
    expected: float | None = None
    """Seconds it took in earlier runs."""
    expected_peak: int | None = None
    """Bytes it came to in earlier runs, or before it was ended to make room."""
    config_settings: tuple[str, ...] = ()
    """What its hooks are given, as ``KEY=VALUE``; what looks like a secret is masked."""
    priority: tuple[int, float, int] | None = None
    """At the gate, until it has begun: see `pool.scheduling.slot`. None in older journals."""
    alone: bool = False
    """Whether nothing may run beside it: it is tried again, as it ran out of memory."""


class BuildNeeded(_Event, frozen=True, tag="build.needed"):
    """One more build turned out to need a nested build that was already announced."""

    build: BuildId
    by: BuildId


class BuildWaiting(_Event, frozen=True, tag="build.waiting"):
    """It cannot go on, and holds no slot while that is so."""

    build: BuildId
    for_: WaitFor = msgspec.field(name="for")
    on: str = ""
    """What it waits for, in words: a tree, a file, the names of builds."""
    holder: Holder | None = None
    """Of the lock, where it waits for one and the system tells."""
    builds: tuple[BuildId, ...] = ()
    """The nested builds, where it waits for some."""
    needs: int = 0
    """Bytes, where it waits for memory."""
    free: int = 0
    """Bytes of the budget that nobody had set aside then."""


class BuildStarted(_Event, frozen=True, tag="build.started"):
    """It holds a slot: for the first time, or again after it waited in the middle."""

    build: BuildId
    slot: int
    """From 1; the lowest one free."""
    reserved: int = 0
    """Bytes of the memory budget set aside for it."""


class BuildPhase(_Event, frozen=True, tag="build.phase"):
    """It went on to another phase."""

    build: BuildId
    phase: Phase


class BuildRequirementsResolved(_Event, frozen=True, tag="build.chose"):
    """The build requirements for its environment."""

    build: BuildId
    requirements: tuple[str, ...]
    """``name version``, in the order of installation."""


class BuildOutput(_Event, frozen=True, tag="build.output"):
    """Its log has grown; told at most a few times a second."""

    build: BuildId
    lines: int
    """In all, since the log's beginning."""
    bytes: int
    last: str
    """The last line that is not empty, cleaned."""


class BuildFinished(_Event, frozen=True, tag="build.finished"):
    """It ended; nothing follows for this build."""

    build: BuildId
    outcome: Outcome
    seconds: float = 0.0
    """With a slot; what it waited does not count."""
    peak: int = 0
    """Bytes: the largest sampled sum over its process tree."""
    version: str | None = None
    wheel: str | None = None
    """The path of the wheel, where there is one."""
    sha256: str | None = None
    bytes: int | None = None
    reference: str = ""
    """A short code for what went wrong (pool.common.errors)."""
    message: str = ""
    hint: str = ""
    rerun: str = ""
    """A shell command that runs the failed step again by hand."""


class LockWaiting(_Event, frozen=True, tag="lock.waiting"):
    """Somebody else holds the lock of a tree, a cached wheel or an environment."""

    lock: str
    holder: Holder | None = None
    build: BuildId | None = None
    """None where no single build is what it is for."""


class LockAcquired(_Event, frozen=True, tag="lock.acquired"):
    """It is ours alone from here on."""

    lock: str
    build: BuildId | None = None
    """None where no single build is what it is for."""


class LockReleased(_Event, frozen=True, tag="lock.released"):
    """It is free again."""

    lock: str
    build: BuildId | None = None
    """None where no single build is what it is for."""


class DownloadStarted(_Event, frozen=True, tag="download.started"):
    """A file is being fetched."""

    file: str
    total: int | None = None
    """Bytes, where the server says."""
    build: BuildId | None = None
    """None where no single build is what it is for."""


class DownloadProgress(_Event, frozen=True, tag="download.progress"):
    """More of it is here; told at most a few times a second."""

    file: str
    bytes: int
    total: int | None = None
    build: BuildId | None = None
    """None where no single build is what it is for."""


class DownloadFinished(_Event, frozen=True, tag="download.finished"):
    """It is here and its digest is right, or it could not be had (``ok`` false)."""

    file: str
    bytes: int
    ok: bool = True
    build: BuildId | None = None
    """None where no single build is what it is for."""


class InstallStarted(_Event, frozen=True, tag="install.started"):
    """A wheel is being unpacked, checked and compiled."""

    distribution: str
    """The name of the wheel's file."""
    environment: str
    """Where it goes: an environment's path, or ``cache``."""
    build: BuildId | None = None
    """None where no single build is what it is for."""


class InstallFinished(_Event, frozen=True, tag="install.finished"):
    """It is in place, or it could not be (``ok`` false)."""

    distribution: str
    environment: str
    ok: bool = True
    build: BuildId | None = None
    """None where no single build is what it is for."""


class BuildSample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one build costs at one tick."""

    build: BuildId
    processes: tuple[ProcessNews, ...]
    """All there are, parents before their children; of each what is new."""
    rss: int
    """Bytes, summed over the tree."""
    peak: int
    """Bytes, the largest such sum so far."""
    pss: int | None = None
    """Bytes, shared pages counted once; None where the tree was not weighed at this tick."""
    tokens: int = 0
    """Jobs that it may run beside its first one: tokens taken, and those leased to it."""


class MachineMemory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the machine has; bytes."""

    total: int
    available: int
    stall: float | None = None
    """Percent of the last ten seconds in which some process waited for memory, as
    `pool.system.memory.stalled` has it; None where the kernel does not tell."""


class Sample(_Event, frozen=True, tag="sample"):
    """One look at all running builds; about one a second."""

    builds: tuple[BuildSample, ...]
    machine: MachineMemory


class ResolveStarted(_Event, frozen=True, tag="resolve.started"):
    """A set of versions is being looked for that satisfies all that was asked for."""

    requirements: tuple[str, ...]
    """What was asked for, in the user's order."""


class ResolveProgress(_Event, frozen=True, tag="resolve.progress"):
    """More is known; told at most a few times a second."""

    pages: int
    """Of projects, read so far."""


class SelectedVersion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version that was chosen, and why it is in."""

    name: str
    version: str
    kind: Literal["wheel", "sdist", "direct", "installed"]
    """``direct``: what the user pointed at; ``installed``: the environment's own is kept."""
    file: str = ""
    by: tuple[str, ...] = ()
    """Who asked for it: ``rich 14.2.0 needs pygments>=2.13``, ``requirements.txt:3``."""
    passed_over: tuple[str, ...] = ()
    """Newer versions that were not taken, each with the reason."""


class ResolveFinished(_Event, frozen=True, tag="resolve.finished"):
    """The set is found."""

    picked: tuple[SelectedVersion, ...]


class ResolveFailed(_Event, frozen=True, tag="resolve.failed"):
    """There is no such set, or it could not be found out; the run fails."""

    reference: str
    message: str
    hint: str = ""


class EnvironmentChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One distribution that an environment has now, or has no more."""

    name: str
    old: str | None = None
    """The version before; None where there was none."""
    new: str | None = None
    """The version now; None where it was removed."""
    editable: bool = False


class EnvironmentChanged(_Event, frozen=True, tag="environment.changed"):
    """Distributions were put in place, all of a set at once."""

    environment: str
    changes: tuple[EnvironmentChange, ...]
    locked: float = 0.0
    """Seconds for which the environment's lock was held."""


class EnvironmentFailed(_Event, frozen=True, tag="environment.failed"):
    """Nothing was put in place; the run fails."""

    environment: str
    reference: str
    message: str
    hint: str = ""


class Note(_Event, frozen=True, tag="remark"):
    """Something the user should know that is no failure."""

    text: str
    build: BuildId | None = None
    """The build it is about."""


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a type this version does not know, kept as it was."""

    type: str
    seq: int
    t: float
    data: dict[str, Any]
    """The whole line."""


KnownEvent: TypeAlias = (
    RunStarted
    | RunStopping
    | RunFinished
    | LimitChanged
    | BuildQueued
    | BuildNeeded
    | BuildWaiting
    | BuildStarted
    | BuildPhase
    | BuildRequirementsResolved
    | BuildOutput
    | BuildFinished
    | LockWaiting
    | LockAcquired
    | LockReleased
    | DownloadStarted
    | DownloadProgress
    | DownloadFinished
    | InstallStarted
    | InstallFinished
    | ResolveStarted
    | ResolveProgress
    | ResolveFinished
    | ResolveFailed
    | EnvironmentChanged
    | EnvironmentFailed
    | Note
    | Sample
)
Event: TypeAlias = KnownEvent | Unknown
