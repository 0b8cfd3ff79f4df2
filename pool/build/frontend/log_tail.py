"""Reads the end of a growing log file: line and byte counts, and the last line to show.

Log files keep every byte of the output. A line that is shown is cleaned by
`pool.common.text.clean_line`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.common.record import Record
from pool.common.text import clean_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["LogTail", "Tail", "last_lines"]

_CHUNK = 1 << 17
_LAST_BYTES = 1 << 16
_LAST_LINES = 300


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


class Tail(Record, frozen=True, kw_only=True):
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
