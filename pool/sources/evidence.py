"""The source of the files of a project, and how long an answer from it is still the answer.

A page of a server counts as long as the cached page does. A folder, a page on disk, and the files
that they list count as long as their sizes, times and inodes are the same. Something that changed a
moment ago cannot be relied on: it could change again within the resolution of the file system's
times, so there is no evidence then.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Evidence", "merge_evidence", "observe_paths"]

_YOUNG_SECONDS = 2.0
"""The coarsest times of a common file system, FAT, are of two seconds."""

Stamp = tuple[int, ...]
"""Size, times and inode; empty for a path that does not exist."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Where an answer comes from; its field names are a format on disk."""

    since: float = 0.0
    """Seconds since the epoch: before that the clock is wrong."""
    until: float | None = None
    """Seconds since the epoch; None for no end."""
    stamps: dict[str, Stamp] = {}
    """By path."""

    def is_valid(self, now: float) -> bool:
        """Return whether the same answer would come from the same places now."""
        in_time = self.since <= now and (self.until is None or now < self.until)
        return in_time and all(_stamp(path) == stamp for path, stamp in self.stamps.items())


def observe_paths(paths: Iterable[Path], now: float) -> Evidence | None:
    """Return the evidence of files and folders that were just read; None if one is too young."""
    stamps = {}
    for path in map(str, paths):
        try:
            stamps[path] = stamp = _stamp(path)
        except OSError:
            return None
        if stamp and max(stamp[1:3]) / 1e9 > now - _YOUNG_SECONDS:
            return None
    return Evidence(since=now, stamps=stamps)


def merge_evidence(parts: Iterable[Evidence | None]) -> Evidence | None:
    """Return the evidence of all parts together; None if one of them has none."""
    since, until, stamps = 0.0, None, dict[str, Stamp]()
    for part in parts:
        if part is None:
            return None
        since = max(since, part.since)
        until = part.until if until is None else min(until, part.until or until)
        stamps |= part.stamps
    return Evidence(since=since, until=until, stamps=stamps)


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116 - a Path for each file takes longer
    except (FileNotFoundError, NotADirectoryError):
        return ()
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
