"""Events and headers as lines of JSON, and back.

The one place where foreign text becomes typed values. Unknown fields are ignored and unknown
types are carried through unchanged, so that an older reader can show a newer journal.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Union

import msgspec

from pool.events.types import EVENT_TYPES, SCHEMA, Event, Header, KnownEvent, Unknown

__all__ = ["CodecError", "decode", "decode_header", "encode", "encode_header"]

_encoder = msgspec.json.Encoder()
_headers = msgspec.json.Decoder(Header)
_events = msgspec.json.Decoder(Union[EVENT_TYPES])  # noqa: UP007 - made from a tuple
_types = frozenset(event.__struct_config__.tag for event in EVENT_TYPES)

_BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading a line of anybody's may end with: no JSON, no UTF-8, too deep."""

_RUN = re.compile(r"\w[\w.-]{0,99}", re.ASCII)
"""It becomes a part of paths, and of lines for a shell."""


class CodecError(ValueError):
    """A line that is no event or no header, with the reason in words."""


class _Envelope(msgspec.Struct):
    type: str
    seq: int
    t: float


_envelopes = msgspec.json.Decoder(_Envelope)


def encode(event: Event) -> bytes:
    """Return the event as one line without its newline."""
    if isinstance(event, Unknown):
        return _encoder.encode(event.data)
    return _encoder.encode(event)


def decode(line: bytes) -> Event:
    """Read one line.

    Raises:
        CodecError: it is not JSON, has no ``type``, ``seq`` and ``t``, or a known type lacks facts.
    """
    try:
        event: KnownEvent = _events.decode(line)
    except _BROKEN as problem:
        return _unknown(line, problem)
    return event


def _unknown(line: bytes, problem: Exception) -> Unknown:
    try:
        envelope = _envelopes.decode(line)
        data: dict[str, Any] = msgspec.json.decode(line)
    except _BROKEN:
        raise CodecError(str(problem)) from problem
    if envelope.type in _types:
        raise CodecError(f"{envelope.type}: {problem}") from problem
    return Unknown(type=envelope.type, seq=envelope.seq, t=envelope.t, data=data)


def encode_header(header: Header) -> bytes:
    """Return the header as one line without its newline."""
    return _encoder.encode(header)


def decode_header(line: bytes) -> Header:
    """Read line 1 of a journal.

    Raises:
        CodecError: it is no header, or one of a schema that this version cannot read.
    """
    try:
        header: Header = _headers.decode(line)
        datetime.fromisoformat(header.started).timestamp()
    except (*_BROKEN, ValueError, OverflowError) as problem:
        raise CodecError(f"no header of a wheelpool log: {problem}") from problem
    if not _RUN.fullmatch(header.run):
        raise CodecError(f"no header of a wheelpool log: {header.run!r} is no id of a run")
    if header.schema > SCHEMA:
        raise CodecError(
            f"written by wheelpool {header.wheelpool} with schema {header.schema};"
            f" this version reads up to {SCHEMA}"
        )
    return header
