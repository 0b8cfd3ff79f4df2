"""How long a run will still take, estimated from recorded durations.

Pure. The estimate is the larger of two bounds: the remaining work shared by all slots, and the
longest chain of builds that wait for one another. There is no estimate while no duration is known:
a wrong figure is worse than none. `app.text.meters.progress` rounds it and makes the sentence.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from contextlib import suppress
from graphlib import CycleError, TopologicalSorter
from statistics import median
from typing import TYPE_CHECKING

from app.model.status import working_seconds
from pool import LimitName, Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pool

__all__ = ["Estimate"]

_OVERDUE = 0.1
"""The remaining time of a build beyond its usual time, as a part of the time that it has taken."""


class Estimate:
    """The remaining work of a run, updated as builds change: builds that wait cost nothing."""

    def __init__(self) -> None:
        self._durations: list[float] = []
        """Seconds of all builds whose duration is known, sorted."""
        self._unstarted: list[float] = []
        """Expected seconds of builds that have not started, sorted."""
        self._unknown: set[pool.BuildId] = set()
        """Builds that have not started and have no expected duration."""
        self._started: set[pool.BuildId] = set()
        self._counted: dict[pool.BuildId, tuple[float | None, float | None]] = {}
        """For each build its entries in the two lists."""

    @classmethod
    def of(cls, state: pool.RunState) -> Estimate:
        """Return the estimate of a state."""
        estimate = cls()
        estimate.update(state, state.builds)
        return estimate

    def update(self, state: pool.RunState, changed: Iterable[pool.BuildId]) -> None:
        """Count builds that have changed anew."""
        for name in changed:
            build = state.builds[name]
            started = build.status is not Status.DONE and _has_started(build)
            self._started.add(name) if started else self._started.discard(name)
            waits = build.status is not Status.DONE and not started
            unknown = waits and build.expected is None and build.purpose != "metadata"
            self._unknown.add(name) if unknown else self._unknown.discard(name)
            now = _duration(build), build.expected if waits else None
            if now != (old := self._counted.get(name, (None, None))):
                _replace(self._durations, old[0], now[0])
                _replace(self._unstarted, old[1], now[1])
                self._counted[name] = now

    def remaining(self, state: pool.RunState, now: float) -> float | None:
        """Return the seconds until all builds are done; None while no duration is known."""
        limit = state.limits.get(LimitName.BUILDS)
        resolving = state.resolve is not None and state.resolve.finished_at is None
        if limit is None or not limit.cap or resolving or state.finished or state.stopping:
            return None
        idle = not (self._unstarted or self._unknown or self._started)
        if idle or not self._durations:
            return None
        # A build without a recorded duration counts like the median build.
        usual = median(self._durations)
        started = {name: _left(state.builds[name], usual, now) for name in self._started}
        waiting = sum(self._unstarted) + usual * len(self._unknown)
        longest = max(self._unstarted[-1:] + [usual] * bool(self._unknown), default=0.0)
        shared = (waiting + sum(started.values())) / limit.cap
        return max(shared, longest, _longest_chain(started, state))


def _has_started(build: pool.BuildState) -> bool:
    return bool(build.phases or build.waiting_builds) or build.phase is not None


def _duration(build: pool.BuildState) -> float | None:
    """Return the duration of a build, from earlier runs or from this one; None if unknown."""
    if build.expected is None and build.outcome is Outcome.BUILT:
        return build.seconds
    return build.expected


def _replace(values: list[float], old: float | None, new: float | None) -> None:
    """Replace a value of a sorted list."""
    if old is not None:
        del values[bisect_left(values, old)]
    if new is not None:
        insort(values, new)


def _left(build: pool.BuildState, usual: float, now: float) -> float:
    """Return the remaining seconds of work of a build that has started."""
    if build.purpose == "metadata" and build.expected is None:
        # Most backends read a file or two for it, and its duration is not recorded.
        return 0.0
    worked = working_seconds(build, now)
    expected = usual if build.expected is None else build.expected
    return expected - worked if worked < expected else worked * _OVERDUE


def _unstarted_seconds(build: pool.BuildState) -> float:
    return 0.0 if build.status is Status.DONE else build.expected or 0.0


def _longest_chain(seconds: Mapping[pool.BuildId, float], state: pool.RunState) -> float:
    """Return the seconds of the longest chain of builds of which each waits for the next.

    Args:
        seconds: the remaining seconds of builds that have started.
        state: the run.
    """
    nested = {
        name: [one for one in state.builds[name].waiting_builds if one in state.builds]
        for name in seconds
    }
    ends: dict[pool.BuildId, float] = {}
    with suppress(CycleError):  # No run has a cycle, but a journal may contain anything.
        for name in TopologicalSorter(nested).static_order():
            own = seconds.get(name, _unstarted_seconds(state.builds[name]))
            ends[name] = own + max((ends[one] for one in nested.get(name, ())), default=0.0)
    return max(ends.values(), default=0.0)
