"""Text from builds, other processes and servers, made safe to show: no control codes, no secrets.

Each such text passes through this module before it reaches a terminal, a journal or a report.
Log files are deliberately not changed; only what is shown of them is.
"""

from __future__ import annotations

import os
import shlex
import string
from typing import TYPE_CHECKING

from pool.common.lazy_pattern import LazyPattern
from pool.common.redaction import STARS, redact_args, redact_settings, redact_urls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "LONGEST_LINE",
    "clean_line",
    "clean_text",
    "format_command",
    "format_settings",
    "quote_word",
    "replace_controls",
]

LONGEST_LINE = 400
"""Characters of a log line that are shown."""
_LONGEST_TEXT = 200

_ESCAPES = LazyPattern(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]?"  # the other escape sequences
    r"|\x9b[0-?]*[ -/]*[@-~]"  # CSI in one character
)
_UNPRINTABLE = (
    r"\x7f-\x9f"
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # line separators, text direction
    r"\ud800-\udfff"  # surrogates: they cannot be encoded, so no journal could store them
)
_CONTROLS = LazyPattern(rf"[\x00-\x1f{_UNPRINTABLE}]+")
_PLAIN = frozenset(string.ascii_letters + string.digits + "/._-+=:,@~ ")
"""Characters with no meaning in a format of printf, or between quotes of a shell."""
_NOT_IN_DOCUMENTS = LazyPattern(rf"[\x00-\x08\x0b-\x1f{_UNPRINTABLE}\ufeff\ufffe\uffff]")


def clean_line(line: str | bytes, longest: int = LONGEST_LINE) -> str:
    """Return one line of output as a terminal would show it, safe and cut to a length.

    Escape sequences and control characters are dropped. Of text that is overwritten by a carriage
    return, as progress bars are, the last version remains. Credentials in URLs are redacted.

    Args:
        line: with or without its line ending; bytes are decoded as UTF-8.
        longest: the most characters; a longer line ends with an ellipsis.
    """
    if isinstance(line, bytes):
        line = line.decode("utf-8", "replace")
    # Cut first: the patterns must not run over megabytes.
    line = line.rstrip("\r\n")[-20 * longest :] if "\r" in line else line[: 20 * longest]
    if not line.isprintable():
        line = _ESCAPES.sub("", line.rstrip("\r\n"))
        line = _CONTROLS.sub("", line.rpartition("\r")[2].expandtabs(8))
    line = redact_urls(line.rstrip())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def clean_text(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Return a name, URL or message with a space for each run of control characters.

    Credentials in URLs are redacted; the rest is cut after ``longest`` characters.
    """
    return redact_urls(text if text.isprintable() else _CONTROLS.sub(" ", text))[:longest]


def format_command(words: Sequence[str], longest: int = _LONGEST_TEXT) -> str:
    """Return a command line quoted for a shell, with the values of secret options redacted."""
    return clean_text(" ".join(map(_quote, redact_args(words))), longest)


def quote_word(word: str) -> str:
    """Quote a word for a POSIX shell, in printable ASCII where it has bytes that are not UTF-8."""
    if word.isprintable():
        return shlex.quote(word)
    plain = (chr(byte) if chr(byte) in _PLAIN else f"\\{byte:03o}" for byte in os.fsencode(word))
    return f"\"$(printf '{''.join(plain)}')\""


def _quote(word: str) -> str:
    """Quote a word for a shell, unless only the stars of a redacted value would need it."""
    if _has_other_bytes(word):
        return quote_word(word)
    bare = word.replace(STARS, "x")
    return word if shlex.quote(bare) == bare else shlex.quote(word)


def replace_controls(text: str) -> str:
    """Return text for a document: control characters are replaced by U+FFFD.

    Tabs and newlines stay. Direction marks and characters that XML does not allow are replaced.
    """
    return _NOT_IN_DOCUMENTS.sub("\N{REPLACEMENT CHARACTER}", text)


def _has_other_bytes(word: str) -> bool:
    """Return whether a word has bytes that are not UTF-8."""
    return any("\udc80" <= character <= "\udcff" for character in word)


def format_settings(settings: Mapping[str, str | list[str]]) -> tuple[str, ...]:
    """Return config settings as ``KEY=VALUE``, redacted and without control characters."""
    return tuple(
        clean_line(f"{key}={value}")
        for key, values in redact_settings(settings).items()
        for value in ([values] if isinstance(values, str) else values)
    )
