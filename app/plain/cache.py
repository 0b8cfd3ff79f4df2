"""The command ``wheelpool cache``: lists the contents of the cache, and prunes it."""

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
"""Without options, entries that were not used for this number of days are pruned."""


# Contents


def list_contents(cache_dir: Path) -> Iterator[str]:
    """Yield the lines of ``cache info``."""
    entries = pool.list_entries(cache_dir)
    yield pool.clean_line(str(cache_dir), longest=4000)
    if not entries:
        yield "empty"
        return
    rows = [("", "entries", "size", "oldest use")]
    rows += [_row(kind, of_kind) for kind, of_kind in _by_kind(entries).items()]
    rows.append(_row("total", entries))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, count, bytes_, used in rows:
        cells = (name.ljust(widths[0]), count.rjust(widths[1]), bytes_.rjust(widths[2]), used)
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


# Pruning


def parse_selection(
    older_than: str | None, max_size: str | None, *, everything: bool
) -> Callable[[Sequence[CacheEntry]], Sequence[CacheEntry]]:
    """Return a function that selects the entries to prune.

    Args:
        older_than: days since the last use, as typed.
        max_size: the size of all entries that stay, as typed: ``500M``, ``1.5 GiB``, bytes.
        everything: whether all entries are pruned.

    Raises:
        SettingsError: a value is invalid, or flags exclude each other.
    """
    if everything and (older_than is not None or max_size is not None):
        raise pool.SettingsError("--all cannot be combined with --older-than or --max-size")
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
    """Remove the selected entries; yield lines about them.

    Args:
        cache_dir: the cache.
        choose: the function of `parse_selection`.
        on_wait: called with a line about the runs that use the cache, if it has to wait for them.

    Raises:
        LockError: the cache cannot be locked.
        PoolError: something could not be removed; raised after the lines.
    """
    if not cache_dir.is_dir():
        yield "nothing to remove"
        return
    result = pool.prune_cache(cache_dir, choose, lambda runs: on_wait(_users(runs)))
    yield from _removal_lines(result.removed, "removed")
    if result.left:
        more = f" and {len(result.left) - 1} more" if len(result.left) > 1 else ""
        raise pool.PoolError(
            f"{pool.clean_line(str(result.left[0]))}{more}: cannot be removed",
            hint="if it belongs to another user, remove it as that user",
        )


def preview_prune(
    cache_dir: Path, choose: Callable[[Sequence[CacheEntry]], Sequence[CacheEntry]]
) -> Iterator[str]:
    """Yield the lines of `prune_cache` for the entries that it would remove."""
    yield from _removal_lines(choose(pool.list_entries(cache_dir)), "would remove")


def _removal_lines(gone: Sequence[CacheEntry], verb: str) -> Iterator[str]:
    if not gone:
        yield "nothing to remove"
        return
    for kind, found in _by_kind(gone).items():
        yield f"{verb} {kind}: {len(found)}, {format_size(_bytes(found))}"
    yield f"{verb} in total: {format_size(_bytes(gone))}"


def _users(runs: Sequence[str]) -> str:
    if not runs:
        return "the cache is in use; waiting"
    pids = ", ".join(dict.fromkeys(str(pool.pid_of_run(run)) for run in runs))
    are = "is" if len(runs) == 1 else "are"
    return f"{format_count(len(runs), 'run')} {are} using the cache (pid {pids}); waiting"
