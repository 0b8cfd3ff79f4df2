"""How events of version resolution change the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.events.reducer.dirty import NO_BUILD, Dirty
from pool.events.state import Resolve

if TYPE_CHECKING:
    from pool.events.state import RunState
    from pool.events.types import (
        ResolveFailed,
        ResolveFinished,
        ResolveProgress,
        ResolveStarted,
    )

__all__ = [
    "apply_resolve_failed",
    "apply_resolve_finished",
    "apply_resolve_progress",
    "apply_resolve_started",
]


def apply_resolve_started(state: RunState, event: ResolveStarted) -> Dirty:
    """Begin a resolution."""
    state.resolve = Resolve(requirements=event.requirements, since=event.t)
    return NO_BUILD


def apply_resolve_progress(state: RunState, event: ResolveProgress) -> Dirty:
    """Set the number of pages."""
    if state.resolve is not None:
        state.resolve.pages = event.pages
    return NO_BUILD


def apply_resolve_finished(state: RunState, event: ResolveFinished) -> Dirty:
    """Set the selected versions."""
    if state.resolve is not None:
        state.resolve.finished_at = event.t
        state.resolve.selected = event.picked
    return NO_BUILD


def apply_resolve_failed(state: RunState, event: ResolveFailed) -> Dirty:
    """Set the reason of the failure."""
    # The metadata of the user's paths and URLs is read first: that may fail before the start.
    state.resolve = state.resolve or Resolve(requirements=(), since=event.t)
    state.resolve.finished_at = event.t
    state.resolve.message = event.message
    state.resolve.hint = event.hint
    return NO_BUILD
