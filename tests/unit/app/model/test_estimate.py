"""The estimate of the time left: both bounds, and none while no duration is known."""

from __future__ import annotations

from itertools import pairwise

import pytest

import pool
from app.model.estimate import Estimate
from app.text.meters.progress import format_slowest, format_time_left
from app.text.rows import format_slowdown
from pool.common.model import BuildId, LimitName, Outcome, Phase, WaitFor
from pool.events import types as v

A, B, C = (BuildId(f"b{n}") for n in (1, 2, 3))


def run(*events: v.KnownEvent, expected: tuple[float | None, ...], cap: int = 2) -> pool.RunState:
    state = pool.RunState()
    limits = {LimitName.BUILDS: cap}
    pool.apply(state, v.RunStarted(limits=limits, targets=3, out_dir="o", logs="l"))
    for build, seconds in zip((A, B, C), expected, strict=False):
        pool.apply(
            state, v.BuildQueued(build=build, name=build, target="x", log="x", expected=seconds)
        )
    pool.apply_all(state, events)
    return state


def begun(build: BuildId, slot: int) -> tuple[v.KnownEvent, v.KnownEvent]:
    return v.BuildStarted(build=build, slot=slot), v.BuildPhase(build=build, phase=Phase.BUILD)


def test_work_is_shared_by_slots_but_a_build_is_not() -> None:
    even = run(expected=(60.0, 60.0, 60.0))
    assert format_time_left(Estimate.of(even), even, 0.0) == "about 2 min left"
    long = run(expected=(600.0, 10.0, 10.0))
    assert Estimate.of(long).remaining(long, 0.0) == 600.0


def test_unknown_build_counts_like_the_median_and_no_known_duration_is_no_estimate() -> None:
    some = run(expected=(60.0, None, None), cap=1)
    assert Estimate.of(some).remaining(some, 0.0) == 180.0
    none = run(expected=(None, None, None))
    assert format_time_left(Estimate.of(none), none, 0.0) == ""
    built = v.BuildFinished(build=A, outcome=Outcome.BUILT, seconds=30.0)
    learnt = run(built, expected=(None, None, None), cap=1)
    assert Estimate.of(learnt).remaining(learnt, 0.0) == 60.0


def test_work_done_counts_and_overdue_build_is_not_nearly_done() -> None:
    state = run(*begun(A, 1), expected=(60.0,))
    estimate = Estimate.of(state)
    assert estimate.remaining(state, 40.0) == 20.0
    assert estimate.remaining(state, 600.0) == pytest.approx(60.0)


def test_a_chain_of_builds_takes_as_long_as_all_of_it() -> None:
    waits = v.BuildWaiting(build=A, for_=WaitFor.DEPENDENCY, builds=(B,))
    state = run(*begun(A, 1), waits, *begun(B, 1), expected=(50.0, 40.0), cap=8)
    assert Estimate.of(state).remaining(state, 0.0) == 90.0


def test_a_chain_of_any_length_and_a_circle_are_no_trouble() -> None:
    """No run has them; a journal may say anything."""
    many = [BuildId(f"b{n}") for n in range(3000)]
    state = run(expected=(), cap=8)
    for build in many:
        queued = v.BuildQueued(build=build, name=build, target="x", log="x", expected=1.0)
        pool.apply(state, queued)
    for build, after in pairwise(many):
        waits = v.BuildWaiting(build=build, for_=WaitFor.DEPENDENCY, builds=(after,))
        pool.apply_all(state, (*begun(build, 1), waits))
    assert Estimate.of(state).remaining(state, 0.0) == pytest.approx(3000.0)
    waits = v.BuildWaiting(build=many[-1], for_=WaitFor.DEPENDENCY, builds=(many[0],))
    pool.apply_all(state, (*begun(many[-1], 1), waits))
    assert Estimate.of(state).remaining(state, 0.0) == pytest.approx(375.0)


def test_a_pause_and_the_end_have_no_estimate() -> None:
    pause = v.LimitChanged(limit=LimitName.BUILDS, old=2, new=0, why="pause")
    paused = run(pause, expected=(60.0,))
    assert format_time_left(Estimate.of(paused), paused, 0.0) == ""
    ended = run(v.BuildFinished(build=A, outcome=Outcome.BUILT), expected=(60.0,))
    assert format_time_left(Estimate.of(ended), ended, 0.0) == ""


def test_the_build_that_goes_furthest_beyond_its_time_is_named() -> None:
    state = run(*begun(A, 1), *begun(B, 2), expected=(40.0, 20.0))
    assert format_slowest(state, 25.0) == ""
    assert format_slowest(state, 100.0) == "b2: 5.0x its usual time"
    assert format_slowdown(state.builds[A], 100.0) == "2.5x its usual time"
    assert format_slowdown(state.builds[A], 48.0) == "", "a little longer is not worth a word"
