"""Output on streams whose encoding lacks some characters, and of paths that are not UTF-8.

A stream with this error handler never raises: bytes of paths are written as they are, the signs of
wheelpool's own lines get ASCII ones in their place, and any other character is escaped.
"""

from __future__ import annotations

import codecs
import io
from typing import TextIO

__all__ = ["write_any_text"]

_NAME = "wheelpool"
_SIGNS = {
    "·": ",",
    "…": "...",
    "→": ">",
    "┄": "-",
    "─": "-",
    "░": "-",
    **dict.fromkeys("█▉▊▋▌", "#"),
    **dict.fromkeys("▍▎▏", "-"),
}


def write_any_text(stream: TextIO | None) -> None:
    """Let a stream accept any text, whatever its encoding."""
    codecs.register_error(_NAME, _encode_signs)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_NAME)


def _encode_signs(problem: UnicodeError) -> tuple[bytes, int]:
    """Return the bytes for the characters that an encoding lacks; see `codecs.register_error`."""
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    signs = problem.object[problem.start : problem.end]
    return b"".join(map(_encode_sign, signs)), problem.end


def _encode_sign(sign: str) -> bytes:
    if "\udc80" <= sign <= "\udcff":  # a byte of a path (PEP 383)
        return bytes([ord(sign) - 0xDC00])
    return _SIGNS.get(sign, sign).encode("ascii", "backslashreplace")
