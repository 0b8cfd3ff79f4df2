"""How far a run is, in words: the time left, and the build that takes unusually long.

Pure. `app.model.estimate` has the arithmetic; these are its sentences.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.format import format_estimate
from app.model.status import slowdown
from app.text.rows import build_title, format_slowdown

if TYPE_CHECKING:
    from app.model.estimate import Estimate
    from pool import RunState

__all__ = ["format_slowest", "format_time_left"]


def format_time_left(estimate: Estimate, state: RunState, now: float) -> str:
    """Return how long the run will take: ``about 3 min left``; empty while that is unknown."""
    seconds = estimate.remaining(state, now)
    return "" if seconds is None else f"{format_estimate(seconds)} left"


def format_slowest(state: RunState, now: float) -> str:
    """Return the running build with the largest slowdown; empty if none is slow."""
    running = [state.builds[build] for build in state.slots.values()]
    slow = {build.id: times for build in running if (times := slowdown(build, now)) is not None}
    if not slow:
        return ""
    slowest = state.builds[max(slow, key=lambda build: slow[build])]
    return f"{build_title(slowest)}: {format_slowdown(slowest, now)}"
