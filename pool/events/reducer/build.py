"""How events of one build change the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.common.model import WaitFor
from pool.events.reducer.dirty import Dirty, dirty_build
from pool.events.state import BuildState, Status

if TYPE_CHECKING:
    from pool.events.state import RunState
    from pool.events.types import (
        BuildFinished,
        BuildNeeded,
        BuildOutput,
        BuildPhase,
        BuildQueued,
        BuildRequirementsResolved,
        BuildStarted,
        BuildWaiting,
    )

__all__ = [
    "apply_finished",
    "apply_needed",
    "apply_output",
    "apply_phase",
    "apply_queued",
    "apply_requirements",
    "apply_started",
    "apply_waiting",
]


def apply_queued(state: RunState, event: BuildQueued) -> Dirty:
    """Add the build. A retry changes the build that it supersedes, too."""
    state.builds[event.build] = BuildState(
        id=event.build,
        name=event.name,
        target=event.target,
        log=event.log,
        version=event.version,
        origin=event.origin,
        purpose=event.purpose,
        needed_by=event.needed_by,
        nested=event.is_nested,
        retry_of=event.retry_of,
        expected=event.expected,
        expected_peak=event.expected_peak,
        config_settings=event.config_settings,
        priority=event.priority,
        exclusive=event.alone,
        queued_at=event.t,
        since=event.t,
    )
    if event.retry_of is None:
        return dirty_build(event.build)
    state.builds[event.retry_of].superseded_by = event.build
    return frozenset((event.build, event.retry_of))


def apply_needed(state: RunState, event: BuildNeeded) -> Dirty:
    """Add a build that needs this one."""
    build = state.builds[event.build]
    build.needed_by = (*build.needed_by, event.by)
    build.nested = True
    return dirty_build(event.build)


def apply_waiting(state: RunState, event: BuildWaiting) -> Dirty:
    """Release the slot and set the reason for the wait."""
    build = state.builds[event.build]
    same = build.status is Status.WAITING and build.waiting_for is event.for_
    _release_slot(state, build)
    _end_phase(build, event.t)
    build.status = Status.QUEUED if event.for_ is WaitFor.SLOT else Status.WAITING
    build.waiting_for = event.for_
    build.waiting_on = event.on
    build.holder = event.holder
    build.waiting_builds = event.builds
    build.needs, build.free = event.needs, event.free
    build.since = build.since if same else event.t
    return dirty_build(event.build)


def apply_started(state: RunState, event: BuildStarted) -> Dirty:
    """Give the build its slot."""
    build = state.builds[event.build]
    _clear_wait(build)
    build.status = Status.BUILDING
    build.slot = event.slot
    build.reserved = event.reserved
    build.since = event.t
    if build.started_at is None:
        build.started_at = event.t
    state.slots[event.slot] = event.build
    return dirty_build(event.build)


def apply_phase(state: RunState, event: BuildPhase) -> Dirty:
    """End the phase before and begin the next."""
    build = state.builds[event.build]
    _end_phase(build, event.t)
    build.phase = event.phase
    build.phase_since = event.t
    return dirty_build(event.build)


def apply_requirements(state: RunState, event: BuildRequirementsResolved) -> Dirty:
    """Set the build requirements."""
    state.builds[event.build].requirements = event.requirements
    return dirty_build(event.build)


def apply_output(state: RunState, event: BuildOutput) -> Dirty:
    """Set the size of the log and its last line."""
    build = state.builds[event.build]
    build.lines = event.lines
    build.bytes = event.bytes
    build.last = event.last
    return dirty_build(event.build)


def apply_finished(state: RunState, event: BuildFinished) -> Dirty:
    """Release the slot and set the outcome."""
    build = state.builds[event.build]
    _release_slot(state, build)
    _clear_wait(build)
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
    build.cause = event.cause
    build.rerun = event.rerun
    return dirty_build(event.build)


def _release_slot(state: RunState, build: BuildState) -> None:
    if build.slot is not None:
        state.slots.pop(build.slot, None)
        build.slot = None
        # A build without a slot has no processes.
        build.processes = ()
        build.rss = 0
        build.pss = None
        build.reserved = 0
        build.tokens = 0


def _clear_wait(build: BuildState) -> None:
    build.waiting_for = None
    build.waiting_on = ""
    build.holder = None
    build.waiting_builds = ()
    build.needs = build.free = 0


def _end_phase(build: BuildState, t: float) -> None:
    if build.phase is not None and build.phase_since is not None:
        seconds = t - build.phase_since
        build.phases[build.phase] = build.phases.get(build.phase, 0.0) + seconds
    build.phase = None
    build.phase_since = None
