"""The charset of a text that a server sends."""

from __future__ import annotations

import codecs
import re

__all__ = ["find_charset"]

_LONGEST_TYPE = 200
"""Characters of a Content-Type that are read."""
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([\w.:-]{1,40})", re.IGNORECASE | re.ASCII)
_TEXT_CODECS = re.compile(
    r"ascii|utf-(?:8|16|32)\S*|cp\d+|iso8859\S*|koi8\S*|euc\S*|gb\S*|shift\S*|big5\S*"
)
"""Codecs of plain text. Others of Python are slow (punycode), or decode something else."""


def find_charset(content_type: str) -> str:
    """Return the charset that a Content-Type names; UTF-8 if it names none of plain text."""
    match = _CHARSET.search(content_type[:_LONGEST_TYPE])
    try:
        name = codecs.lookup(match[1]).name if match else "utf-8"
    except LookupError:
        return "utf-8"
    return name if _TEXT_CODECS.fullmatch(name) else "utf-8"
