"""What the events add up to: the only place that gives them meaning.

`apply` reads no clock and does no I/O, so a live run, its replay and its report see the same
state. `RunState` and `BuildState` are changed by `apply` alone; everyone else only reads them.
"""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING

from pool.common.model import BuildId, LimitName, WaitFor
from pool.events.process_delta import patch
from pool.events.state import (
    MEMORY_SECONDS,
    BuildState,
    Download,
    EnvironmentState,
    Limit,
    Resolve,
    RunState,
    Status,
    Traffic,
)
from pool.events.types import (
    BuildFinished,
    BuildNeeded,
    BuildOutput,
    BuildPhase,
    BuildQueued,
    BuildRequirementsResolved,
    BuildStarted,
    BuildWaiting,
    DownloadFinished,
    DownloadProgress,
    DownloadStarted,
    EnvironmentChanged,
    EnvironmentFailed,
    Event,
    InstallFinished,
    InstallStarted,
    LimitChanged,
    LockAcquired,
    LockReleased,
    LockWaiting,
    Note,
    ResolveFailed,
    ResolveFinished,
    ResolveProgress,
    ResolveStarted,
    RunFinished,
    RunStarted,
    RunStopping,
    Sample,
    Unknown,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["apply", "apply_all"]

Dirty = frozenset[BuildId]
"""The builds whose state an event changed."""

_NONE: Dirty = frozenset()


def apply(state: RunState, event: Event) -> Dirty:
    """Apply one event to the state, in place, and return the builds it changed."""
    state.now = event.t
    state.seq = event.seq
    return _fold(event, state)


def apply_all(state: RunState, events: Iterable[Event]) -> Dirty:
    """Apply events in order and return all builds they changed."""
    dirty: set[BuildId] = set()
    for event in events:
        dirty |= apply(state, event)
    return frozenset(dirty)


@singledispatch
def _fold(event: Event, _state: RunState) -> Dirty:
    raise TypeError(f"no meaning is given to {type(event).__name__}")


@_fold.register
def _(_event: Unknown, state: RunState) -> Dirty:
    state.unknown += 1
    return _NONE


@_fold.register
def _(event: RunStarted, state: RunState) -> Dirty:
    state.limits = {
        name: Limit(cap=value, before_pause=value) for name, value in event.limits.items()
    }
    state.targets = event.targets
    state.out_dir = event.out_dir
    state.logs = event.logs
    if event.environment:
        state.environment = EnvironmentState(path=event.environment)
    return _NONE


@_fold.register
def _(event: RunStopping, state: RunState) -> Dirty:
    state.stopping = event.why
    return _NONE


@_fold.register
def _(event: RunFinished, state: RunState) -> Dirty:
    state.exit_code = event.exit_code
    state.totals = dict(event.totals)
    state.warning = event.warning
    return _NONE


@_fold.register
def _(event: LimitChanged, state: RunState) -> Dirty:
    limit = state.limits.setdefault(event.limit, Limit(cap=event.old, before_pause=event.old))
    if event.why == "memory":
        before = event.old if limit.lowered_from is None else limit.lowered_from
        limit.lowered_from = None if event.new >= before else before
    elif event.why == "user" or (event.why == "pause" and event.old != limit.cap):
        limit.lowered_from = None
    limit.cap = event.new
    limit.why = event.why
    if event.new or event.limit is LimitName.MEMORY:
        limit.before_pause = event.new
    else:
        limit.before_pause = event.old or limit.before_pause
    return _NONE


@_fold.register
def _(event: BuildQueued, state: RunState) -> Dirty:
    state.builds[event.build] = BuildState(
        id=event.build,
        name=event.name,
        target=event.target,
        log=event.log,
        version=event.version,
        origin=event.origin,
        purpose=event.purpose,
        needed_by=event.needed_by,
        retry_of=event.retry_of,
        expected=event.expected,
        expected_peak=event.expected_peak,
        config_settings=event.config_settings,
        priority=event.priority,
        alone=event.alone,
        queued_at=event.t,
        since=event.t,
    )
    if event.retry_of is None:
        return frozenset((event.build,))
    state.builds[event.retry_of].superseded_by = event.build
    return frozenset((event.build, event.retry_of))


@_fold.register
def _(event: BuildNeeded, state: RunState) -> Dirty:
    build = state.builds[event.build]
    build.needed_by = (*build.needed_by, event.by)
    return frozenset((event.build,))


@_fold.register
def _(event: BuildWaiting, state: RunState) -> Dirty:
    build = state.builds[event.build]
    same = build.status is Status.WAITING and build.waiting_for is event.for_
    _leave_slot(state, build)
    _end_phase(build, event.t)
    build.status = Status.QUEUED if event.for_ is WaitFor.SLOT else Status.WAITING
    build.waiting_for = event.for_
    build.waiting_on = event.on
    build.holder = event.holder
    build.waiting_builds = event.builds
    build.needs, build.free = event.needs, event.free
    build.since = build.since if same else event.t
    return frozenset((event.build,))


@_fold.register
def _(event: BuildStarted, state: RunState) -> Dirty:
    build = state.builds[event.build]
    _no_wait(build)
    build.status = Status.BUILDING
    build.slot = event.slot
    build.reserved = event.reserved
    build.since = event.t
    if build.started_at is None:
        build.started_at = event.t
    state.slots[event.slot] = event.build
    return frozenset((event.build,))


@_fold.register
def _(event: BuildPhase, state: RunState) -> Dirty:
    build = state.builds[event.build]
    _end_phase(build, event.t)
    build.phase = event.phase
    build.phase_since = event.t
    return frozenset((event.build,))


@_fold.register
def _(event: BuildRequirementsResolved, state: RunState) -> Dirty:
    state.builds[event.build].requirements = event.requirements
    return frozenset((event.build,))


@_fold.register
def _(event: BuildOutput, state: RunState) -> Dirty:
    build = state.builds[event.build]
    build.lines = event.lines
    build.bytes = event.bytes
    build.last = event.last
    return frozenset((event.build,))


@_fold.register
def _(event: BuildFinished, state: RunState) -> Dirty:
    build = state.builds[event.build]
    _leave_slot(state, build)
    _no_wait(build)
    _end_phase(build, event.t)
    build.status = Status.DONE
    build.since = build.finished_at = event.t
    build.outcome = event.outcome
    build.seconds = event.seconds
    build.peak = max(build.peak, event.peak)
    build.version = event.version or build.version
    build.wheel = event.wheel
    build.sha256 = event.sha256
    build.wheel_bytes = event.bytes
    build.reference = event.reference
    build.message = event.message
    build.hint = event.hint
    build.rerun = event.rerun
    return frozenset((event.build,))


@_fold.register
def _(event: LockWaiting, state: RunState) -> Dirty:
    if event.build is not None:
        state.builds[event.build].holder = event.holder
    elif (env := state.environment) is not None:
        env.waiting_since = event.t if env.waiting_since is None else env.waiting_since
        env.holder = event.holder
    return _about(event.build)


@_fold.register
def _(event: LockAcquired, state: RunState) -> Dirty:
    if event.build is not None:
        state.builds[event.build].lock = event.lock
    elif (env := state.environment) is not None:
        env.waiting_since, env.holder, env.locked = None, None, True
    return _about(event.build)


@_fold.register
def _(event: LockReleased, state: RunState) -> Dirty:
    if event.build is not None:
        state.builds[event.build].lock = None
    elif (env := state.environment) is not None:
        env.locked = False
    return _about(event.build)


@_fold.register
def _(event: DownloadStarted, state: RunState) -> Dirty:
    traffic = state.traffic
    idle = not state.downloads and event.t - traffic.at > 3 * MEMORY_SECONDS
    if idle or not traffic.flow:
        traffic.since = traffic.at = event.t
        traffic.flow = 0.0
    state.downloads[event.build, event.file] = Download(
        build=event.build, file=event.file, total=event.total
    )
    return _about(event.build)


@_fold.register
def _(event: DownloadProgress, state: RunState) -> Dirty:
    if (download := state.downloads.get((event.build, event.file))) is None:
        return _NONE
    _came(state.traffic, event.bytes - download.bytes, event.t)
    download.bytes = event.bytes
    download.total = download.total if event.total is None else event.total
    return _about(event.build)


@_fold.register
def _(event: DownloadFinished, state: RunState) -> Dirty:
    download = state.downloads.pop((event.build, event.file), None)
    if event.ok and download is not None:
        _came(state.traffic, event.bytes - download.bytes, event.t)
        state.traffic.bytes += event.bytes
    return _about(event.build)


@_fold.register
def _(event: InstallStarted, state: RunState) -> Dirty:
    state.installs[event.build, event.distribution] = event.environment
    return _about(event.build)


@_fold.register
def _(event: InstallFinished, state: RunState) -> Dirty:
    state.installs.pop((event.build, event.distribution), None)
    return _about(event.build)


@_fold.register
def _(event: ResolveStarted, state: RunState) -> Dirty:
    state.resolve = Resolve(requirements=event.requirements, since=event.t)
    return _NONE


@_fold.register
def _(event: ResolveProgress, state: RunState) -> Dirty:
    if state.resolve is not None:
        state.resolve.pages = event.pages
    return _NONE


@_fold.register
def _(event: ResolveFinished, state: RunState) -> Dirty:
    if state.resolve is not None:
        state.resolve.done_at = event.t
        state.resolve.picked = event.picked
    return _NONE


@_fold.register
def _(event: ResolveFailed, state: RunState) -> Dirty:
    # What was pointed at is looked into before versions are: it may fail before that begins.
    state.resolve = state.resolve or Resolve(requirements=(), since=event.t)
    state.resolve.done_at = event.t
    state.resolve.message = event.message
    state.resolve.hint = event.hint
    return _NONE


@_fold.register
def _(event: EnvironmentChanged, state: RunState) -> Dirty:
    if state.environment is not None:
        state.environment.changes += event.changes
        state.environment.done_at = event.t
        state.environment.message = state.environment.hint = ""
    return _NONE


@_fold.register
def _(event: EnvironmentFailed, state: RunState) -> Dirty:
    if state.environment is not None:
        state.environment.done_at = event.t
        state.environment.message = event.message
        state.environment.hint = event.hint
    return _NONE


@_fold.register
def _(event: Note, state: RunState) -> Dirty:
    if event.build is None:
        state.remarks += (event.text,)
    else:
        state.builds[event.build].remarks += (event.text,)
    return _about(event.build)


@_fold.register
def _(event: Sample, state: RunState) -> Dirty:
    state.machine = event.machine
    for sample in event.builds:
        build = state.builds[sample.build]
        build.processes = patch(sample.processes, build.processes)
        build.rss = sample.rss
        build.tokens = sample.tokens
        build.peak = max(build.peak, sample.peak)
        if sample.pss is not None:
            build.pss = sample.pss
            build.pss_peak = max(build.pss_peak, sample.pss)
    return frozenset([sample.build for sample in event.builds])


def _about(build: BuildId | None) -> Dirty:
    return _NONE if build is None else frozenset((build,))


def _came(traffic: Traffic, count: int, t: float) -> None:
    traffic.flow = traffic.remembered(t) + max(count, 0)
    traffic.at = t


def _leave_slot(state: RunState, build: BuildState) -> None:
    if build.slot is not None:
        state.slots.pop(build.slot, None)
        build.slot = None
        # Processes run only with a slot.
        build.processes = ()
        build.rss = 0
        build.pss = None
        build.reserved = 0
        build.tokens = 0


def _no_wait(build: BuildState) -> None:
    build.waiting_for = None
    build.waiting_on = ""
    build.holder = None
    build.waiting_builds = ()
    build.needs = build.free = 0


def _end_phase(build: BuildState, t: float) -> None:
    if build.phase is not None and build.phase_since is not None:
        spent = t - build.phase_since
        build.phases[build.phase] = build.phases.get(build.phase, 0.0) + spent
    build.phase = None
    build.phase_since = None
