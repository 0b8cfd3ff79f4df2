"""Properties of the estimate: an updated one equals a new one, and both bounds hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

import pool
from app.format import format_estimate
from app.model.estimate import Estimate
from pool.common.model import BuildId, LimitName
from pool.events import types as v
from tests.support.event_strategies import journals


@given(journals())
def test_updated_estimate_equals_a_new_one(journal: list[v.KnownEvent]) -> None:
    state, kept = pool.RunState(), Estimate()
    for event in journal:
        kept.update(state, pool.apply(state, event))
    now = state.now + 3
    assert kept.remaining(state, now) == Estimate.of(state).remaining(state, now)


@given(st.lists(st.none() | st.floats(0, 1000), min_size=1, max_size=20), st.integers(1, 8))
def test_it_is_the_larger_of_both_bounds(expected: list[float | None], cap: int) -> None:
    state = pool.RunState()
    pool.apply(state, v.RunStarted(limits={LimitName.BUILDS: cap}, targets=1, out_dir="", logs=""))
    for number, seconds in enumerate(expected):
        build = BuildId(f"b{number}")
        queued = v.BuildQueued(build=build, name="x", target="x", log="x", expected=seconds)
        pool.apply(state, queued)
    left = Estimate.of(state).remaining(state, 0.0)
    known = [seconds for seconds in expected if seconds is not None]
    if not known:
        assert left is None, "nothing is said while nothing is known"
    else:
        assert left is not None
        assert left >= max(known)
        assert left * cap >= sum(known) * 0.999


@given(st.floats(0, 1e6), st.floats(0, 1e6))
def test_words_never_pretend_to_know_seconds(one: float, other: float) -> None:
    assert len({format_estimate(one), format_estimate(one * 1.001)}) <= 2
    for seconds in (one, other):
        assert format_estimate(seconds).startswith(("about", "a few")), format_estimate(seconds)
