"""Properties of the codec: round trips, and lines of newer, torn and invalid journals."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.events import types
from pool.events.codec import CodecError, decode, encode
from pool.events.types import Event, Unknown
from tests.support.event_strategies import EVENT_TYPES, events


@given(events)
def test_an_encoded_event_decodes_to_the_same(event: Event) -> None:
    assert decode(encode(event)) == event


@given(events, st.dictionaries(st.text(min_size=8).map("x-{}".format), st.integers()))
def test_unknown_fields_are_ignored(event: Event, more: dict[str, int]) -> None:
    assert decode(json.dumps(json.loads(encode(event)) | more).encode()) == event


@given(st.text(), st.integers(0, 2**53), st.dictionaries(st.text(), st.integers()))
def test_an_event_of_unknown_type_is_passed_on_unchanged(
    kind: str, seq: int, facts: dict[str, int]
) -> None:
    line = {**facts, "type": f"later.{kind}", "seq": seq, "t": 1.5}
    event = decode(json.dumps(line).encode())
    assert isinstance(event, Unknown)
    assert json.loads(encode(event)) == line


@given(events, st.data())
def test_a_torn_line_raises_codec_error(event: Event, data: st.DataObject) -> None:
    line = encode(event)
    with pytest.raises(CodecError):
        decode(line[: data.draw(st.integers(0, len(line) - 1))])


def test_a_known_type_without_a_required_field_raises_codec_error() -> None:
    with pytest.raises(CodecError, match=r"build.started: .*slot"):
        decode(b'{"type":"build.started","seq":1,"t":0,"build":"b1"}')


def test_the_union_for_mypy_has_all_event_types() -> None:
    assert set(types.EVENT_TYPES) == set(EVENT_TYPES)
    assert set(types.EVENT_TYPES) == {
        value
        for value in vars(types).values()
        if isinstance(value, type)
        and issubclass(value, types.BaseEvent)
        and value is not types.BaseEvent
    }


def test_each_event_type_has_a_json_name_of_its_own() -> None:
    names = [event.__struct_config__.tag for event in types.EVENT_TYPES]
    assert len(set(names)) == len(names)
