"""Properties of copies of the state: later events never change them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import NODEFAULT

from pool.events.reducer import apply, apply_all
from pool.events.state import RunState
from pool.events.state_record import StateRecord
from pool.events.types import KnownEvent
from tests.support.event_strategies import journals

RECORDS: list[type[Any]] = StateRecord.__subclasses__()


def containers(value: object) -> list[object]:
    """Return all mutable containers and records that a value has, itself included."""
    if isinstance(value, StateRecord):
        inner = [getattr(value, name) for name in value.__struct_fields__]
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
    made = record(**dict.fromkeys(_required_fields(record), 1))
    for name in record.__struct_fields__:
        if isinstance(value := getattr(made, name), dict):
            value["key"] = filled(next(one for one in RECORDS if one is not RunState))
    return made


def _required_fields(record: type[Any]) -> list[str]:
    defaults = dict(
        zip(reversed(record.__struct_fields__), reversed(record.__struct_defaults__), strict=False)
    )
    return [name for name in record.__struct_fields__ if defaults.get(name, NODEFAULT) is NODEFAULT]


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
    for name in record.__struct_fields__:
        mine, its = getattr(made, name), getattr(twin, name)
        shared = {*map(id, containers(mine))} & {*map(id, containers(its))}
        assert not shared, f"{record.__name__}.{name} is shared"


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_of_a_record_has_a_type_that_copy_knows(record: type[Any]) -> None:
    for annotation in record.__annotations__.values():
        assert not any(word in annotation for word in ("set[", "defaultdict", "deque", "Counter"))


def test_copy_with_builds_takes_the_builds_as_they_are() -> None:
    state = RunState()
    builds = dict(state.builds)
    assert state.copy_with_builds(builds).builds is builds
