"""The activities of a run, and the intervals in which it is busy with each.

A span of the timeline says what one build does; an activity is what several kinds of spans have in
common. The order of `Activity` is that in which one hides another: while a hook runs, it does not
matter for the length of the run that another build waits.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from pool import Phase, WaitFor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from app.model.timeline import SpanKind

__all__ = ["ACTIVITIES", "Activity", "Interval", "attribute", "flatten"]


class Activity(StrEnum):
    """One thing that takes time; what comes first hides what comes later."""

    HOOKS = "hooks"
    CHECK = "check"
    """The wheel of a build is checked, stored in the cache and published."""
    ENVIRONMENT = "environment"
    INSTALL = "install"
    UNPACK = "unpack"
    DOWNLOAD = "download"
    RESOLVE = "resolve"
    """Versions are selected; index pages are read for that."""
    PREPARE = "prepare"
    """A build reads its source and the cache, between its other phases."""
    LOCK = "lock"
    MEMORY = "memory"
    JOB = "job"
    DEPENDENCY = "dependency"
    SLOT = "slot"
    PAUSED = "paused"
    START = "start"
    """From the start of the process to the first build or resolution."""
    FINISH = "finish"
    """After the last build: folders are removed, records are written."""
    OTHER = "other"

    @property
    def is_wait(self) -> bool:
        """Whether nothing is done meanwhile."""
        return self in _WAITS


_WAITS = frozenset(
    (
        Activity.LOCK,
        Activity.MEMORY,
        Activity.JOB,
        Activity.DEPENDENCY,
        Activity.SLOT,
        Activity.PAUSED,
    )
)
ACTIVITIES: Mapping[SpanKind, Activity] = {
    Phase.FETCH: Activity.DOWNLOAD,
    Phase.UNPACK: Activity.UNPACK,
    Phase.LOOKUP: Activity.PREPARE,
    Phase.ENVIRONMENT: Activity.ENVIRONMENT,
    Phase.AWAIT_JOB: Activity.JOB,
    Phase.GET_REQUIRES: Activity.HOOKS,
    Phase.METADATA: Activity.HOOKS,
    Phase.BUILD: Activity.HOOKS,
    Phase.CHECK: Activity.CHECK,
    WaitFor.SLOT: Activity.SLOT,
    WaitFor.LOCK: Activity.LOCK,
    WaitFor.MEMORY: Activity.MEMORY,
    WaitFor.DEPENDENCY: Activity.DEPENDENCY,
    # Files that are loaded and unpacked meanwhile have intervals of their own.
    WaitFor.DOWNLOAD: Activity.RESOLVE,
    WaitFor.PAUSED: Activity.PAUSED,
    "work": Activity.PREPARE,
    "resolve": Activity.RESOLVE,
    "stage": Activity.INSTALL,
    "install": Activity.INSTALL,
}
"""The activity of each kind of span."""
_RANKS = {activity: rank for rank, activity in enumerate(Activity)}
_BY_RANK = tuple(Activity)


class Interval(NamedTuple):
    """A length of time with one activity; seconds since the start of the run."""

    since: float
    until: float
    activity: Activity


def flatten(intervals: Iterable[Interval], since: float, until: float) -> Iterator[Interval]:
    """Yield the activity that comes first at each moment of a length of time, in order.

    Args:
        intervals: may overlap.
        since: the start.
        until: the end.

    Yields:
        Intervals without gaps; moments in no interval are `Activity.OTHER`.
    """
    for start, end, rank in _sweep(intervals, since, until):
        yield Interval(start, end, _BY_RANK[rank])


def attribute(intervals: Iterable[Interval], since: float, until: float) -> dict[Activity, float]:
    """Return the seconds of each activity that has any; they add up to the whole length of time.

    Each moment counts once, as in `flatten`.
    """
    sums = [0.0] * len(_BY_RANK)
    for start, end, rank in _sweep(intervals, since, until):
        sums[rank] += end - start
    return {_BY_RANK[rank]: seconds for rank, seconds in enumerate(sums) if seconds}


def _sweep(
    intervals: Iterable[Interval], since: float, until: float
) -> Iterator[tuple[float, float, int]]:
    """Yield the intervals of `flatten` with the ranks of activities."""
    edges = []
    for start, end, activity in intervals:
        first, last = max(start, since), min(end, until)
        if first < last:
            rank = _RANKS[activity]
            edges += [(first, 1, rank), (last, -1, rank)]
    edges.sort()
    counts = [0] * len(_BY_RANK)
    counts[-1] = 1
    open_ranks, t = 1 << len(counts) - 1, since
    for edge, change, rank in (*edges, (until, 0, 0)):
        if edge > t:
            # The lowest bit is the activity that comes first.
            yield t, edge, (open_ranks & -open_ranks).bit_length() - 1
            t = edge
        counts[rank] += change
        open_ranks = open_ranks | 1 << rank if counts[rank] else open_ranks & ~(1 << rank)
