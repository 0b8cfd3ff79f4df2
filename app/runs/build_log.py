"""The log of a failed build as lines to print; of a very long one the start and the end."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

import pool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["HEAD", "RULE", "TAIL", "read_log_lines"]

HEAD, TAIL = 500, 1500
"""The number of lines from the start and the end of a log that is longer than both together."""
RULE = "┄┄┄┄"
"""Marks the lines of wheelpool around a log."""
_LONGEST_LINE = 4000 * 16
"""The maximum number of bytes that are read as one line."""


def read_log_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a log, cleaned; of a very long one the start and the end."""
    try:
        file = pool.open_regular(path)
    except OSError as problem:
        yield f"(no log: {path}: {pool.os_error_text(problem)})"
        return
    with file:
        lines = iter(lambda: file.readline(_LONGEST_LINE), b"")
        yield from map(pool.clean_line, islice(lines, HEAD))
        tail: deque[bytes] = deque(maxlen=TAIL)
        count = 0
        for count, line in enumerate(lines, 1):  # noqa: B007 - used after the loop
            tail.append(line)
    if count > TAIL:
        yield f"{RULE} {count - TAIL:,} lines omitted; the whole log is {path} {RULE}"
    yield from map(pool.clean_line, tail)
