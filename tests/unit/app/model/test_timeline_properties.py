"""Properties of the timeline: spans never overlap, all end, and they add up to the state."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.series import Series
from app.model.timeline import Span, Timeline, spans_between
from pool import Outcome, Phase, RunState, WaitFor, apply, events
from tests.support.event_strategies import journals

if TYPE_CHECKING:
    from collections.abc import Sequence


def followed(journal: Sequence[events.KnownEvent]) -> tuple[Timeline, RunState]:
    state, timeline = RunState(), Timeline()
    for event in journal:
        apply(state, event)
        timeline.record(event, state)
    return timeline, state


def assert_one_after_the_other(spans: Sequence[Span]) -> None:
    for span in spans:
        assert span.until is None or span.since < span.until
    for before, after in pairwise(spans):
        assert before.until is not None
        assert before.until <= after.since


@given(journals())
def test_spans_of_a_slot_and_of_a_build_never_overlap(journal: list[events.KnownEvent]) -> None:
    timeline, state = followed(journal)
    for spans in [*timeline.builds.values(), *timeline.slots.values()]:
        assert_one_after_the_other(spans)
    holding = {number: spans[-1] for number, spans in timeline.slots.items() if spans}
    still = {number: span.build for number, span in holding.items() if span.until is None}
    assert still == state.slots


@given(journals())
def test_a_build_is_always_in_one_span_until_it_ends(journal: list[events.KnownEvent]) -> None:
    timeline, state = followed(journal)
    for build in state.builds.values():
        spans = timeline.builds[build.id]
        assert build.finished_at is not None or spans[-1].until is None
        covered = sum(span.end(state.now) - span.since for span in spans)
        lived = (state.now if build.finished_at is None else build.finished_at) - build.queued_at
        assert covered == pytest.approx(lived)
        if build.finished_at is not None:
            assert all(span.until is not None for span in spans)


@given(journals())
def test_spans_add_up_to_the_phases(journal: list[events.KnownEvent]) -> None:
    timeline, state = followed(journal)
    for build in state.builds.values():
        ended = dict.fromkeys(Phase, 0.0)
        for span in timeline.builds[build.id]:
            if isinstance(span.kind, Phase):
                ended[span.kind] += span.end(state.now) - span.since
        if build.phase is not None and build.phase_since is not None:
            ended[build.phase] -= state.now - build.phase_since
        for phase in Phase:
            assert ended[phase] == pytest.approx(build.phases.get(phase, 0.0))


@given(journals())
def test_waits_hold_no_slot_and_running_is_the_number_of_slots_held(
    journal: list[events.KnownEvent],
) -> None:
    timeline, state = followed(journal)
    every = [span for spans in timeline.builds.values() for span in spans]
    assert not [s for s in every if isinstance(s.kind, WaitFor) and s.slot is not None]
    for event in journal:
        held = [s for s in every if s.slot and s.since <= event.t < s.end(state.now + 1)]
        assert (timeline.series["running"].value_at(event.t) or 0) == len(held)
    failed = [
        e for e in journal
        if isinstance(e, events.BuildFinished) and e.outcome is Outcome.FAILED
    ]  # fmt: skip
    told = [one.build for one in timeline.landmarks if one.build is not None]
    assert told == [event.build for event in failed]


@given(journals(), st.floats(0, 6), st.floats(0, 6))
def test_a_slice_has_the_spans_that_are_in_it(
    journal: list[events.KnownEvent], one: float, other: float
) -> None:
    timeline, state = followed(journal)
    since, until = min(one, other), max(one, other) + 0.01
    for spans in timeline.builds.values():
        inside = [s for s in spans if s.since < until and s.end(state.now + 9) > since]
        assert list(spans_between(spans, since, until)) == inside


@given(st.lists(st.integers(0, 9), min_size=1))
def test_a_series_holds_each_value_until_the_next(values: list[int]) -> None:
    series = Series()
    for t, value in enumerate(values):
        series.append(t, value)
    assert [series.value_at(t + 0.5) for t in range(len(values))] == values
    assert series.peak == max(values)
    assert series.highest(0, len(values)) == max(values)
