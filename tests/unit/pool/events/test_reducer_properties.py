"""Properties of the fold: complete in what it reports as changed, and the same however it is fed."""

from __future__ import annotations

import copy

from hypothesis import given
from hypothesis import strategies as st

from pool.common.model import LimitName
from pool.events.reducer import apply, apply_all
from pool.events.state import RunState, Status
from pool.events.types import (
    DownloadFinished,
    KnownEvent,
    LimitChanged,
)
from tests.support.event_strategies import journals


@given(journals())
def test_what_changed_is_reported(journal: list[KnownEvent]) -> None:
    state = RunState()
    for event in journal:
        before = copy.deepcopy(state.builds)
        dirty = apply(state, event)
        changed = {key for key, build in state.builds.items() if before.get(key) != build}
        assert changed <= dirty


@given(journals(), st.data())
def test_a_prefix_and_the_rest_are_the_whole(
    journal: list[KnownEvent], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(journal)))
    whole, parts = RunState(), RunState()
    apply_all(whole, journal)
    apply_all(parts, journal[:cut])
    apply_all(parts, journal[cut:])
    assert whole == parts


@given(journals())
def test_slots_and_builds_agree(journal: list[KnownEvent]) -> None:
    state = RunState()
    for event in journal:
        apply(state, event)
        holding = {b.slot: b.id for b in state.builds.values() if b.slot is not None}
        assert holding == state.slots
        for build in state.builds.values():
            assert (build.status is Status.BUILDING) == (build.slot is not None)
            assert (build.status is Status.DONE) == (build.outcome is not None)


@given(journals())
def test_a_pause_remembers_the_cap(journal: list[KnownEvent]) -> None:
    state = RunState()
    for event in journal:
        apply(state, event)
        if limit := state.limits.get(LimitName.BUILDS):
            assert limit.value > 0
            assert limit.cap in (0, limit.value)


def test_memory_without_a_budget_is_no_pause() -> None:
    state = RunState()
    apply(state, LimitChanged(limit=LimitName.MEMORY, old=8, new=0, why="user"))
    limit = state.limits[LimitName.MEMORY]
    assert (limit.value, limit.paused) == (0, False)


@given(journals())
def test_traffic_is_what_has_come(journal: list[KnownEvent]) -> None:
    state = RunState()
    apply_all(state, journal)
    whole = [event.bytes for event in journal if isinstance(event, DownloadFinished) and event.ok]
    assert state.traffic.bytes == sum(whole)
    assert 0.0 <= state.traffic.rate(state.now + 60.0) <= state.traffic.rate(state.now)
