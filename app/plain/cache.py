"""Words and tables for ``wheelpool cache``: what is in the cache, and what was removed from it."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pool
from app.format import format_count, format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pool import CacheEntry

__all__ = ["list_contents", "parse_selection", "preview_prune", "prune_cache"]

DEFAULT_DAYS = 30.0
"""What is pruned where nobody says: what was not used for so long."""


# What is in it


def list_contents(cache_dir: Path) -> Iterator[str]:
    """Yield the lines of ``cache info``."""
    found = pool.list_entries(cache_dir)
    yield pool.clean_line(str(cache_dir), longest=4000)
    if not found:
        yield "nothing in it"
        return
    rows = [("", "entries", "size", "oldest use")]
    rows += [_row(kind, of_kind) for kind, of_kind in _by_kind(found).items()]
    rows.append(_row("in all", found))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, entries, bytes_, used in rows:
        cells = (name.ljust(widths[0]), entries.rjust(widths[1]), bytes_.rjust(widths[2]), used)
        yield "  ".join(cells).rstrip()
    if seconds := sum(
        wheel.seconds for wheel in pool.WheelCache(cache_dir, pool.SystemClock()).entries()
    ):
        yield f"the built wheels took {format_duration(seconds)} to build"


def _by_kind(found: Iterable[CacheEntry]) -> dict[str, list[CacheEntry]]:
    kinds = defaultdict[str, list["CacheEntry"]](list)
    for item in found:
        kinds[item.kind].append(item)
    return kinds


def _row(name: str, found: Sequence[CacheEntry]) -> tuple[str, str, str, str]:
    oldest = datetime.fromtimestamp(min(item.last_used for item in found), UTC).astimezone()
    return name, str(len(found)), format_size(_bytes(found)), f"{oldest:%Y-%m-%d %H:%M}"


def _bytes(found: Iterable[CacheEntry]) -> int:
    return sum(item.bytes for item in found)


# What goes


def parse_selection(
    older_than: str | None, max_size: str | None, *, everything: bool
) -> Callable[[Sequence[CacheEntry]], Sequence[CacheEntry]]:
    """Return what chooses among all there is.

    Args:
        older_than: days, as typed.
        max_size: of all that stays, as typed: ``500M``, ``1.5 GiB``, bytes.
        everything: whether all goes.

    Raises:
        SettingsError: a value that cannot be used, or flags that contradict each other.
    """
    if everything and (older_than is not None or max_size is not None):
        raise pool.SettingsError("--all: leaves nothing for --older-than or --max-size to decide")
    if everything:
        return list
    days = _days(older_than) if older_than is not None else None
    most = _size(max_size) if max_size is not None else None
    if days is None and most is None:
        days = DEFAULT_DAYS
    seconds = days * 86_400 if days is not None else None
    now = pool.SystemClock().now().timestamp()
    return lambda found: pool.select_entries(found, now, seconds, most)


def _days(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text.strip()):
        raise pool.SettingsError(f"--older-than: {text!r} is not a number of days")
    return float(text)


def _size(text: str) -> int:
    if (size := pool.parse_size(text)) is None:
        raise pool.SettingsError(
            f"--max-size: {text!r} is not a size", hint="such as 500M, 1.5GiB, or a number of bytes"
        )
    return size


def prune_cache(
    cache_dir: Path,
    choose: Callable[[Sequence[CacheEntry]], Sequence[CacheEntry]],
    on_wait: Callable[[str], None],
) -> Iterator[str]:
    """Remove what is chosen; yield lines about it.

    Args:
        cache_dir: the cache.
        choose: what `choice` returned.
        on_wait: told in a line who uses the cache, if that has to be waited for.

    Raises:
        LockError: the cache cannot be locked.
    """
    if not cache_dir.is_dir():
        yield "nothing to remove"
        return
    removed = pool.prune_cache(cache_dir, choose, lambda runs: on_wait(_users(runs)))
    yield from _told(removed, "removed")


def preview_prune(
    cache_dir: Path, choose: Callable[[Sequence[CacheEntry]], Sequence[CacheEntry]]
) -> Iterator[str]:
    """Yield the same lines about what would be removed now."""
    yield from _told(choose(pool.list_entries(cache_dir)), "would remove")


def _told(gone: Sequence[CacheEntry], verb: str) -> Iterator[str]:
    if not gone:
        yield "nothing to remove"
        return
    for kind, found in _by_kind(gone).items():
        yield f"{verb} {kind}: {len(found)}, {format_size(_bytes(found))}"
    yield f"{verb} in all: {format_size(_bytes(gone))}"


def _users(runs: Sequence[str]) -> str:
    if not runs:
        return "the cache is in use; waiting"
    pids = ", ".join(dict.fromkeys(str(pool.pid_of_run(run)) for run in runs))
    are = "is" if len(runs) == 1 else "are"
    return f"{format_count(len(runs), 'run')} {are} using the cache (pid {pids}); waiting"
