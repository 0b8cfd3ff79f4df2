"""The history of a run: spans of each build and slot, series of memory and limits, landmarks.

`pool.RunState` is a run at one moment; a `Timeline` records what changed between these moments. The
timeline screen, graphs, traces and reports are drawn from it. It holds facts; `app.text.spans` has
the words. Pure: no clock, no I/O; all times are seconds since the start of the run, as in events.

    state, timeline = pool.RunState(), Timeline()
    for event in events:
        pool.apply(state, event)
        timeline.record(event, state)

Spans are kept in full, about ten for each build; series are bounded (`app.model.series`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec.structs import replace

import pool
from app.model.series import Series
from pool import LimitName, MutableRecord, Outcome, Phase, Record, Status, WaitFor, events

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.model.series import Measure

__all__ = [
    "Landmark",
    "Span",
    "SpanKind",
    "Timeline",
    "spans_between",
]

SpanKind: TypeAlias = Phase | WaitFor | Literal["work", "resolve", "stage", "install"]
"""The activity of a span: a phase; a wait; ``work``, in a slot between two phases; ``resolve``,
``stage`` and ``install``, which belong to the run and to no build."""


class Cause(Record, frozen=True, kw_only=True):
    """The lock, build or file that a span waits for or works on, as in events."""

    waiting_for: WaitFor | None = None
    subject: str = ""
    """The name of the lock, file, build, environment or requirements; may be empty."""
    holder: pool.Holder | None = None
    """The process that holds the lock."""
    needs: int = 0
    """Bytes of memory that the build needs; 0 unless it waits for memory."""
    free: int = 0
    """Bytes of the memory budget that were free when the build started to wait."""
    builds: tuple[pool.BuildId, ...] = ()
    """The builds that it waits for, or has waited for since the span began."""


_NO_CAUSE = Cause()


class Span(MutableRecord, kw_only=True):
    """A length of time in which a build did one thing; only `Timeline` changes it."""

    build: pool.BuildId | None
    """None for spans of the run itself."""
    kind: SpanKind
    since: float
    until: float | None = None
    """None while it is open; it stays None if the journal ends before the run does."""
    slot: int | None = None
    """The slot that the build holds; waits and downloads (``fetch``) hold none."""
    cause: Cause = _NO_CAUSE

    def end(self, now: float) -> float:
        """Return the time at which it ended, or ``now`` while it is open."""
        return self.until if self.until is not None else max(now, self.since)

    def copy(self) -> Span:
        """Return a copy; by hand, as `copy.copy` takes five times as long and copies are many."""
        return Span(
            build=self.build,
            kind=self.kind,
            since=self.since,
            until=self.until,
            slot=self.slot,
            cause=self.cause,
        )


class Landmark(Record, frozen=True, kw_only=True):
    """A failure or a changed limit: a moment to jump to."""

    t: float
    kind: Literal["failure", "cap"]
    build: pool.BuildId | None = None
    """The build that failed; None if the run failed."""
    message: str = ""
    """The reason of the failure."""
    change: events.LimitChanged | None = None
    """The change of the limit."""


class Timeline:
    """The history of one run so far.

    Attributes:
        builds: the spans of each build, in order; the last span of an unfinished build is open,
            all others are closed.
        slots: the spans of the builds that held each slot, by its number, in order.
        run_spans: the spans of the run itself: version resolution, waiting for the environment's
            lock, staging, installation; by start.
        series: values over time.
        landmarks: failures and changed limits, in order.
    """

    def __init__(self) -> None:
        self.builds: dict[pool.BuildId, list[Span]] = {}
        self.slots: dict[int, list[Span]] = {}
        self.run_spans: list[Span] = []
        self.series: dict[Measure, Series] = defaultdict(Series)
        self.series["available"] = Series(extreme=min)
        self.landmarks: list[Landmark] = []

    @classmethod
    def of(cls, journal: Iterable[events.Event]) -> Timeline:
        """Return the timeline of all events of a run."""
        state, timeline = pool.RunState(), cls()
        for event in journal:
            pool.apply(state, event)
            timeline.record(event, state)
        return timeline

    def record(self, event: events.Event, state: pool.RunState) -> None:
        """Record an event that was just applied to the state.

        It takes some microseconds: an event concerns one build, and sums are over the builds that
        hold a slot.
        """
        match event:
            case events.BuildPhase() | events.BuildQueued():
                self._update_span(state.builds[event.build], state)
            case events.BuildStarted() | events.BuildWaiting() | events.BuildFinished():
                self._update_span(state.builds[event.build], state)
                self._record_slots(state)
                self._record_failure(event, state)
            case events.Sample():
                self._record_sample(event)
            case events.DownloadStarted() | events.DownloadFinished():
                self.series["downloads"].append(event.t, len(state.downloads))
            case events.RunStarted() | events.LimitChanged():
                self._record_limits(event, state)
            case events.LockWaiting(build=build) if build is not None:
                self._update_span(state.builds[build], state)
            case (
                events.LockWaiting(build=None)
                | events.LockAcquired(build=None)
                | events.LockReleased(build=None)
                | events.EnvironmentStaging()
                | events.EnvironmentChanged()
                | events.ResolveStarted()
                | events.ResolveFinished()
            ):
                self._update_run_spans(state)
            case events.ResolveFailed() | events.EnvironmentFailed():
                self._update_run_spans(state)
                self.landmarks.append(Landmark(t=event.t, kind="failure", message=event.message))
            case _:
                return

    def copy(self) -> Timeline:
        """Return a copy to go on with; spans and lists that no longer change are shared."""
        copies: dict[int, Span] = {}

        def copy_open(spans: list[Span]) -> list[Span]:
            if not spans or spans[-1].until is not None:
                return spans
            last = spans[-1]
            if id(last) not in copies:
                copies[id(last)] = last.copy()
            return [*spans[:-1], copies[id(last)]]

        twin = Timeline()
        # A build whose last span has ended gets no more spans; a slot does.
        twin.builds = {build: copy_open(spans) for build, spans in self.builds.items()}
        twin.slots = {slot: list(copy_open(spans)) for slot, spans in self.slots.items()}
        twin.run_spans = [span.copy() for span in self.run_spans]
        for measure, series in self.series.items():
            twin.series[measure] = series.copy()
        twin.landmarks = list(self.landmarks)
        return twin

    # Spans

    def _update_span(self, build: pool.BuildState, state: pool.RunState) -> None:
        """Close a build's open span and open the next, if the build does something else now."""
        spans = self.builds.setdefault(build.id, [])
        last = spans[-1] if spans else None
        kind = _kind(build, state)
        if last is not None and last.until is None:
            if last.kind == kind and last.slot == build.slot:
                last.cause = _merge_causes(last.cause, _cause(build))
                return
            self._close(last, spans, state.now)
        if kind is None:
            return
        span = Span(
            build=build.id,
            kind=kind,
            since=state.now,
            slot=build.slot,
            cause=_cause(build) or _NO_CAUSE,
        )
        spans.append(span)
        if span.slot is not None:
            self.slots.setdefault(span.slot, []).append(span)

    def _close(self, span: Span, spans: list[Span], t: float) -> None:
        """Close an open span; a span that took no time is removed."""
        span.until = t
        if span.until <= span.since:
            spans.pop()
            if span.slot is not None:
                self.slots[span.slot].pop()

    def _update_run_spans(self, state: pool.RunState) -> None:
        """Open and close the spans of the run itself."""
        open_now = _open_spans_of_run(state)
        for span in self.run_spans:
            if span.until is None and span.kind not in open_now:
                span.until = state.now
        recorded = {span.kind for span in self.run_spans if span.until is None}
        for kind, cause in open_now.items():
            if kind not in recorded:
                self.run_spans.append(Span(build=None, kind=kind, since=state.now, cause=cause))

    # Series and landmarks

    def _record_slots(self, state: pool.RunState) -> None:
        running = [state.builds[build] for build in state.slots.values()]
        self.series["running"].append(state.now, len(running))
        self.series["reserved"].append(state.now, sum(build.reserved for build in running))
        if not running:
            # There is no sample before the next build starts.
            self.series["used"].append(state.now, 0)
            self.series["tokens"].append(state.now, 0)
            self.series["working"].append(state.now, 0)

    def _record_sample(self, event: events.Sample) -> None:
        self.series["used"].append(event.t, sum(build.rss for build in event.builds))
        self.series["tokens"].append(event.t, sum(build.tokens for build in event.builds))
        working = sum(1 + build.tokens for build in event.builds if build.processes)
        self.series["working"].append(event.t, working)
        self.series["available"].append(event.t, event.machine.available)
        if event.machine.stall is not None:
            self.series["stall"].append(event.t, round(event.machine.stall))

    def _record_limits(
        self, event: events.RunStarted | events.LimitChanged, state: pool.RunState
    ) -> None:
        measures: dict[LimitName, Measure] = {
            LimitName.BUILDS: "cap",
            LimitName.JOBS: "jobs",
            LimitName.MEMORY: "budget",
        }
        for name, measure in measures.items():
            if (limit := state.limits.get(name)) is not None:
                self.series[measure].append(event.t, limit.cap)
        if not isinstance(event, events.LimitChanged):
            return
        self.landmarks.append(Landmark(t=event.t, kind="cap", change=event))
        if event.limit is LimitName.BUILDS and not (event.old and event.new):
            for build in state.builds.values():
                if build.status is Status.QUEUED:
                    self._update_span(build, state)

    def _record_failure(self, event: events.Event, state: pool.RunState) -> None:
        if isinstance(event, events.BuildFinished) and event.outcome is Outcome.FAILED:
            self.landmarks.append(
                Landmark(t=event.t, kind="failure", build=event.build, message=event.message)
            )


def spans_between(spans: Sequence[Span], since: float, until: float) -> Sequence[Span]:
    """Return the spans that overlap a length of time, as one slice.

    Args:
        spans: the spans of one build, or of one slot.
        since: the start, included.
        until: the end, excluded.
    """
    first = max(0, bisect_right(spans, since, key=attrgetter("since")) - 1)
    if first < len(spans) and (end := spans[first].until) is not None and end <= since:
        first += 1
    return spans[first : bisect_left(spans, until, lo=first, key=attrgetter("since"))]


def _kind(build: pool.BuildState, state: pool.RunState) -> SpanKind | None:
    """Return the kind of a build's open span; None if the build has ended."""
    if build.status is Status.DONE:
        return None
    if build.phase is not None:
        return build.phase
    if build.slot is not None:
        return "work"
    if build.status is Status.WAITING and build.waiting_for is not None:
        return build.waiting_for
    limit = state.limits.get(LimitName.BUILDS)
    return WaitFor.PAUSED if limit is not None and limit.cap == 0 else WaitFor.SLOT


def _cause(build: pool.BuildState) -> Cause | None:
    """Return what a build waits for; None if events name nothing."""
    match build.waiting_for:
        case WaitFor.LOCK:
            return Cause(waiting_for=WaitFor.LOCK, subject=build.waiting_on, holder=build.holder)
        case WaitFor.MEMORY if build.needs:
            return Cause(
                waiting_for=WaitFor.MEMORY,
                subject=build.waiting_on,
                needs=build.needs,
                free=build.free,
            )
        case waiting_for:
            subject, builds = build.waiting_on, build.waiting_builds
            cause = Cause(waiting_for=waiting_for, subject=subject, builds=builds)
            return cause if subject or builds else None


def _merge_causes(before: Cause, now: Cause | None) -> Cause:
    """Return the newest cause of a span, with all builds that it has waited for."""
    if now is None or not before.builds:
        return now or before
    return replace(now, builds=tuple(dict.fromkeys((*before.builds, *now.builds))))


def _open_spans_of_run(state: pool.RunState) -> dict[SpanKind, Cause]:
    """Return the kinds of the spans that are open in the run itself, and their causes."""
    open_now: dict[SpanKind, Cause] = {}
    if state.resolve is not None and state.resolve.finished_at is None:
        open_now["resolve"] = Cause(subject=", ".join(state.resolve.requirements))
    if (environment := state.environment) is not None:
        if environment.waiting_since is not None:
            open_now[WaitFor.LOCK] = Cause(
                waiting_for=WaitFor.LOCK, subject=environment.path, holder=environment.holder
            )
        if environment.staging:
            open_now["stage"] = Cause(subject=environment.path)
        if environment.locked:
            open_now["install"] = Cause(subject=environment.path)
    return open_now
