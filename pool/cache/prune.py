"""Lists the content of the cache and removes what a selection names.

All of it can be created again, so anything may be removed that no run uses. Each run holds a
shared flock on the cache's lock file from start to end. Pruning takes it exclusively: it waits for
the live runs, and new runs wait for it, but only until the selected entries are renamed. The files
are deleted after the lock is released.

The module deliberately does not parse any entry: each is a file or folder with a size and a time.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pool.common.cache_layout import CacheLayout
from pool.common.errors import LockError, os_error_text
from pool.common.files import remove_tree
from pool.common.record import Record
from pool.system.locks.base import lock_error_text
from pool.system.locks.lock_file import open_lock_file
from pool.system.locks.run_folder import is_owned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

__all__ = [
    "CacheEntry",
    "PruneResult",
    "list_entries",
    "list_live_runs",
    "prune_cache",
    "select_entries",
    "shared_cache_lock",
    "walk_stats",
]

_BUILDS = "build folders"
_ENVIRONMENTS = "build environments"
_OTHER = "other"
"""The kind of everything that `CacheLayout` does not name: folders of other versions."""
_REMOVED_PREFIX = ".removed-"


class CacheEntry(Record, frozen=True, kw_only=True):
    """A file or folder that is removed as a whole."""

    kind: str
    path: Path
    bytes: int
    """Size of its files; a file that is hardlinked into several entries counts for the first."""
    last_used: float
    """Seconds since the epoch, as far as the times of its files show."""


class PruneResult(Record, frozen=True, kw_only=True):
    """The entries that are gone, and the paths that could not be removed."""

    removed: list[CacheEntry]
    left: list[Path]


@contextmanager
def shared_cache_lock(cache_dir: Path) -> Iterator[None]:
    """Prevent pruning while a run uses the cache; waits while another process prunes.

    Raises:
        LockError: the lock file cannot be created.
    """
    fd = _open_lock_file(cache_dir)
    try:
        # On a file system without locks pruning fails, so no lock is needed.
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


@contextmanager
def _exclusive_cache_lock(
    cache_dir: Path, on_wait: Callable[[Sequence[str]], None]
) -> Iterator[None]:
    fd = _open_lock_file(cache_dir)
    try:
        _lock_exclusively(fd, cache_dir, on_wait)
        yield
    finally:
        os.close(fd)


def _lock_exclusively(fd: int, cache_dir: Path, on_wait: Callable[[Sequence[str]], None]) -> None:
    from filelock import (
        lock_descriptor,
    )  # Every run imports this module, and none locks exclusively.

    try:
        if not lock_descriptor(fd, blocking=False):
            on_wait(list_live_runs(cache_dir))
            lock_descriptor(fd)
    except OSError as problem:
        path = CacheLayout(cache_dir).lock_file
        raise LockError(f"{path}: {lock_error_text(problem, 'files')}") from problem


def _open_lock_file(cache_dir: Path) -> int:
    path = CacheLayout(cache_dir).lock_file
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        return open_lock_file(path)
    except OSError as problem:
        raise LockError(f"{path}: {os_error_text(problem)}") from problem


def list_live_runs(cache_dir: Path) -> list[str]:
    """Return the ids of the runs whose process lives and has a folder in the cache."""
    folders = CacheLayout(cache_dir).builds.glob("[!.]*")
    return sorted(folder.name for folder in folders if is_owned(folder))


def list_entries(cache_dir: Path) -> list[CacheEntry]:
    """Return all entries of a cache; an entry that another process removes is left out."""
    counted = set[tuple[int, int]]()
    entries = []
    for kind, path in _list_paths(CacheLayout(cache_dir)):
        with suppress(FileNotFoundError):
            size, last_used = _measure(path, counted)
            entries.append(CacheEntry(kind=kind, path=path, bytes=size, last_used=last_used))
    return entries


def _list_paths(cache: CacheLayout) -> Iterator[tuple[str, Path]]:
    """Yield the kind and path of each entry."""
    folders = _entry_folders(cache)
    for kind, folder, pattern in folders:
        yield from ((kind, path) for path in folder.glob(pattern))
    known = {folder.relative_to(cache.root).parts[0] for _, folder, _ in folders}
    known.add(cache.lock_file.name)
    yield from ((_OTHER, path) for path in cache.root.glob("*") if path.name not in known)


def _entry_folders(cache: CacheLayout) -> tuple[tuple[str, Path, str], ...]:
    """Return kind, folder and pattern of all entries; the order is that of ``cache info``."""
    return (
        ("built wheels", cache.built_wheels, "*"),
        ("notes of builds", cache.wheel_keys, "*"),
        ("notes of builds", cache.hook_requires, "*"),
        ("notes of builds", cache.projects, "*"),
        ("notes of builds", cache.build_locks, "*"),
        ("notes of builds", cache.environment_notes, "*"),
        ("downloaded files", cache.downloads, "*"),
        ("unpacked wheels", cache.unpacked_wheels, "*/*"),
        (_ENVIRONMENTS, cache.environments, "*"),
        ("index pages", cache.index_pages, "*"),
        ("git repositories", cache.git, "*"),
        ("shims", cache.shims, "*"),
        ("template environments", cache.templates, "*"),
        (_BUILDS, cache.builds, "*/*"),
    )


def _measure(path: Path, counted: set[tuple[int, int]]) -> tuple[int, float]:
    """Return the bytes of a file or folder and the time of its last use.

    A new hardlink to a file, as environments consist of, changes the file's ctime. Reading it
    changes its atime now and then. A cache that notes a use touches the folder.

    Args:
        path: the entry.
        counted: device and inode of hardlinked files that other entries have; updated.
    """
    size, last_used = 0, 0.0
    for status in walk_stats(os.fspath(path)):
        last_used = max(last_used, status.st_mtime)
        if not stat.S_ISDIR(status.st_mode):
            last_used = max(last_used, status.st_atime, status.st_ctime)
            if status.st_nlink == 1 or (status.st_dev, status.st_ino) not in counted:
                size += status.st_size
                counted.add((status.st_dev, status.st_ino))
    return size, last_used


def walk_stats(path: str) -> Iterator[os.stat_result]:
    """Yield the status of a file, or of a folder and all its content; links are not followed.

    Plain strings: a Path for each of a hundred thousand files takes longer than its status.
    """
    yield os.lstat(path)
    folders = [path]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                yield entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)


def select_entries(
    entries: Sequence[CacheEntry], now: float, older_than: float | None, max_bytes: int | None
) -> list[CacheEntry]:
    """Return the entries to remove, least recently used first.

    Args:
        entries: all entries.
        now: seconds since the epoch.
        older_than: remove entries unused for longer, in seconds; None for no such limit.
        max_bytes: remove more entries until the rest is this small; None for no such limit.
    """
    total = sum(entry.bytes for entry in entries)
    selected = []
    for entry in sorted(entries, key=lambda entry: entry.last_used):
        is_old = older_than is not None and now - entry.last_used > older_than
        if is_old or (max_bytes is not None and total > max_bytes):
            selected.append(entry)
            total -= entry.bytes
    return selected


def prune_cache(
    cache_dir: Path,
    select: Callable[[Sequence[CacheEntry]], Sequence[CacheEntry]],
    on_wait: Callable[[Sequence[str]], None],
) -> PruneResult:
    """Remove the selected entries as soon as no run uses the cache.

    Args:
        cache_dir: the cache.
        select: returns the entries to remove; called while no run can start.
        on_wait: called once with the ids of live runs, if pruning has to wait for any.

    Raises:
        LockError: the cache cannot be locked.
    """
    result = PruneResult(removed=[], left=[])
    with _exclusive_cache_lock(cache_dir, on_wait):
        hidden = list(_hide(select(list_entries(cache_dir)), result))
    for entry, path in hidden:
        if left := _remove(entry, path):
            result.left.extend(left)
        else:
            result.removed.append(entry)
    return result


def _hide(entries: Iterable[CacheEntry], result: PruneResult) -> Iterator[tuple[CacheEntry, Path]]:
    """Rename entries, so that no run finds them; yield each with its new path."""
    for entry in entries:
        path = entry.path.with_name(f"{_REMOVED_PREFIX}{os.urandom(8).hex()}")
        try:
            if entry.kind == _ENVIRONMENTS:
                _rename_unused(entry.path, path)
            else:
                entry.path.rename(path)
        except FileNotFoundError:
            continue  # Its run removed it.
        except OSError:
            result.left.append(entry.path)
            continue
        yield entry, path


def _rename_unused(environment: Path, path: Path) -> None:
    """Rename a build environment, unless a process uses it that has outlived its run.

    Raises:
        OSError: it is in use, or cannot be renamed.
    """
    fd = os.open(environment, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        environment.rename(path)
    finally:
        os.close(fd)


def _remove(entry: CacheEntry, path: Path) -> list[Path]:
    """Delete a hidden entry; return the paths that could not be removed."""
    left = remove_tree(path)
    if entry.kind == _BUILDS:
        with suppress(OSError):  # The run's folder, if that was its last build.
            path.parent.rmdir()
    return left
