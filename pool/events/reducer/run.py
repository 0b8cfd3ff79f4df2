"""How events of the run as a whole change the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.common.model import LimitName
from pool.events.reducer.dirty import NO_BUILD, Dirty, dirty_build
from pool.events.state import EnvironmentState, Limit

if TYPE_CHECKING:
    from pool.events.state import RunState
    from pool.events.types import (
        LimitChanged,
        Note,
        RunFinished,
        RunStarted,
        RunStopping,
        Unknown,
    )

__all__ = [
    "apply_limit_changed",
    "apply_note",
    "apply_run_finished",
    "apply_run_started",
    "apply_run_stopping",
    "apply_unknown",
]


def apply_run_started(state: RunState, event: RunStarted) -> Dirty:
    """Set the limits and the folders."""
    state.limits = {name: Limit(value=value) for name, value in event.limits.items()}
    state.startup = event.startup
    state.targets = event.targets
    state.out_dir = event.out_dir
    state.logs = event.logs
    if event.environment:
        state.environment = EnvironmentState(path=event.environment)
    return NO_BUILD


def apply_run_stopping(state: RunState, event: RunStopping) -> Dirty:
    """Set the reason for the stop."""
    state.stopping = event.why
    return NO_BUILD


def apply_run_finished(state: RunState, event: RunFinished) -> Dirty:
    """Set the exit code and the totals."""
    state.exit_code = event.exit_code
    state.totals = dict(event.totals)
    state.warning = event.warning
    return NO_BUILD


def apply_limit_changed(state: RunState, event: LimitChanged) -> Dirty:
    """Change, pause or resume a limit."""
    limit = state.limits.setdefault(event.limit, Limit(value=event.old))
    if event.why == "memory":
        before = event.old if limit.lowered_from is None else limit.lowered_from
        limit.lowered_from = None if event.new >= before else before
    elif event.why == "user" or (event.why == "pause" and event.old != limit.cap):
        limit.lowered_from = None
    limit.why = event.why
    limit.paused = event.new == 0 and event.limit is not LimitName.MEMORY
    limit.value = (event.old or limit.value) if limit.paused else event.new
    return NO_BUILD


def apply_note(state: RunState, event: Note) -> Dirty:
    """Add a note to its build, or to the run."""
    if event.build is None:
        state.notes += (event.text,)
    else:
        state.builds[event.build].notes += (event.text,)
    return dirty_build(event.build)


def apply_unknown(state: RunState, _event: Unknown) -> Dirty:
    """Count an event of a newer version."""
    state.unknown += 1
    return NO_BUILD
