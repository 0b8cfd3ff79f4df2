"""The timeline, from single events and from recordings of real runs."""

from __future__ import annotations

import msgspec
import pytest

import pool
from app.model.series import Series
from app.model.timeline import Landmark, Span, Timeline, spans_between
from app.text.spans import landmark_text, span_detail
from pool import BuildId, Holder, LimitName, Outcome, Phase, WaitFor, events
from tests.support.paths import RECORDINGS

A, B = BuildId("b1"), BuildId("b2")


def at(*happened: tuple[float, events.KnownEvent]) -> Timeline:
    """Make the timeline of events at their times, after the beginning of a run of two builds."""
    limits = {LimitName.BUILDS: 1, LimitName.JOBS: 4, LimitName.MEMORY: 1 << 30}
    queued = [events.BuildQueued(build=one, name=one, target=one, log=one) for one in (A, B)]
    started = events.RunStarted(limits=limits, targets=2, out_dir="", logs="", environment="/env")
    whole: list[tuple[float, events.KnownEvent]] = [(0.0, started)]
    whole += [(0.0, one) for one in queued]
    return Timeline.of([msgspec.structs.replace(e, t=t) for t, e in [*whole, *happened]])


def span_fields(spans: list[Span]) -> list[tuple[str, float, float | None, int | None]]:
    return [(span.kind, span.since, span.until, span.slot) for span in spans]


def recorded(name: str) -> tuple[list[events.Event], pool.RunState]:
    with pool.JournalReader(RECORDINGS / name) as reader:
        happened = list(reader.read())
    state = pool.RunState()
    pool.apply_all(state, happened)
    return happened, state


def test_a_build_waits_holds_a_slot_and_goes_through_its_phases() -> None:
    timeline = at(
        (1.0, events.BuildStarted(build=A, slot=1)),
        (1.5, events.BuildPhase(build=A, phase=Phase.ENVIRONMENT)),
        (2.0, events.BuildWaiting(build=A, for_=WaitFor.LOCK, on="./a", holder=Holder(pid=7))),
        (3.0, events.BuildStarted(build=A, slot=1)),
        (3.0, events.BuildPhase(build=A, phase=Phase.BUILD)),
        (5.0, events.BuildFinished(build=A, outcome=Outcome.BUILT)),
        (5.0, events.BuildStarted(build=B, slot=1)),
    )
    assert span_fields(timeline.builds[A]) == [
        (WaitFor.SLOT, 0.0, 1.0, None),
        ("work", 1.0, 1.5, 1),
        (Phase.ENVIRONMENT, 1.5, 2.0, 1),
        (WaitFor.LOCK, 2.0, 3.0, None),
        (Phase.BUILD, 3.0, 5.0, 1),
    ]
    assert span_detail(timeline.builds[A][3]) == "./a, held by pid 7"
    assert [span.build for span in timeline.slots[1]] == [A, A, A, B]
    assert span_fields(timeline.builds[B]) == [
        (WaitFor.SLOT, 0.0, 5.0, None),
        ("work", 5.0, None, 1),
    ]


def test_holder_of_a_lock_may_become_known_later() -> None:
    timeline = at(
        (1.0, events.BuildWaiting(build=A, for_=WaitFor.LOCK, on="./a")),
        (2.0, events.LockWaiting(build=A, lock="./a", holder=Holder(pid=7, command="make"))),
    )
    assert span_fields(timeline.builds[A])[-1] == (WaitFor.LOCK, 1.0, None, None)
    assert span_detail(timeline.builds[A][-1]) == "./a, held by make (pid 7)"


def test_queued_build_is_paused_during_a_pause() -> None:
    limit = LimitName.BUILDS
    timeline = at(
        (1.0, events.LimitChanged(limit=limit, old=1, new=0, why="pause")),
        (3.0, events.LimitChanged(limit=limit, old=0, new=1, why="resume")),
        (3.0, events.LimitChanged(limit=LimitName.MEMORY, old=1 << 30, new=0, why="user")),
    )
    assert span_fields(timeline.builds[A]) == [
        (WaitFor.SLOT, 0.0, 1.0, None),
        (WaitFor.PAUSED, 1.0, 3.0, None),
        (WaitFor.SLOT, 3.0, None, None),
    ]
    assert [landmark_text(mark, {}) for mark in timeline.landmarks] == [
        "builds 1 to paused (pause)",
        "builds paused to 1 (resume)",
        "memory 1.0 GiB to off (user)",
    ]
    assert [timeline.series["cap"].value_at(t) for t in (0.5, 1.0, 2.9, 3.0)] == [1, 0, 0, 1]


def test_memory_tokens_and_downloads_are_followed() -> None:
    machine = pool.events.MachineMemory(total=100, available=40)
    sample = pool.events.BuildSample(build=A, processes=(), rss=30, peak=30, tokens=2)
    timeline = at(
        (1.0, events.BuildStarted(build=A, slot=1, reserved=50)),
        (1.5, events.DownloadStarted(file="f")),
        (2.0, events.Sample(builds=(sample,), machine=machine)),
        (3.0, events.BuildFinished(build=A, outcome=Outcome.BUILT)),
        (3.5, events.DownloadFinished(file="f", bytes=9)),
    )
    series = timeline.series
    assert [series["used"].value_at(t) for t in (2.5, 3.0)] == [30, 0]
    assert [series["reserved"].value_at(t) for t in (1.0, 3.0)] == [50, 0]
    assert [series["tokens"].value_at(t) for t in (2.5, 3.0)] == [2, 0]
    assert [series["running"].value_at(t) for t in (0.0, 1.0, 3.0)] == [None, 1, 0]
    assert [series["downloads"].value_at(t) for t in (1.6, 3.5)] == [1, 0]
    assert (series["available"].value_at(2.0), series["jobs"].value_at(2.0)) == (40, 4)
    assert series["budget"].value_at(0.0) == 1 << 30


def test_run_itself_has_spans() -> None:
    timeline = at(
        (0.5, events.ResolveStarted(requirements=("a", "b"))),
        (2.0, events.ResolveFinished(picked=())),
        (3.0, events.LockWaiting(lock="/env/.lock", holder=Holder(pid=7))),
        (4.0, events.LockAcquired(lock="/env/.lock")),
        (5.0, events.LockReleased(lock="/env/.lock")),
        (6.0, events.EnvironmentFailed(environment="/env", reference="x", message="full")),
    )
    assert span_fields(timeline.run_spans) == [
        ("resolve", 0.5, 2.0, None),
        (WaitFor.LOCK, 3.0, 4.0, None),
        ("install", 4.0, 5.0, None),
    ]
    assert span_detail(timeline.run_spans[0]) == "a, b"
    assert timeline.landmarks == [Landmark(t=6.0, kind="failure", message="full")]


def test_a_long_series_keeps_its_extremes() -> None:
    most, least = Series(), Series(extreme=min)
    for t in range(100_000):
        value = 900 if t == 4711 else 1 if t == 815 else 10 + t % 7
        most.append(t, value)
        least.append(t, value)
    assert len(most.times) == len(most.values) <= 8192
    assert most.peak == 900
    assert min(least.values) == 1
    assert most.highest(4000, 6000) == 900
    assert most.value_at(99_999) == 10 + 99_999 % 7


def test_a_slice_leaves_out_spans_that_ended_before() -> None:
    spans = [
        Span(build=A, kind=Phase.BUILD, since=0.0, until=2.0),
        Span(build=A, kind=Phase.CHECK, since=3.0, until=None),
    ]
    assert list(spans_between(spans, 2.0, 3.0)) == []
    assert list(spans_between(spans, 1.9, 3.1)) == spans
    assert list(spans_between(spans, 50.0, 60.0)) == spans[1:]


@pytest.mark.parametrize("name", ["day.jsonl", "install.jsonl"])
def test_a_real_run_adds_up(name: str) -> None:
    happened, state = recorded(name)
    timeline = Timeline.of(happened)
    for build in state.builds.values():
        held = [span for span in timeline.builds[build.id] if span.slot is not None]
        seconds = sum(span.end(state.now) - span.since for span in held)
        # The journal's own moment of starting is told a little after the slot was taken.
        assert seconds == pytest.approx(build.seconds, abs=0.05)
    looks = [event for event in happened if isinstance(event, events.Sample)]
    peak = max(sum(build.rss for build in look.builds) for look in looks)
    assert timeline.series["used"].peak == peak
    assert timeline.series["running"].peak <= timeline.series["cap"].peak
