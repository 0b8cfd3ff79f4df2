"""Why a command makes no sense to a run as it is now: pure, one line for whoever gave it.

A screen that shows the run may send what came too late, and nobody wants to hear of it; whoever
commands from outside is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.common.controls import Cancel, Control, Resize, Retry
from pool.common.model import LimitName
from pool.settings import MAX_BUILDS

if TYPE_CHECKING:
    from pool.run.registry import JobRegistry

__all__ = ["reject_reason"]

_MOST_BYTES = 1 << 60
"""More than any machine has, and less than what the journal cannot hold."""


def reject_reason(control: Control, roster: JobRegistry, *, stopping: bool) -> str:
    """Return why a command cannot be obeyed; empty if it can."""
    match control:
        case Resize():
            return _no_cap(control)
        case Cancel(build=build) | Retry(build=build) if build not in roster.jobs:
            return f"there is no build {build}"
        case Cancel(build=build) if ended := roster.outcomes.get(build):
            return f"{roster.jobs[build].title} has ended: {ended.outcome}"
        case Retry() if stopping:
            return "the run is ending"
        case Retry(build=build) if not roster.to_retry(roster.jobs[build]):
            return f"{roster.jobs[build].title} did not go wrong, or was tried again"
        case _:
            return ""


def _no_cap(control: Resize) -> str:
    """Say what is wrong with the number; moving a cap ends at its bounds by itself."""
    value, limit = control.value, control.limit
    if limit is LimitName.MEMORY:
        good = 0 <= (value or 0) <= _MOST_BYTES and abs(control.by) <= _MOST_BYTES
        return "" if good else "memory: there is no such amount of it"
    good = value is None or 1 <= value <= MAX_BUILDS
    return "" if good else f"{limit}: a cap is 1 to {MAX_BUILDS}, not {value}"
