"""The log of a failed build as lines to print; of a huge one the beginning and the end."""

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
"""So many lines of a failed build's log are shown where it is longer than both together."""
RULE = "┄┄┄┄"
"""Sets our own words apart from those of a log."""
_LONGEST_LINE = 4000 * 16
"""Bytes that are read as one line."""


def read_log_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a log, cleaned; of a huge one the beginning and the end."""
    try:
        file = path.open("rb")
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
        yield f"{RULE} {count - TAIL:,} lines are left out; all are in {path} {RULE}"
    yield from map(pool.clean_line, tail)
