"""A run at one moment, as its events add up to: plain data, changed by `pool.events.reducer` alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import exp
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pool.common.model import BuildId, Holder, LimitName, Outcome, Phase, ProcessSample, WaitFor
    from pool.events.types import EnvironmentChange, Header, MachineMemory, SelectedVersion

__all__ = [
    "MEMORY_SECONDS",
    "BuildState",
    "Download",
    "EnvironmentState",
    "Limit",
    "Resolve",
    "RunState",
    "Status",
    "Traffic",
]

MEMORY_SECONDS = 3.0
"""How long traffic counts for its rate."""


class Status(StrEnum):
    """Where a build is: see the state diagram in pool/ARCHITECTURE.md."""

    QUEUED = "queued"
    WAITING = "waiting"
    BUILDING = "building"
    DONE = "done"


@dataclass(slots=True, kw_only=True)
class Limit:
    """One of the caps."""

    cap: int
    """0 means paused."""
    before_pause: int
    """The cap that comes back on resume; equal to ``cap`` while not paused, as memory never is."""
    why: str = "start"
    lowered_from: int | None = None
    """What it was before want of memory lowered it; None while that is not so."""


@dataclass(slots=True, kw_only=True)
class Download:
    """A file on its way."""

    build: BuildId | None
    file: str
    bytes: int = 0
    total: int | None = None


@dataclass(slots=True, kw_only=True)
class Traffic:
    """What downloads have brought so far, and how fast."""

    bytes: int = 0
    """Of the files that are here whole."""
    since: float = 0.0
    """When the first download began after there was none for long."""
    flow: float = 0.0
    """Bytes that came at ``at`` or shortly before; the longer ago, the less they count."""
    at: float = 0.0

    def rate(self, now: float) -> float:
        """Return bytes a second at a moment that is not before the newest event."""
        # Nothing before `since` is in the flow: the younger it is, the shorter the window.
        window = MEMORY_SECONDS * (1 - exp(-max(now - self.since, 0.5) / MEMORY_SECONDS))
        return self.remembered(now) / window

    def remembered(self, now: float) -> float:
        """Return what of the flow still counts."""
        return self.flow * exp(-max(now - self.at, 0.0) / MEMORY_SECONDS)


@dataclass(slots=True, kw_only=True)
class Resolve:
    """The search for versions that go together."""

    requirements: tuple[str, ...]
    since: float
    done_at: float | None = None
    pages: int = 0
    """Of projects, read so far."""
    picked: tuple[SelectedVersion, ...] = ()
    message: str = ""
    """Why there is no such set."""
    hint: str = ""


@dataclass(slots=True, kw_only=True)
class EnvironmentState:
    """The environment that a run installs into."""

    path: str
    waiting_since: float | None = None
    """When the wait for its lock began; None while there is none."""
    holder: Holder | None = None
    locked: bool = False
    done_at: float | None = None
    """When it was last changed, or found to need no change, or could not be changed."""
    changes: tuple[EnvironmentChange, ...] = ()
    message: str = ""
    """Why nothing was installed."""
    hint: str = ""


@dataclass(slots=True, kw_only=True)
class BuildState:
    """All that is known about one build; times are seconds since the start of the run."""

    id: BuildId
    name: str
    target: str
    log: str
    version: str | None = None
    origin: str = ""
    purpose: str = "wheel"
    needed_by: tuple[BuildId, ...] = ()
    retry_of: BuildId | None = None
    superseded_by: BuildId | None = None
    """The build that tries again."""
    expected: float | None = None
    priority: tuple[int, float, int] | None = None
    """At the gate, as announced (`pool.scheduling.slot.Priority`); None where the journal does not tell."""
    alone: bool = False
    """Whether nothing may run beside it."""

    status: Status = Status.QUEUED
    since: float = 0.0
    """When the status, the reason for waiting, or the phase last changed."""
    waiting_for: WaitFor | None = None
    waiting_on: str = ""
    holder: Holder | None = None
    waiting_builds: tuple[BuildId, ...] = ()
    needs: int = 0
    """Bytes of memory that it waits for; 0 while it does not, or where that is not told."""
    free: int = 0
    """Bytes of the budget that were free when it was told to wait."""
    slot: int | None = None
    lock: str | None = None
    """The tree, or the cached wheel, that it holds."""
    phase: Phase | None = None
    phases: dict[Phase, float] = field(default_factory=dict)
    """Seconds spent in each phase that has ended."""
    phase_since: float | None = None
    queued_at: float = 0.0
    started_at: float | None = None
    """When it first held a slot."""
    finished_at: float | None = None

    config_settings: tuple[str, ...] = ()
    """What its hooks are given, as ``KEY=VALUE``."""
    requirements: tuple[str, ...] = ()
    lines: int = 0
    bytes: int = 0
    last: str = ""
    processes: tuple[ProcessSample, ...] = ()
    rss: int = 0
    peak: int = 0
    pss: int | None = None
    """As it was weighed last, every few seconds; None where it never was."""
    pss_peak: int = 0
    reserved: int = 0
    """Bytes of the memory budget set aside for it while it has a slot."""
    expected_peak: int | None = None
    """Bytes it came to in earlier runs."""
    tokens: int = 0
    """Jobs that it may run beside its first one."""

    outcome: Outcome | None = None
    seconds: float = 0.0
    wheel: str | None = None
    sha256: str | None = None
    wheel_bytes: int | None = None
    reference: str = ""
    message: str = ""
    hint: str = ""
    rerun: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name, with the version where it is known."""
        return f"{self.name} {self.version}" if self.version else self.name

    @property
    def nested(self) -> bool:
        """Whether other builds made it necessary, not the user."""
        return bool(self.needed_by)


@dataclass(slots=True, kw_only=True)
class RunState:
    """A whole run at one moment."""

    header: Header | None = None
    now: float = 0.0
    """The time of the newest event."""
    seq: int = 0
    builds: dict[BuildId, BuildState] = field(default_factory=dict)
    """In the order of announcement."""
    limits: dict[LimitName, Limit] = field(default_factory=dict)
    slots: dict[int, BuildId] = field(default_factory=dict)
    """Who holds which slot; its length is the number of running builds."""
    downloads: dict[tuple[BuildId | None, str], Download] = field(default_factory=dict)
    installs: dict[tuple[BuildId | None, str], str] = field(default_factory=dict)
    """The wheels being unpacked, with where they go."""
    traffic: Traffic = field(default_factory=Traffic)
    resolve: Resolve | None = None
    """None where nothing had to be resolved."""
    environment: EnvironmentState | None = None
    """None where wheels are the aim."""
    remarks: tuple[str, ...] = ()
    """What is about no single build."""
    machine: MachineMemory | None = None
    targets: int = 0
    out_dir: str = ""
    logs: str = ""
    stopping: str | None = None
    exit_code: int | None = None
    """None until the run has finished."""
    totals: dict[Outcome, int] = field(default_factory=dict)
    warning: str = ""
    unknown: int = 0
    """Events of types this version does not know."""

    @property
    def finished(self) -> bool:
        """Whether the last event has come."""
        return self.exit_code is not None
