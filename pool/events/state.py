"""The state of a run at one moment: plain data, changed by `pool.events.reducer` alone.

Times are seconds since the start of the run. All classes here are copied with `StateRecord.copy`.
"""

from __future__ import annotations

from enum import StrEnum
from math import exp
from typing import TYPE_CHECKING

from msgspec import field

from pool.events.state_record import StateRecord

if TYPE_CHECKING:
    from pool.common.model import BuildId, Holder, LimitName, Outcome, Phase, ProcessSample, WaitFor
    from pool.events.types import EnvironmentChange, Header, MachineMemory, SelectedVersion

__all__ = [
    "RATE_SECONDS",
    "BuildState",
    "Download",
    "EnvironmentState",
    "Limit",
    "Resolve",
    "RunState",
    "Status",
    "Traffic",
]

RATE_SECONDS = 3.0
"""The time constant of the download rate: bytes that arrived so long ago count for 1/e."""


class Status(StrEnum):
    """The status of a build: see the state diagram in pool/ARCHITECTURE.md."""

    QUEUED = "queued"
    WAITING = "waiting"
    BUILDING = "building"
    DONE = "done"


class Limit(StateRecord, kw_only=True):
    """One of the limits of a run."""

    value: int
    """The limit while it is not paused; it comes back on resume. For memory, 0 is no budget."""
    paused: bool = False
    """Whether nothing is admitted. Memory is never paused."""
    why: str = "start"
    """The reason of the last change: see `pool.events.types.LimitChanged`."""
    lowered_from: int | None = None
    """The value before a lack of memory lowered it; None if it is not lowered."""

    @property
    def cap(self) -> int:
        """The limit now; 0 while it is paused."""
        return 0 if self.paused else self.value


class Download(StateRecord, kw_only=True):
    """A running download."""

    build: BuildId | None
    file: str
    bytes: int = 0
    total: int | None = None


class Traffic(StateRecord, kw_only=True):
    """The sum of all downloads and their present rate."""

    bytes: int = 0
    """Of complete files."""
    since: float = 0.0
    """When the first download began after a long time without any."""
    recent: float = 0.0
    """Bytes that had arrived until ``updated_at``, weighted: the older, the less they count."""
    updated_at: float = 0.0

    def rate(self, now: float) -> float:
        """Return bytes a second at a moment that is not before the newest event."""
        # `recent` has nothing from before `since`: just after it, the window is shorter.
        window = RATE_SECONDS * (1 - exp(-max(now - self.since, 0.5) / RATE_SECONDS))
        return self.recent_bytes(now) / window

    def recent_bytes(self, now: float) -> float:
        """Return the weighted bytes of ``recent`` as they count now."""
        return self.recent * exp(-max(now - self.updated_at, 0.0) / RATE_SECONDS)


class Resolve(StateRecord, kw_only=True):
    """The resolution of versions."""

    requirements: tuple[str, ...]
    since: float
    finished_at: float | None = None
    pages: int = 0
    """Project pages read so far."""
    selected: tuple[SelectedVersion, ...] = ()
    message: str = ""
    """Why it failed."""
    hint: str = ""


class EnvironmentState(StateRecord, kw_only=True):
    """The environment that a run installs into."""

    path: str
    waiting_since: float | None = None
    """When the wait for its lock began; None while the run does not wait for it."""
    holder: Holder | None = None
    """The holder of its lock while the run waits."""
    staging: bool = False
    """Whether files are prepared beside it; after that comes the lock."""
    locked: bool = False
    """Whether this run holds its lock."""
    finished_at: float | None = None
    """When it was last changed, found to need no change, or could not be changed."""
    changes: tuple[EnvironmentChange, ...] = ()
    message: str = ""
    """Why nothing was installed."""
    hint: str = ""


class BuildState(StateRecord, kw_only=True):
    """The state of one build."""

    id: BuildId
    name: str
    target: str
    log: str
    version: str | None = None
    origin: str = ""
    purpose: str = "wheel"
    needed_by: tuple[BuildId, ...] = ()
    nested: bool = False
    """Whether it is not one of the user's targets: a build requirement, or metadata for the
    resolver."""
    retry_of: BuildId | None = None
    superseded_by: BuildId | None = None
    """The build that tries it again: the inverse of ``retry_of``."""
    expected: float | None = None
    """Seconds that it took in earlier runs."""
    priority: tuple[int, float, int] | None = None
    """Its first priority at the gate (`pool.scheduling.slot.Priority`); None in older journals."""
    exclusive: bool = False
    """Whether it must run without any other build."""

    status: Status = Status.QUEUED
    since: float = 0.0
    """When the status or the reason for waiting last changed."""
    waiting_for: WaitFor | None = None
    waiting_on: str = ""
    holder: Holder | None = None
    """The holder of the lock that it waits for."""
    waiting_builds: tuple[BuildId, ...] = ()
    """The nested builds that it waits for."""
    needs: int = 0
    """Bytes of memory that it waits for; 0 if it does not, or if the journal does not tell."""
    free: int = 0
    """Bytes of the memory budget that were free when the wait began."""
    slot: int | None = None
    lock: str | None = None
    """The source tree or cached wheel whose lock it holds."""
    phase: Phase | None = None
    phases: dict[Phase, float] = field(default_factory=dict)
    """Seconds spent in each phase that has ended."""
    phase_since: float | None = None
    queued_at: float = 0.0
    started_at: float | None = None
    """When it first held a slot."""
    finished_at: float | None = None

    config_settings: tuple[str, ...] = ()
    """``KEY=VALUE`` for its hooks, secrets redacted."""
    requirements: tuple[str, ...] = ()
    """The selected build requirements: ``name version``."""
    lines: int = 0
    """Lines of its log."""
    bytes: int = 0
    """Size of its log."""
    last: str = ""
    """The last line of its log that is not empty."""
    processes: tuple[ProcessSample, ...] = ()
    rss: int = 0
    peak: int = 0
    """Bytes: the largest sum of RSS over its process tree."""
    pss: int | None = None
    """Bytes by the newest measurement, made every few seconds; None before the first one."""
    pss_peak: int = 0
    reserved: int = 0
    """Bytes of the memory budget reserved for it while it holds a slot."""
    expected_peak: int | None = None
    """Bytes that it used in earlier runs."""
    tokens: int = 0
    """Jobs that it may run beside its first one."""

    outcome: Outcome | None = None
    seconds: float = 0.0
    """Time with a slot, known at its end."""
    wheel: str | None = None
    sha256: str | None = None
    wheel_bytes: int | None = None
    reference: str = ""
    """The short code of its error."""
    cause: str = ""
    """The message in at most 40 characters; empty if there is none, or in older journals."""
    message: str = ""
    hint: str = ""
    rerun: str = ""
    """A shell command that runs the failed step again by hand."""
    notes: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name, with the version if it is known."""
        return f"{self.name} {self.version}" if self.version else self.name


class RunState(StateRecord, kw_only=True):
    """The state of a whole run."""

    header: Header | None = None
    now: float = 0.0
    """The time of the newest event."""
    seq: int = 0
    """The number of the newest event."""
    builds: dict[BuildId, BuildState] = field(default_factory=dict)
    """In the order of announcement."""
    limits: dict[LimitName, Limit] = field(default_factory=dict)
    slots: dict[int, BuildId] = field(default_factory=dict)
    """The build in each slot that is in use; the length is the number of running builds."""
    downloads: dict[tuple[BuildId | None, str], Download] = field(default_factory=dict)
    installs: dict[tuple[BuildId | None, str], str] = field(default_factory=dict)
    """The wheels that are being unpacked, each with its environment."""
    traffic: Traffic = field(default_factory=Traffic)
    resolve: Resolve | None = None
    """None if no versions had to be resolved."""
    environment: EnvironmentState | None = None
    """None if the run only makes wheels."""
    notes: tuple[str, ...] = ()
    """Notes that are about no single build."""
    machine: MachineMemory | None = None
    startup: float = 0.0
    """Seconds from the start of the command's process to the start of the run; 0 is unknown."""
    targets: int = 0
    out_dir: str = ""
    logs: str = ""
    stopping: str | None = None
    exit_code: int | None = None
    """None until the run has finished."""
    totals: dict[Outcome, int] = field(default_factory=dict)
    warning: str = ""
    unknown: int = 0
    """Events of types that this version does not know."""

    @property
    def finished(self) -> bool:
        """Whether the last event has come."""
        return self.exit_code is not None

    def copy_with_builds(self, builds: dict[BuildId, BuildState]) -> RunState:
        """Return a copy whose builds are the given ones, which the caller has copied."""
        return self._copy_except({"builds": builds})
