"""Properties of copies of the state: later events never change them."""

from __future__ import annotations

import copy
from dataclasses import MISSING, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.events.reducer import apply, apply_all
from pool.events.state import RunState
from pool.events.state_record import StateRecord
from pool.events.types import KnownEvent
from tests.support.event_strategies import journals

RECORDS: list[type[Any]] = StateRecord.__subclasses__()


def containers(value: object) -> list[object]:
    """Return all mutable containers and records that a value has, itself included."""
    if isinstance(value, StateRecord):
        inner = [getattr(value, field.name) for field in fields(value)]
    elif isinstance(value, dict):
        inner = [*value.keys(), *value.values()]
    elif isinstance(value, list | set | tuple):
        inner = list(value)
    else:
        return []
    own = [] if isinstance(value, tuple) else [value]
    return [*own, *[one for each in inner for one in containers(each)]]


def filled(record: type[Any]) -> Any:
    """Make a record with a value in each container that it creates by default."""
    required = [field for field in fields(record) if _is_required(field)]
    made = record(**dict.fromkeys((field.name for field in required), 1))
    for field in fields(record):
        if isinstance(value := getattr(made, field.name), dict):
            value["key"] = filled(next(one for one in RECORDS if one is not RunState))
    return made


def _is_required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


@given(journals(), st.data())
def test_later_events_never_change_a_copy(journal: list[KnownEvent], data: st.DataObject) -> None:
    state = RunState()
    cut = data.draw(st.integers(0, len(journal)))
    apply_all(state, journal[:cut])
    twin = state.copy()
    expected = copy.deepcopy(twin)
    apply_all(state, journal[cut:])
    assert twin == expected


@given(journals())
def test_a_copy_is_equal_and_shares_nothing_mutable(journal: list[KnownEvent]) -> None:
    state = RunState()
    for event in journal:
        apply(state, event)
        twin = state.copy()
        assert twin == state
        assert not {*map(id, containers(twin))} & {*map(id, containers(state))}


@pytest.mark.parametrize("record", RECORDS)
def test_every_mutable_field_of_every_record_is_copied(record: type[Any]) -> None:
    made = filled(record)
    twin = made.copy()
    assert twin == made
    for field in fields(record):
        mine, its = getattr(made, field.name), getattr(twin, field.name)
        shared = {*map(id, containers(mine))} & {*map(id, containers(its))}
        assert not shared, f"{record.__name__}.{field.name} is shared"


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_of_a_record_has_a_type_that_copy_knows(record: type[Any]) -> None:
    for field in fields(record):
        assert not any(word in field.type for word in ("set[", "defaultdict", "deque", "Counter"))


def test_copy_with_builds_takes_the_builds_as_they_are() -> None:
    state = RunState()
    builds = dict(state.builds)
    assert state.copy_with_builds(builds).builds is builds
