"""The meaning of events: how each one changes the state of a run.

`apply` reads no clock and does no I/O, so a live run, its replay and its report see the same
state. It alone changes a `RunState` and the records in it; all other code only reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from pool.events import types
from pool.events.reducer.build import (
    apply_finished,
    apply_needed,
    apply_output,
    apply_phase,
    apply_queued,
    apply_requirements,
    apply_started,
    apply_waiting,
)
from pool.events.reducer.download import (
    apply_download_finished,
    apply_download_progress,
    apply_download_started,
)
from pool.events.reducer.install import (
    apply_environment_changed,
    apply_environment_failed,
    apply_environment_staging,
    apply_install_finished,
    apply_install_started,
)
from pool.events.reducer.lock import apply_lock_acquired, apply_lock_released, apply_lock_waiting
from pool.events.reducer.resolve import (
    apply_resolve_failed,
    apply_resolve_finished,
    apply_resolve_progress,
    apply_resolve_started,
)
from pool.events.reducer.run import (
    apply_limit_changed,
    apply_note,
    apply_run_finished,
    apply_run_started,
    apply_run_stopping,
    apply_unknown,
)
from pool.events.reducer.sample import apply_sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pool.common.model import BuildId
    from pool.events.reducer.dirty import Dirty
    from pool.events.state import RunState

__all__ = ["apply", "apply_all"]


def apply(state: RunState, event: types.Event) -> Dirty:
    """Apply one event to the state, in place, and return the builds that it changed."""
    state.now = event.t
    state.seq = event.seq
    return _apply(state, event)


def apply_all(state: RunState, events: Iterable[types.Event]) -> Dirty:
    """Apply events in order and return all builds that they changed."""
    dirty: set[BuildId] = set()
    for event in events:
        dirty |= apply(state, event)
    return frozenset(dirty)


def _apply(state: RunState, event: types.Event) -> Dirty:  # noqa: C901, PLR0911, PLR0912 - a table
    # The most frequent events come first: a long journal is nearly all output and samples.
    match event:
        case types.BuildOutput():
            return apply_output(state, event)
        case types.Sample():
            return apply_sample(state, event)
        case types.DownloadProgress():
            return apply_download_progress(state, event)
        case types.BuildPhase():
            return apply_phase(state, event)
        case types.BuildWaiting():
            return apply_waiting(state, event)
        case types.BuildStarted():
            return apply_started(state, event)
        case types.BuildQueued():
            return apply_queued(state, event)
        case types.BuildNeeded():
            return apply_needed(state, event)
        case types.BuildRequirementsResolved():
            return apply_requirements(state, event)
        case types.BuildFinished():
            return apply_finished(state, event)
        case types.DownloadStarted():
            return apply_download_started(state, event)
        case types.DownloadFinished():
            return apply_download_finished(state, event)
        case types.InstallStarted():
            return apply_install_started(state, event)
        case types.InstallFinished():
            return apply_install_finished(state, event)
        case types.LockWaiting():
            return apply_lock_waiting(state, event)
        case types.LockAcquired():
            return apply_lock_acquired(state, event)
        case types.LockReleased():
            return apply_lock_released(state, event)
        case types.LimitChanged():
            return apply_limit_changed(state, event)
        case types.Note():
            return apply_note(state, event)
        case types.ResolveStarted():
            return apply_resolve_started(state, event)
        case types.ResolveProgress():
            return apply_resolve_progress(state, event)
        case types.ResolveFinished():
            return apply_resolve_finished(state, event)
        case types.ResolveFailed():
            return apply_resolve_failed(state, event)
        case types.EnvironmentStaging():
            return apply_environment_staging(state, event)
        case types.EnvironmentChanged():
            return apply_environment_changed(state, event)
        case types.EnvironmentFailed():
            return apply_environment_failed(state, event)
        case types.RunStarted():
            return apply_run_started(state, event)
        case types.RunStopping():
            return apply_run_stopping(state, event)
        case types.RunFinished():
            return apply_run_finished(state, event)
        case types.Unknown():
            return apply_unknown(state, event)
        case _:
            assert_never(event)
