"""Copies a source tree for a build that must not touch it (``--copy``).

The walk is a loop, so depth is bounded only by the longest path of the system. The copy can be
written to whatever the modes of the tree are. Times are kept as far as a zip file can hold them.
Pipes, sockets and devices are no part of a source: they are left out and returned.
"""

# Thousands of files: creating a Path for each takes longer than copying it.
# ruff: noqa: PTH102, PTH115, PTH211
from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pool.common.cancellation import check_cancelled
from pool.common.errors import ProjectError, os_error_text
from pool.sources.archives.tree_writer import clamp_time

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

__all__ = ["copy_tree"]

_CHUNK_BYTES = 1 << 20
# Non-blocking, so that opening a pipe does not wait for its writer.
_READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def copy_tree(tree: Path, into: Path, excluded: Collection[Path] = ()) -> list[str]:
    """Copy a tree into a new folder; return the paths in it that were left out.

    Args:
        tree: its folder, by a path without symbolic links.
        into: the new folder; its parent exists.
        excluded: folders in the tree that are not copied, mainly those of the run.

    Raises:
        ProjectError: a file or folder of the tree cannot be read; it is named.
        OSError: the copy cannot be written.
    """
    skipped = list[str]()
    source, copy = os.fspath(tree), os.fspath(into)
    hidden = frozenset(map(os.path.realpath, excluded))
    folders = [""]
    while folders:
        name = folders.pop()
        check_cancelled()
        os.mkdir(f"{copy}/{name}")
        for entry in _list_folder(f"{source}/{name}".rstrip("/")):
            inner = f"{name}/{entry.name}" if name else entry.name
            if entry.is_symlink():
                with _reading(entry.path):
                    target = os.readlink(entry.path)
                os.symlink(target, f"{copy}/{inner}")
            elif entry.is_dir(follow_symlinks=False):
                if entry.path not in hidden:
                    folders.append(inner)
            elif not (
                entry.is_file(follow_symlinks=False) and _copy_file(entry.path, f"{copy}/{inner}")
            ):
                skipped.append(inner)
    return sorted(skipped)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Turn the errors of reading the tree into one that names the path."""
    try:
        yield
    except OSError as problem:
        raise ProjectError(
            f"{path}: cannot be copied: {os_error_text(problem)}",
            hint="each file of a tree must be readable to copy it",
        ) from problem


def _list_folder(path: str) -> list[os.DirEntry[str]]:
    with _reading(path), os.scandir(path) as entries:
        return list(entries)


def _copy_file(path: str, copy: str) -> bool:
    """Copy a file with its modes and time; return whether it is one."""
    with _reading(path):
        source = os.open(path, _READ_FLAGS)
    try:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            return False
        target = os.open(copy, _WRITE_FLAGS, stat.S_IRUSR | stat.S_IWUSR)
        try:
            _copy_content(path, source, target)
            os.fchmod(target, stat.S_IMODE(status.st_mode) & 0o777 | stat.S_IRUSR | stat.S_IWUSR)
            os.utime(target, (clamp_time(status.st_atime), clamp_time(status.st_mtime)))
        finally:
            os.close(target)
    finally:
        os.close(source)
    return True


def _copy_content(path: str, source: int, target: int) -> None:
    while True:
        check_cancelled()
        with _reading(path):
            chunk = os.read(source, _CHUNK_BYTES)
        if not chunk:
            return
        while chunk:
            chunk = chunk[os.write(target, chunk) :]
