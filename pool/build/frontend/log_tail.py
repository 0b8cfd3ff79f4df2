"""What builds print, made fit to be shown: cleaned for a terminal, URLs without credentials.

The log files themselves keep every byte; all that is shown passes through `clean_line`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pool.common.redaction import redact_urls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["LONGEST", "LogTail", "Tail", "clean_line", "last_lines"]

LONGEST = 400
"""Characters of a line that are shown."""
_CHUNK = 1 << 17
_LAST_BYTES = 1 << 16
_LAST_LINES = 300
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS and their kin
    r"|\x1b[ -/]*[0-~]?"  # the other escapes
    r"|\x9b[0-?]*[ -/]*[@-~]"  # CSI in one character
)
_CONTROLS = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f"
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # ends of lines, directions
    r"\ud800-\udfff]"  # halves of characters, which cannot be written anywhere
)


def clean_line(line: str | bytes, longest: int = LONGEST) -> str:
    """Return one line fit to be shown, progress folded, cut short.

    It is without escapes, controls, direction marks, and credentials in URLs.
    """
    if isinstance(line, bytes):
        line = line.decode("utf-8", "replace")
    # Cut first: the patterns below must not run over megabytes.
    line = line.rstrip("\r\n")[-20 * longest :] if "\r" in line else line[: 20 * longest]
    line = _ESCAPES.sub("", line.rstrip("\r\n"))
    line = line.rpartition("\r")[2]
    line = redact_urls(_CONTROLS.sub("", line.expandtabs(8)).rstrip())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def last_lines(log: Path, most: int = _LAST_BYTES) -> list[str]:
    """Return the cleaned lines in the last bytes of a log, without empty ones.

    Returns:
        No lines if the log cannot be read.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - most))
            return [shown for line in file if (shown := clean_line(line))]
    except OSError:
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """The totals of a log so far."""

    lines: int
    bytes: int
    last: str
    """The last line that is not empty, cleaned."""


class LogTail:
    """Follows one growing log file and reads each byte once.

    Args:
        path: the log, which need not exist yet.
        on_bytes: called with each chunk that is read.
    """

    def __init__(self, path: Path, on_bytes: Callable[[bytes], None] | None = None) -> None:
        self.path = path
        self.problem: OSError | None = None
        """Why the last `poll` could not read the log, if it could not."""
        self._on_bytes = on_bytes
        self._lines = 0
        self._bytes = 0
        self._last = ""
        self._recent = b""

    def poll(self) -> Tail | None:
        """Read the bytes that were added since the last call.

        Returns:
            The totals; None if nothing was added or the log cannot be read (see ``problem``). A
            later call reads on where this one stopped.
        """
        before, self.problem = self._bytes, None
        for chunk in self._chunks():
            self._add(chunk)
        if self._bytes == before:
            return None
        self._last = _last_shown(self._recent) or self._last
        open_line = not self._recent.endswith(b"\n")
        return Tail(lines=self._lines + open_line, bytes=self._bytes, last=self._last)

    def _chunks(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as log:
                log.seek(self._bytes)
                while chunk := log.read(_CHUNK):
                    yield chunk
        except FileNotFoundError:
            pass  # The hook has not created its log yet.
        except OSError as problem:
            self.problem = problem

    def _add(self, chunk: bytes) -> None:
        self._bytes += len(chunk)
        if self._on_bytes is not None:
            self._on_bytes(chunk)
        self._lines += chunk.count(b"\n")
        # A line without an end may grow without limit; what is kept of it does not.
        self._recent = (self._recent + chunk)[-_LAST_BYTES:]


def _last_shown(text: bytes) -> str:
    """Return the last line that is not empty when cleaned, of the last 300 lines."""
    for line in reversed(text.split(b"\n")[-_LAST_LINES:]):
        if shown := clean_line(line):
            return shown
    return ""
