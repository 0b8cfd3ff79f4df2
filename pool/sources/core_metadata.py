"""The fields of METADATA, PKG-INFO and WHEEL files: headers as in an e-mail (core metadata)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from email.message import Message

__all__ = ["parse_headers"]


def parse_headers(text: str) -> Message:
    """Return the fields; the body is not parsed. They are shared: do not change them."""
    ends = (text.find(end) for end in ("\n\n", "\r\n\r\n"))
    # The parser of the standard library reads all lines of a body, too.
    return _parse_head(text[: min((end + 1 for end in ends if end >= 0), default=len(text))])


@lru_cache(maxsize=1 << 11)
def _parse_head(text: str) -> Message:
    from email.parser import HeaderParser

    return HeaderParser().parsestr(text)
