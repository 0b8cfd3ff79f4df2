"""Strategies for documents that are nearly valid."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["HOSTILE_VALUES", "damaged", "damaged_json", "expand", "joined", "lines_of"]

HOSTILE_VALUES: list[Any] = [
    *[None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**30],
    *[0.5, -0.5, 1e17, 1e300, -1e300, float("inf"), float("nan")],
    *["", "\0", "a\0b", "..", "../../x", "/etc/passwd", "/dev/zero", "\x1b]0;x\x07", "\u202e"],
    *["\ud800", "\udcff", "<LONG>", "<DIGITS>", "b1", "memory"],
    *[[], {}, [[]], {"": ""}, {"a": {"a": []}}, ["<DEEP>"]],
]
"""Values that a document has where its author meant another one."""
_NOISE = st.sampled_from(
    [b"\0", b"\xff", b"\xc3", b"\n", b"\r", b"\x1b[2J", b'"', b"\\", b"{", b"<DEEP>", b"<DIGITS>"]
)
_LARGE = {
    b"<DEEP>": b"[" * 50_000,
    b"<DIGITS>": b"9" * 5000,
    b"<LONG>": b"x" * 200_000,
    b"<PARENTHESES>": b"(" * 1200,
}
"""By the names that stand for them in examples, which would be unreadable otherwise."""


def expand(data: str | bytes) -> bytes:
    """Return drawn input with its large parts; surrogates stand for bytes that are not UTF-8."""
    if isinstance(data, str):
        data = data.encode("utf-8", "surrogateescape" if _is_escaped(data) else "surrogatepass")
    for name, large in _LARGE.items():
        data = data.replace(b'"%b"' % name, large) if name == b"<DEEP>" else data
        data = data.replace(name, large)
    return data


def _is_escaped(text: str) -> bool:
    return not any("\ud800" <= one <= "\udc7f" or "\udd00" <= one <= "\udfff" for one in text)


def joined(pieces: Sequence[str], size: int = 14) -> st.SearchStrategy[str]:
    """Return texts of these pieces and of a few random characters between them."""
    return st.lists(st.sampled_from(pieces) | st.text(max_size=4), max_size=size).map("".join)


@st.composite
def damaged(draw: st.DrawFn, document: bytes) -> bytes:
    """Draw a document with some bytes changed, removed or added, and perhaps cut off."""
    data = bytearray(document)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        count = draw(st.integers(0, 8))
        data[at : at + count] = draw(st.binary(max_size=8) | _NOISE)
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@st.composite
def damaged_json(draw: st.DrawFn, document: Any) -> bytes:
    """Draw a JSON document in which some values are others; sometimes also its bytes."""
    value = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(0, 3))):
        value = _replace(draw, value)
    text = json.dumps(value).encode()
    return draw(damaged(text)) if draw(st.booleans()) else text


def _replace(draw: st.DrawFn, document: Any) -> Any:
    """Return the document with another value in one place; it is changed."""
    ways = _ways(document)
    if not ways:
        return deepcopy(draw(st.sampled_from(HOSTILE_VALUES)))
    *way, last = draw(st.sampled_from(ways))
    inner = document
    for step in way:
        inner = inner[step]
    if isinstance(inner, dict) and draw(st.integers(0, 5)) == 0:
        del inner[last]
    else:
        inner[last] = deepcopy(draw(st.sampled_from(HOSTILE_VALUES)))
    return document


def _ways(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to all values in a document."""
    match document:
        case dict():
            inner = [way for key in document for way in _ways(document[key], (*at, key))]
        case list():
            inner = [way for key, one in enumerate(document) for way in _ways(one, (*at, key))]
        case _:
            inner = []
    return [at, *inner] if at else inner


@st.composite
def lines_of(draw: st.DrawFn, lines: Sequence[bytes], damage: st.SearchStrategy[bytes]) -> bytes:
    """Draw lines that are missing, twice, elsewhere or replaced by damage, perhaps cut off."""
    found = list(lines)
    for _ in range(draw(st.integers(0, 5))):
        if not found:
            break
        at, to = (draw(st.integers(0, len(found) - 1)) for _ in range(2))
        match draw(st.sampled_from(["damage", "damage", "twice", "gone", "swap"])):
            case "damage":
                found[at] = draw(damage)
            case "twice":
                found.insert(to, found[at])
            case "gone":
                del found[at]
            case _:
                found[at], found[to] = found[to], found[at]
    data = b"\n".join(found) + b"\n"
    return data[: draw(st.integers(0, len(data)))] if draw(st.integers(0, 3)) == 0 else data
