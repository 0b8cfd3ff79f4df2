"""The timings of a run: how long it was busy with what, each build, and the critical path.

Pure: `measure` reads the state and the timeline of a run, at its end or at any earlier moment.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from app.model.status import end_of_work
from app.model.timeline import Timeline
from app.model.timings.activity import ACTIVITIES, Activity, Interval, attribute, flatten
from app.model.timings.critical_path import CriticalPathFinder, Piece
from app.model.timings.transfers import Transfers
from pool import Record, WaitFor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pool
    from app.model.timeline import Cause, Span
    from app.model.timings.critical_path import Segment, Subject
    from pool import events

__all__ = ["BuildTimings", "PathStep", "Timings", "TimingsRecorder", "measure"]

_LONGEST_STARTUP = 3600.0
"""Seconds; a longer start is no fact but a damaged journal."""
_OF_NO_BUILD = (Activity.START, Activity.FINISH, Activity.OTHER)


class BuildTimings(Record, frozen=True, kw_only=True):
    """The time of one build, from its announcement to its outcome."""

    id: pool.BuildId
    name: str
    """With the version, if it is known."""
    purpose: str
    outcome: str
    """Empty if it has none."""
    since: float
    until: float
    activities: Mapping[Activity, float]
    """Seconds; they add up to the whole time."""

    @property
    def working(self) -> float:
        """Seconds without waits."""
        return sum(seconds for one, seconds in self.activities.items() if not one.is_wait)


class PathStep(Record, frozen=True, kw_only=True):
    """A part of the critical path."""

    build: Subject
    """None for the run itself."""
    since: float
    until: float
    activities: Mapping[Activity, float]
    """Seconds; they add up to the whole time."""
    cause: Cause | None = None
    """The reason of the longest wait in it; None if there was no wait, or if it is unknown."""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.until - self.since


class Timings(Record, frozen=True, kw_only=True):
    """The timings of a run; times are seconds since its start, before which its process started."""

    since: float
    """The start of the process; 0 if it is unknown."""
    until: float
    """The end of the work; for an unfinished run, the end of its journal."""
    wall: Mapping[Activity, float]
    """Seconds of the run for each activity. Each moment counts once, for the activity that comes
    first (`Activity`), so they add up to the whole run."""
    busy: Mapping[Activity, float]
    """Seconds of each activity, summed over all builds and the run itself."""
    builds: Sequence[BuildTimings]
    """In the order of announcement."""
    path: Sequence[PathStep]
    """The critical path, in order and without gaps."""

    @property
    def seconds(self) -> float:
        """The length of the run."""
        return self.until - self.since


class TimingsRecorder:
    """Records a run for its timings, event by event."""

    def __init__(self) -> None:
        self._timeline = Timeline()
        self._transfers = Transfers()

    def record(self, event: events.Event, state: pool.RunState) -> None:
        """Record an event that was just applied to the state."""
        self._timeline.record(event, state)
        self._transfers.record(event)

    def measure(self, state: pool.RunState) -> Timings:
        """Return the timings of the run so far."""
        return measure(state, self._timeline, self._transfers)


def measure(state: pool.RunState, timeline: Timeline, transfers: Transfers) -> Timings:
    """Return the timings of a run.

    Args:
        state: the run.
        timeline: its history.
        transfers: its downloads, unpacked wheels and released locks.
    """
    since, until = _bounds(state)
    pieces: dict[Subject, list[Piece]] = {None: _pieces(timeline.run_spans, until)}
    pieces.update((build, _pieces(own, until)) for build, own in timeline.builds.items())
    loads = transfers.until(until)
    every = [
        *(_interval(piece) for own in pieces.values() for piece in own),
        *(load for own in loads.values() for load in own),
    ]
    ends = [
        Interval(since, min((one.since for one in every), default=until), Activity.START),
        Interval(max((one.until for one in every), default=until), until, Activity.FINISH),
    ]
    intervals = _intervals(pieces, loads, since, until)
    intervals[None] += ends
    finder = CriticalPathFinder(state.builds, pieces, transfers.releases, timeline)
    builds = [_build_timings(one, pieces, intervals) for one in state.builds.values()]
    of_run = attribute(intervals[None], since, until)
    return Timings(
        since=since,
        until=until,
        wall=attribute([*every, *ends], since, until),
        busy=_sum_activities([of_run, *(build.activities for build in builds)]),
        builds=builds,
        path=[_path_step(one, pieces, intervals) for one in finder.find(since, until)],
    )


def _bounds(state: pool.RunState) -> tuple[float, float]:
    """Return the start and the end of a run."""
    startup = state.startup if 0 < state.startup <= _LONGEST_STARTUP else 0.0
    # A run of an older version did not finish before its screen was closed.
    looked_at = state.finished and not state.startup
    return 0.0 - startup, end_of_work(state) if looked_at else state.now


def _pieces(spans: Sequence[Span], end: float) -> list[Piece]:
    """Return the spans of a build as far as they are within the run, in order."""
    cut = (
        Piece(span.since, min(span.end(end), end), span.kind, span.cause, span.slot)
        for span in spans
    )
    return sorted((piece for piece in cut if piece.since < piece.until), key=lambda one: one.since)


def _interval(piece: Piece) -> Interval:
    return Interval(piece.since, piece.until, ACTIVITIES[piece.kind])


def _intervals(
    pieces: Mapping[Subject, Sequence[Piece]],
    loads: Mapping[Subject, Sequence[Interval]],
    since: float,
    until: float,
) -> dict[Subject, list[Interval]]:
    """Return the intervals of each build, and of the run itself.

    Files are loaded once for all builds: while a build waits for its build requirements, those
    that another build loads count, too. Files that are loaded when the build has ended belong to
    the run.
    """
    shared = [*flatten((load for own in loads.values() for load in own), since, until)]
    starts = [load.since for load in shared]
    intervals: dict[Subject, list[Interval]] = {}
    of_run = [*loads.get(None, ())]
    for subject, own in pieces.items():
        intervals[subject] = [_interval(piece) for piece in own]
        for piece in own:
            if piece.kind is WaitFor.DOWNLOAD:
                intervals[subject] += _overlaps(shared, starts, piece)
        if subject is not None:
            end = own[-1].until if own else since
            late = (load for load in loads.get(subject, ()) if load.until > end)
            of_run += [load._replace(since=max(load.since, end)) for load in late]
    intervals[None] += of_run
    return intervals


def _overlaps(
    shared: Sequence[Interval], starts: Sequence[float], piece: Piece
) -> Iterator[Interval]:
    """Yield the parts of loads that are within a span of a build."""
    for load in shared[max(0, bisect_right(starts, piece.since) - 1) :]:
        if load.since >= piece.until:
            return
        if load.activity is not Activity.OTHER:
            since, until = max(load.since, piece.since), min(load.until, piece.until)
            yield Interval(since, until, load.activity)


def _build_timings(
    build: pool.BuildState,
    pieces: Mapping[Subject, Sequence[Piece]],
    intervals: Mapping[Subject, Sequence[Interval]],
) -> BuildTimings:
    own = pieces[build.id]
    since, until = (own[0].since, own[-1].until) if own else (build.queued_at, build.queued_at)
    return BuildTimings(
        id=build.id,
        name=build.label,
        purpose=build.purpose,
        outcome=build.outcome or "",
        since=since,
        until=until,
        activities=attribute(intervals[build.id], since, until),
    )


def _sum_activities(parts: Iterable[Mapping[Activity, float]]) -> dict[Activity, float]:
    sums = dict.fromkeys(Activity, 0.0)
    for part in parts:
        for activity, seconds in part.items():
            sums[activity] += seconds
    return {one: sums[one] for one in Activity if sums[one] and one not in _OF_NO_BUILD}


def _path_step(
    segment: Segment,
    pieces: Mapping[Subject, Sequence[Piece]],
    intervals: Mapping[Subject, Sequence[Interval]],
) -> PathStep:
    subject, since, until = segment
    waits = _waits(pieces[subject], since, until)
    return PathStep(
        build=subject,
        since=since,
        until=until,
        activities=attribute(intervals[subject], since, until),
        cause=max(waits, key=lambda wait: wait[0], default=(0.0, None))[1],
    )


def _waits(
    pieces: Sequence[Piece], since: float, until: float
) -> Iterator[tuple[float, Cause | None]]:
    """Yield the seconds and the causes of waits within a part of the run."""
    for piece in pieces:
        seconds = min(piece.until, until) - max(piece.since, since)
        if seconds > 0 and ACTIVITIES[piece.kind].is_wait and piece.cause.waiting_for is not None:
            yield seconds, piece.cause
