"""Events and headers as lines of JSON.

Only here is text of a journal converted to typed values. Unknown fields are ignored and events of
unknown types are passed on unchanged, so that an older version can show a newer journal.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import Any, Union

import msgspec

from pool.common.json import encode_json
from pool.common.lazy_pattern import LazyPattern
from pool.events.types import EVENT_TYPES, SCHEMA, Event, Header, KnownEvent, Unknown

__all__ = ["CodecError", "decode", "decode_header", "encode", "encode_header"]


@cache
def _event_decoder() -> msgspec.json.Decoder[Any]:
    # Made when a journal is read: a run only writes one, and this takes 8 ms.
    return msgspec.json.Decoder(Union[EVENT_TYPES])  # noqa: UP007 - made from a tuple


_known_types = frozenset(event.__struct_config__.tag for event in EVENT_TYPES)

_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors of a line that is no JSON, no UTF-8, or nested too deeply."""

_RUN_ID = LazyPattern(r"\w[\w.-]{0,99}", re.ASCII)
"""A run id becomes a part of paths and of shell commands."""


class CodecError(ValueError):
    """A line that is no event or no header, with the reason."""


class _Envelope(msgspec.Struct):
    """The fields of all events, also of unknown ones."""

    type: str
    seq: int
    t: float


def encode(event: Event) -> bytes:
    """Return the event as one line without its newline."""
    if isinstance(event, Unknown):
        return encode_json(event.data)
    return encode_json(event)


def decode(line: bytes) -> Event:
    """Parse one line.

    Raises:
        CodecError: the line is not JSON, has no ``type``, ``seq`` and ``t``, or an event of a known
            type lacks a required field.
    """
    try:
        event: KnownEvent = _event_decoder().decode(line)
    except _DECODE_ERRORS as problem:
        return _decode_unknown(line, problem)
    return event


def _decode_unknown(line: bytes, problem: Exception) -> Unknown:
    try:
        envelope = msgspec.json.decode(line, type=_Envelope)
        data: dict[str, Any] = msgspec.json.decode(line)
    except _DECODE_ERRORS:
        raise CodecError(str(problem)) from problem
    if envelope.type in _known_types:
        raise CodecError(f"{envelope.type}: {problem}") from problem
    return Unknown(type=envelope.type, seq=envelope.seq, t=envelope.t, data=data)


def encode_header(header: Header) -> bytes:
    """Return the header as one line without its newline."""
    return encode_json(header)


def decode_header(line: bytes) -> Header:
    """Parse line 1 of a journal.

    Raises:
        CodecError: the line is no header, or has a schema that this version cannot read.
    """
    try:
        header: Header = msgspec.json.decode(line, type=Header)
        datetime.fromisoformat(header.started).timestamp()
    except (*_DECODE_ERRORS, ValueError, OverflowError) as problem:
        raise CodecError(f"no header of a wheelpool log: {problem}") from problem
    if not _RUN_ID.fullmatch(header.run):
        raise CodecError(f"no header of a wheelpool log: {header.run!r} is not a run id")
    if header.schema > SCHEMA:
        raise CodecError(
            f"written by wheelpool {header.wheelpool} with schema {header.schema};"
            f" this version reads up to {SCHEMA}"
        )
    return header
