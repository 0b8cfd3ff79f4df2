"""Properties of the codec: what is written is read, whatever a newer or torn writer did."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.events import types as vocabulary
from pool.events.codec import CodecError, decode, encode
from pool.events.types import Event, KnownEvent, Unknown

KINDS: tuple[type[Any], ...] = KnownEvent.__args__


def plain(kind: Any) -> st.SearchStrategy[Any]:
    """A strategy for one annotated type of the vocabulary."""
    match kind:
        case msgspec.inspect.StrType():
            return st.text()
        case msgspec.inspect.IntType():
            return st.integers(-(2**53), 2**53)
        case msgspec.inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.EnumType(cls=cls):
            return st.sampled_from(list(cls))
        case msgspec.inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case msgspec.inspect.UnionType(types=types):
            return st.one_of([plain(each) for each in types])
        case msgspec.inspect.VarTupleType(item_type=item):
            return st.lists(plain(item), max_size=3).map(tuple)
        case msgspec.inspect.TupleType(item_types=items):
            return st.tuples(*map(plain, items))
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(plain(key), plain(value), max_size=3)
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{field.name: plain(field.type) for field in fields})
    raise AssertionError(kind)


events = st.one_of([plain(msgspec.inspect.type_info(kind)) for kind in KINDS])


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
    assert made - {vocabulary._Event} == set(KINDS)
