"""Properties of the reducer: it reports all changed builds and does not depend on batches."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.common.model import BuildId, LimitName
from pool.events.codec import decode
from pool.events.reducer import apply, apply_all
from pool.events.state import RunState, Status
from pool.events.types import (
    DownloadFinished,
    KnownEvent,
    LimitChanged,
)
from tests.support.event_strategies import journals


@given(journals())
def test_apply_returns_all_changed_builds(journal: list[KnownEvent]) -> None:
    state = RunState()
    for event in journal:
        before = copy.deepcopy(state.builds)
        dirty = apply(state, event)
        changed = {key for key, build in state.builds.items() if before.get(key) != build}
        assert changed <= dirty


@given(journals(), st.data())
def test_two_batches_give_the_state_of_one(journal: list[KnownEvent], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(journal)))
    whole, parts = RunState(), RunState()
    apply_all(whole, journal)
    apply_all(parts, journal[:cut])
    apply_all(parts, journal[cut:])
    assert whole == parts


@given(journals())
def test_slots_of_the_run_and_of_builds_agree(journal: list[KnownEvent]) -> None:
    state = RunState()
    for event in journal:
        apply(state, event)
        holding = {b.slot: b.id for b in state.builds.values() if b.slot is not None}
        assert holding == state.slots
        for build in state.builds.values():
            assert (build.status is Status.BUILDING) == (build.slot is not None)
            assert (build.status is Status.DONE) == (build.outcome is not None)


@given(journals())
def test_a_pause_keeps_the_value_of_a_limit(journal: list[KnownEvent]) -> None:
    state = RunState()
    for event in journal:
        apply(state, event)
        if limit := state.limits.get(LimitName.BUILDS):
            assert limit.value > 0
            assert limit.cap in (0, limit.value)


def test_memory_without_a_budget_is_not_paused() -> None:
    state = RunState()
    apply(state, LimitChanged(limit=LimitName.MEMORY, old=8, new=0, why="user"))
    limit = state.limits[LimitName.MEMORY]
    assert (limit.value, limit.paused) == (0, False)


@given(journals())
def test_traffic_sums_complete_downloads(journal: list[KnownEvent]) -> None:
    state = RunState()
    apply_all(state, journal)
    whole = [event.bytes for event in journal if isinstance(event, DownloadFinished) and event.ok]
    assert state.traffic.bytes == sum(whole)
    assert 0.0 <= state.traffic.rate(state.now + 60.0) <= state.traffic.rate(state.now)


@pytest.mark.parametrize(
    ("fields", "nested"),
    [
        ({}, False),
        ({"purpose": "editable"}, False),
        ({"purpose": "metadata"}, True),
        ({"needed_by": ["a"]}, True),
        ({"purpose": "metadata", "nested": False}, False),
        ({"nested": True}, True),
    ],
    ids=str,
)
def test_nested_comes_from_the_event_or_from_older_fields(
    fields: dict[str, object], nested: bool
) -> None:
    line = {"type": "build.queued", "seq": 1, "t": 0, "build": "b", "name": "b", "target": "b"}
    state = RunState()
    apply(state, decode(json.dumps({**line, "log": "b.log", **fields}).encode()))
    assert state.builds[BuildId("b")].nested is nested
