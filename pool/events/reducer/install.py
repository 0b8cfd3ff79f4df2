"""How events of installation change the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.events.reducer.dirty import NO_BUILD, Dirty, dirty_build

if TYPE_CHECKING:
    from pool.events.state import RunState
    from pool.events.types import (
        EnvironmentChanged,
        EnvironmentFailed,
        EnvironmentStaging,
        InstallFinished,
        InstallStarted,
    )

__all__ = [
    "apply_environment_changed",
    "apply_environment_failed",
    "apply_environment_staging",
    "apply_install_finished",
    "apply_install_started",
]


def apply_install_started(state: RunState, event: InstallStarted) -> Dirty:
    """Add a wheel that is being unpacked."""
    state.installs[event.build, event.distribution] = event.environment
    return dirty_build(event.build)


def apply_install_finished(state: RunState, event: InstallFinished) -> Dirty:
    """Remove the wheel from those that are being unpacked."""
    state.installs.pop((event.build, event.distribution), None)
    return dirty_build(event.build)


def apply_environment_staging(state: RunState, _event: EnvironmentStaging) -> Dirty:
    """Begin to prepare files beside the environment."""
    if state.environment is not None:
        state.environment.staging = True
    return NO_BUILD


def apply_environment_changed(state: RunState, event: EnvironmentChanged) -> Dirty:
    """Add the changes of the environment."""
    if state.environment is not None:
        state.environment.staging = False
        state.environment.changes += event.changes
        state.environment.finished_at = event.t
        state.environment.message = state.environment.hint = ""
    return NO_BUILD


def apply_environment_failed(state: RunState, event: EnvironmentFailed) -> Dirty:
    """Set the reason why the environment was not changed."""
    if state.environment is not None:
        state.environment.staging = False
        state.environment.finished_at = event.t
        state.environment.message = event.message
        state.environment.hint = event.hint
    return NO_BUILD
