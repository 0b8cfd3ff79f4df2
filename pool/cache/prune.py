"""The cache as a whole: what is in it, who uses it, and what can go.

Everything in it can be had again, so anything may go that no run uses. Every run holds a shared
flock on the cache's lock file from before its first look until its end, and pruning an exclusive
one: it waits for the runs that there are, and new runs wait for it, but only until what goes has
other names. Deliberately without knowledge of what the parts mean; they are files and folders with
a size and a last use.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from pool.common.errors import LockError, os_error_text
from pool.common.files import remove_tree
from pool.system.locks.base import why_not
from pool.system.locks.lock_file import open_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

__all__ = ["KINDS", "CacheEntry", "chosen", "in_use", "items", "live_runs", "prune", "statuses"]

_BUILDS = "build folders"
KINDS = {
    "built wheels": ("built-1/wheels/*",),
    "notes of builds": (
        "built-1/keys/*",
        "built-1/asked/*",
        "built-1/projects/*",
        "built-1/locks/*",
    ),
    "downloaded files": ("files/*",),
    "unpacked wheels": ("wheels/*/*",),
    "index pages": ("pages-2/*",),
    "git repositories": ("git/*",),
    "shims": ("shims/*",),
    _BUILDS: ("builds/*/*",),
}
"""What there is in a cache, and where; whatever else lies in it is one kind more."""
OTHER = "other"

_LOCK = ".lock"
_GOING = ".going-"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """One thing that goes or stays as a whole."""

    kind: str
    path: Path
    bytes: int
    """What its files have; one that has several names in the cache counts for the first."""
    used: float
    """When it was last used, as far as its files tell: seconds since the epoch."""


@contextmanager
def in_use(cache_dir: Path) -> Iterator[None]:
    """Keep all that is in a cache from being pruned; waits for a moment while that is done.

    Raises:
        LockError: the lock file cannot be made.
    """
    fd = _opened(cache_dir)
    try:
        # Where there are no locks, nothing can be pruned either.
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


@contextmanager
def _alone(cache_dir: Path, on_wait: Callable[[Sequence[str]], None]) -> Iterator[None]:
    """Keep runs out; wait for those that there are, after telling which."""
    fd = _opened(cache_dir)
    try:
        _lock(fd, cache_dir, on_wait)
        yield
    finally:
        os.close(fd)


def _lock(fd: int, cache_dir: Path, on_wait: Callable[[Sequence[str]], None]) -> None:
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait(live_runs(cache_dir))
            fcntl.flock(fd, fcntl.LOCK_EX)
    except OSError as problem:
        raise LockError(f"{cache_dir / _LOCK}: {why_not(problem, 'files')}") from problem


def _opened(cache_dir: Path) -> int:
    path = cache_dir / _LOCK
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        return open_file(path)
    except OSError as problem:
        raise LockError(f"{path}: {os_error_text(problem)}") from problem


def live_runs(cache_dir: Path) -> list[str]:
    """Return the ids of the runs that have a folder in the cache and are alive."""
    return sorted(
        folder.name for folder in (cache_dir / "builds").glob("[!.]*") if _is_locked(folder)
    )


def _is_locked(folder: Path) -> bool:
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def items(cache_dir: Path) -> list[CacheEntry]:
    """Return all that is in a cache; what vanishes meanwhile is left out."""
    seen = set[tuple[int, int]]()
    found = []
    for kind, path in _places(cache_dir):
        with suppress(FileNotFoundError):
            size, used = _measured(path, seen)
            found.append(CacheEntry(kind=kind, path=path, bytes=size, used=used))
    return found


def _places(cache_dir: Path) -> Iterator[tuple[str, Path]]:
    for kind, patterns in KINDS.items():
        for pattern in patterns:
            yield from ((kind, path) for path in cache_dir.glob(pattern))
    known = {pattern.split("/")[0] for pattern in chain(*KINDS.values())} | {_LOCK}
    yield from ((OTHER, path) for path in cache_dir.glob("*") if path.name not in known)


def _measured(path: Path, seen: set[tuple[int, int]]) -> tuple[int, float]:
    """Return the bytes of a file or folder, without those already in ``seen``, and its last use.

    A new link to a file, as environments are made of, changes the file's ctime; reading it, now
    and then, its atime; and whoever notes a use touches the folder.
    """
    size, used = 0, 0.0
    for about in statuses(os.fspath(path)):
        used = max(used, about.st_mtime)
        if not stat.S_ISDIR(about.st_mode):
            used = max(used, about.st_atime, about.st_ctime)
            if about.st_nlink == 1 or (about.st_dev, about.st_ino) not in seen:
                size += about.st_size
                seen.add((about.st_dev, about.st_ino))
    return size, used


def statuses(path: str) -> Iterator[os.stat_result]:
    """Yield what the system says of a file, or of a folder and all in it; links are not followed.

    Plain strings: a Path for each of a hundred thousand files takes longer than looking at it.
    """
    yield os.lstat(path)
    folders = [path]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                yield entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)


def chosen(
    found: Sequence[CacheEntry], now: float, older_than: float | None, max_bytes: int | None
) -> list[CacheEntry]:
    """Return what has to go so that the rest is young and small enough; the oldest go first.

    Args:
        found: all there is.
        now: seconds since the epoch.
        older_than: seconds since the last use; None for no such limit.
        max_bytes: of all that stays; None for no such limit.
    """
    total = sum(item.bytes for item in found)
    going = []
    for item in sorted(found, key=lambda item: item.used):
        old = older_than is not None and now - item.used > older_than
        if old or (max_bytes is not None and total > max_bytes):
            going.append(item)
            total -= item.bytes
    return going


def prune(
    cache_dir: Path,
    choose: Callable[[Sequence[CacheEntry]], Sequence[CacheEntry]],
    on_wait: Callable[[Sequence[str]], None],
) -> list[CacheEntry]:
    """Remove what is chosen of all there is, when no run uses it; return what is gone.

    Args:
        cache_dir: the cache.
        choose: says what goes; asked while no run can begin.
        on_wait: told the ids of the runs that are waited for, once, if there are any.

    Raises:
        LockError: the cache cannot be locked.
    """
    with _alone(cache_dir, on_wait):
        gone = list(_renamed(choose(items(cache_dir))))
    for item, path in gone:
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        else:
            path.unlink(missing_ok=True)
        if item.kind == _BUILDS:
            with suppress(OSError):
                path.parent.rmdir()  # The run's own folder, if that was the last build in it.
    return [item for item, _ in gone]


def _renamed(going: Iterable[CacheEntry]) -> Iterator[tuple[CacheEntry, Path]]:
    """Take things out of sight; yield each with its new name."""
    for item in going:
        target = item.path.with_name(f"{_GOING}{secrets.token_hex(8)}")
        with suppress(OSError):  # It stays, and is not told as gone.
            item.path.rename(target)
            yield item, target
