"""How long a run will still take, as far as recorded durations tell.

Pure, as `app.view` is. Two bounds, of which the later one counts: all the work that is left shared
by all slots, and the longest chain of builds that wait for one another. Deliberately vague in
words, and silent while nothing is known: a wrong figure is worse than none.
"""

from __future__ import annotations

from math import ceil
from statistics import median
from typing import TYPE_CHECKING

from app.view import slowness, title, worked
from pool import LimitName, Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pool

__all__ = ["about", "longest", "remaining", "time_left"]

_OVERDUE = 0.1
"""What is left of a build that takes longer than it ever did, as a part of what it has taken."""
_MINUTE, _HOUR = 60, 3600


def about(seconds: float) -> str:
    """Return a length of time as one would guess it: ``about 3 min``."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 55:
        return f"about {ceil(seconds / 10) * 10} s"
    if seconds < 10 * _MINUTE:
        return f"about {max(1, round(seconds / _MINUTE))} min"
    if seconds < 55 * _MINUTE:
        return f"about {ceil(seconds / _MINUTE / 5) * 5} min"
    hours = round(2 * seconds / _HOUR) / 2
    return f"about {hours:g} h"


def time_left(state: pool.State, now: float) -> str:
    """Say how long the run will still take: ``about 3 min left``; empty while that is unknown."""
    seconds = remaining(state, now)
    return "" if seconds is None else f"{about(seconds)} left"


def remaining(state: pool.State, now: float) -> float | None:
    """Return the seconds that builds will still take; None while nothing is known of them."""
    limit = state.limits.get(LimitName.BUILDS)
    resolving = state.resolve is not None and state.resolve.done_at is None
    if limit is None or not limit.cap or resolving or state.finished or state.stopping:
        return None
    left = [build for build in state.builds.values() if build.status is not Status.DONE]
    usual = _usual(state)
    if not left or usual is None:
        return None
    needs = {build.id: _left(build, usual, now) for build in left}
    known: dict[pool.BuildId, float] = {}
    chain = max(_chain(build, needs, state, known) for build in left)
    return max(sum(needs.values()) / limit.cap, chain)


def longest(state: pool.State, now: float) -> str:
    """Name the build that goes furthest beyond its usual time; empty where none does."""
    running = [state.builds[build] for build in state.slots.values()]
    slow = [build for build in running if slowness(build, now)]
    if not slow:
        return ""
    worst = max(slow, key=lambda build: worked(build, now) / (build.expected or 1.0))
    return f"{title(worst)}: {slowness(worst, now)}"


def _usual(state: pool.State) -> float | None:
    """Return what is expected of wheels that nothing is known about; None if of none is."""
    known = [
        build.expected if build.expected is not None else build.seconds
        for build in state.builds.values()
        if build.expected is not None or build.outcome is Outcome.BUILT
    ]
    return median(known) if known else None


def _left(build: pool.BuildState, usual: float, now: float) -> float:
    """Return the seconds of work a build is still expected to be."""
    if build.purpose == "metadata" and build.expected is None:
        # Most backends read a file or two for it; nobody keeps how long that took.
        return 0.0
    so_far = worked(build, now)
    expected = usual if build.expected is None else build.expected
    return expected - so_far if so_far < expected else so_far * _OVERDUE


def _chain(
    build: pool.BuildState,
    needs: Mapping[pool.BuildId, float],
    state: pool.State,
    known: dict[pool.BuildId, float],
) -> float:
    """Return the seconds until a build is done if nobody but those it waits for delays it."""
    if build.id not in known:
        # Whoever comes here again before it is known closes a circle, which no run has.
        known[build.id] = 0.0
        nested = (state.builds[one] for one in build.waiting_builds if one in needs)
        longest_first = max((_chain(one, needs, state, known) for one in nested), default=0.0)
        known[build.id] = needs[build.id] + longest_first
    return known[build.id]
