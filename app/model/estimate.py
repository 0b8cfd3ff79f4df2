"""How long a run will still take, as far as recorded durations tell.

Pure, as `app.text.rows` is. Two bounds, of which the later one counts: all the work that is left shared
by all slots, and the longest chain of builds that wait for one another. Deliberately vague in
words, and silent while nothing is known: a wrong figure is worse than none.
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
"""What is left of a build that takes longer than it ever did, as a part of what it has taken."""


class Estimate:
    """What is left to do, kept while builds change: looking costs nothing for those that wait."""

    def __init__(self) -> None:
        self._known: list[float] = []
        """Seconds of builds of which that is known, sorted."""
        self._untouched: list[float] = []
        """Seconds expected of builds of which nothing is done yet, sorted."""
        self._unknown: set[pool.BuildId] = set()
        """Builds of which nothing is done yet, and nothing known."""
        self._begun: set[pool.BuildId] = set()
        self._counted: dict[pool.BuildId, tuple[float | None, float | None]] = {}
        """What of each build is in the two lists."""

    @classmethod
    def of(cls, state: pool.RunState) -> Estimate:
        """Return the estimate of a state."""
        estimate = cls()
        estimate.update(state, state.builds)
        return estimate

    def update(self, state: pool.RunState, changed: Iterable[pool.BuildId]) -> None:
        """Take in what builds have become."""
        for name in changed:
            build = state.builds[name]
            begun = build.status is not Status.DONE and _begun(build)
            self._begun.add(name) if begun else self._begun.discard(name)
            waits = build.status is not Status.DONE and not begun
            unknown = waits and build.expected is None and build.purpose != "metadata"
            self._unknown.add(name) if unknown else self._unknown.discard(name)
            now = _seconds(build), build.expected if waits else None
            if now != (old := self._counted.get(name, (None, None))):
                _swap(self._known, old[0], now[0])
                _swap(self._untouched, old[1], now[1])
                self._counted[name] = now

    def remaining(self, state: pool.RunState, now: float) -> float | None:
        """Return the seconds that builds will still take; None while nothing is known of them."""
        limit = state.limits.get(LimitName.BUILDS)
        resolving = state.resolve is not None and state.resolve.finished_at is None
        if limit is None or not limit.cap or resolving or state.finished or state.stopping:
            return None
        idle = not (self._untouched or self._unknown or self._begun)
        if idle or not self._known:
            return None
        # Who is not known is taken for one like the others.
        usual = median(self._known)
        begun = {name: _left(state.builds[name], usual, now) for name in self._begun}
        waiting = sum(self._untouched) + usual * len(self._unknown)
        chain = max(self._untouched[-1:] + [usual] * bool(self._unknown), default=0.0)
        return max((waiting + sum(begun.values())) / limit.cap, chain, _chain(begun, state))


def _begun(build: pool.BuildState) -> bool:
    return bool(build.phases or build.waiting_builds) or build.phase is not None


def _seconds(build: pool.BuildState) -> float | None:
    """Return how long a build is known to take, from earlier runs or from this one."""
    if build.expected is None and build.outcome is Outcome.BUILT:
        return build.seconds
    return build.expected


def _swap(values: list[float], old: float | None, new: float | None) -> None:
    if old is not None:
        del values[bisect_left(values, old)]
    if new is not None:
        insort(values, new)


def _left(build: pool.BuildState, usual: float, now: float) -> float:
    """Return the seconds of work a build is still expected to be."""
    if build.purpose == "metadata" and build.expected is None:
        # Most backends read a file or two for it; nobody keeps how long that took.
        return 0.0
    so_far = working_seconds(build, now)
    expected = usual if build.expected is None else build.expected
    return expected - so_far if so_far < expected else so_far * _OVERDUE


def _not_begun(build: pool.BuildState) -> float:
    return 0.0 if build.status is Status.DONE else build.expected or 0.0


def _chain(needs: Mapping[pool.BuildId, float], state: pool.RunState) -> float:
    """Return the seconds until all are done if nobody but those they wait for delays them."""
    nested = {
        name: [one for one in state.builds[name].waiting_builds if one in state.builds]
        for name in needs
    }
    done: dict[pool.BuildId, float] = {}
    with suppress(CycleError):  # No run has that; a journal may say anything.
        for name in TopologicalSorter(nested).static_order():
            own = needs.get(name, _not_begun(state.builds[name]))
            done[name] = own + max((done[one] for one in nested.get(name, ())), default=0.0)
    return max(done.values(), default=0.0)
