"""Properties of the codec: what is written is read, whatever a newer or torn writer did."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.events import types as vocabulary
from pool.events.codec import CodecError, decode, encode
from pool.events.types import Event, Unknown
from tests.support.event_strategies import EVENT_TYPES, events


@given(events)
def test_every_event_survives_the_journal(event: Event) -> None:
    assert decode(encode(event)) == event


@given(events, st.dictionaries(st.text(min_size=8).map("x-{}".format), st.integers()))
def test_fields_of_a_newer_version_are_ignored(event: Event, more: dict[str, int]) -> None:
    assert decode(json.dumps(json.loads(encode(event)) | more).encode()) == event


@given(st.text(), st.integers(0, 2**53), st.dictionaries(st.text(), st.integers()))
def test_unknown_types_are_carried_through(kind: str, seq: int, facts: dict[str, int]) -> None:
    line = {**facts, "type": f"later.{kind}", "seq": seq, "t": 1.5}
    event = decode(json.dumps(line).encode())
    assert isinstance(event, Unknown)
    assert json.loads(encode(event)) == line


@given(events, st.data())
def test_a_torn_line_is_refused(event: Event, data: st.DataObject) -> None:
    line = encode(event)
    with pytest.raises(CodecError):
        decode(line[: data.draw(st.integers(0, len(line) - 1))])


def test_a_known_type_without_its_facts_is_refused() -> None:
    with pytest.raises(CodecError, match=r"build.started: .*slot"):
        decode(b'{"type":"build.started","seq":1,"t":0,"build":"b1"}')


def test_every_event_of_the_vocabulary_is_in_the_union() -> None:
    made = {
        value
        for value in vars(vocabulary).values()
        if isinstance(value, type) and issubclass(value, vocabulary._Event)
    }
    assert made - {vocabulary._Event} == set(EVENT_TYPES)
