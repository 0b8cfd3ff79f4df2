r"""JSON of values whose text may contain bytes that are not UTF-8, as paths may.

Python represents such a byte by a surrogate, which UTF-8 cannot encode. It is written as an escape
like ``\\udce9``. The result is for people and for digests: it is not read back as the same path.
Control characters are escaped, also DEL and C1, which terminals obey: JSON itself allows them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["decode_json", "decode_msgpack", "encode_json", "escape_controls"]

_Value = TypeVar("_Value")

_encoder = msgspec.json.Encoder()
_CONTROLS = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
"""DEL and the C1 characters in UTF-8; the other control characters are escaped by the encoder."""


def decode_json(data: bytes, kind: type[_Value]) -> _Value:
    """Return the value of a JSON document.

    Raises:
        ValueError: it is no JSON, no UTF-8 or nested too deeply, or it has another type.
    """
    return _decode(msgspec.json.decode, data, kind)


def decode_msgpack(data: bytes, kind: type[_Value]) -> _Value:
    """Return the value of a MessagePack document.

    Raises:
        ValueError: it is no such document or nested too deeply, or it has another type.
    """
    return _decode(msgspec.msgpack.decode, data, kind)


def _decode(decode: Callable[..., Any], data: bytes, kind: type[_Value]) -> _Value:
    try:
        value: _Value = decode(data, type=kind)
    except RecursionError as problem:
        raise ValueError("it is nested too deeply") from problem
    return value


def encode_json(value: object, *, order: Literal["sorted"] | None = None) -> bytes:
    """Return a value as JSON.

    Args:
        value: what msgspec can encode.
        order: ``sorted`` for a result that does not depend on the order of keys.
    """
    encoder = msgspec.json.Encoder(order=order) if order else _encoder
    try:
        encoded = encoder.encode(value)
    except UnicodeEncodeError:
        encoded = encoder.encode(_escape_surrogates(msgspec.to_builtins(value)))
    return escape_controls(encoded)


def escape_controls(document: bytes) -> bytes:
    """Return a JSON document with the control characters in its strings escaped."""
    return _CONTROLS.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), document)


def _escape_surrogates(value: Any) -> Any:  # noqa: ANN401 - any JSON
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        case dict():
            return {
                _escape_surrogates(key): _escape_surrogates(each) for key, each in value.items()
            }
        case list() | tuple():
            return [_escape_surrogates(each) for each in value]
        case _:
            return value
