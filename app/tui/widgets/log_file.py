"""A growing log file of any size: only an index of line starts is kept in memory.

Lines are read and sanitized when they are drawn or searched, so a log that is not shown costs
nothing. It is not a widget: see `app.tui.widgets.log_view`.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from time import perf_counter
from typing import TYPE_CHECKING, BinaryIO

import pool

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LONGEST", "LogFile", "Search"]

LONGEST = 2000
"""Maximum number of characters of a line that are shown and searched."""
_PER_READ = 1 << 20
_ODD = re.compile(rb"[\x00-\x09\x0b-\x1f\x7f-\xff]")
"""Bytes that require sanitizing: control characters and non-ASCII."""


class LogFile:
    """The line index of a growing file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._starts = array("Q", [0])
        self.end = 0
        """The number of bytes indexed so far."""

    def poll(self, until: int | None = None, *, seconds: float = 0.02) -> bool:
        """Index appended data for a limited time; return whether anything has changed.

        Args:
            until: the size of the log at the replayed time in bytes; None for the whole file.
            seconds: the time limit; the rest is left for the next call.
        """
        if self._file is None:
            try:
                self._file = pool.open_regular(self._path)
            except OSError:
                return False
        if until is not None and until < self.end:
            # The replay was sought back.
            self.end = until
            del self._starts[bisect_right(self._starts, until) :]
            return True
        deadline, before = perf_counter() + seconds, self.end
        self._file.seek(self.end)
        while self._index(self._file, until) and perf_counter() < deadline:
            pass
        return self.end != before

    def _index(self, file: BinaryIO, until: int | None) -> bool:
        most = _PER_READ if until is None else min(_PER_READ, until - self.end)
        chunk = file.read(most)
        base = self.end + 1
        self._starts.extend([base + found.start() for found in re.finditer(rb"\n", chunk)])
        self.end += len(chunk)
        return bool(chunk)

    def __len__(self) -> int:
        return len(self._starts) - (self._starts[-1] == self.end)

    @property
    def complete_lines(self) -> int:
        """The number of lines that end in a newline and cannot grow any more."""
        return len(self._starts) - 1

    def line(self, number: int) -> str:
        """Return a sanitized line; line numbers start at 0."""
        start, end = self._starts[number], self._end_of(number)
        return pool.clean_line(self._read(start, min(end - start, 16 * LONGEST)), longest=LONGEST)

    def lines(self, first: int) -> list[str]:
        """Return sanitized lines from `first` on, as many as are read in a few milliseconds."""
        start = self._starts[first]
        limit = start + _PER_READ // 4
        stop = len(self) if limit >= self.end else bisect_right(self._starts, limit) - 1
        if stop <= first + 1:
            return [self.line(first)]
        raw = self._read(start, self._end_of(stop - 1) - start)
        plain = _ODD.search(raw) is None
        return [
            line.decode("ascii")
            if plain and len(line) <= LONGEST
            else pool.clean_line(line, longest=LONGEST)
            for line in raw.removesuffix(b"\n").split(b"\n")
        ]

    def last(self, most: int) -> tuple[int, list[str]]:
        """Return the number of the first line in the last `most` bytes, and the sanitized lines."""
        first = min(bisect_right(self._starts, max(0, self.end - most)), len(self._starts)) - 1
        first += self._starts[first] < self.end - most
        found: list[str] = []
        while first + len(found) < len(self):
            found += self.lines(first + len(found))
        return first, found

    def _end_of(self, number: int) -> int:
        return self._starts[number + 1] if number + 1 < len(self._starts) else self.end

    def _read(self, start: int, count: int) -> bytes:
        if self._file is None:
            return b""
        self._file.seek(start)
        return self._file.read(count)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Search:
    """An incremental, case-insensitive search for a text in a log."""

    def __init__(self, log: LogFile, needle: str) -> None:
        self.needle = needle
        self.pattern = re.compile(re.escape(needle), re.IGNORECASE)
        self.found = array("Q")
        """The numbers of the matching lines found so far."""
        self._log = log
        self._next = 0

    @property
    def is_complete(self) -> bool:
        """Whether all complete lines have been searched."""
        return self._next >= self._log.complete_lines

    def advance(self, seconds: float = 0.04) -> None:
        """Continue the search for a limited time."""
        deadline = perf_counter() + seconds
        self._next = min(self._next, self._log.complete_lines)
        while self.found and self.found[-1] >= self._next:
            # An incomplete line may have grown, and a replay may have been sought back.
            self.found.pop()
        at = self._next
        while at < len(self._log) and perf_counter() < deadline:
            lines = self._log.lines(at)
            has = self.pattern.search
            self.found.extend([at + n for n, line in enumerate(lines) if has(line)])
            at += len(lines)
        self._next = min(at, self._log.complete_lines)

    def after(self, line: int, step: int) -> int | None:
        """Return the next match (step 1) or the previous one (step -1); wrap around at the ends."""
        if not self.found:
            return None
        at = bisect_right(self.found, line) if step > 0 else bisect_right(self.found, line - 1) - 1
        return self.found[at % len(self.found)]

    def place(self, line: int | None) -> str:
        """Format the position of a match: ``3 of 17``."""
        more = "" if self.is_complete else "+"
        if not self.found:
            return "not found" if self.is_complete else "searching"
        total = f"{len(self.found):,}{more}"
        at = -1 if line is None else bisect_right(self.found, line) - 1
        here = at >= 0 and self.found[at] == line
        return f"{at + 1:,} of {total}" if here else f"{total} found"
