"""A lock file: flock(2) on a file that has no other purpose.

The file is created if it is missing and never removed: another process could hold the lock of the
removed file while a third one locks a new file of that name. A read-only file of another user is
locked, too; flock needs no write permission.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pool.common.errors import LockError, os_error_text
from pool.system.locks.base import FileLock, lock_error_text

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LockFile", "open_lock_file"]

_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


class LockFile(FileLock):
    """The lock of a lock file; a method that raises closes it.

    Args:
        path: the file; its folder must exist.

    Raises:
        LockError: the file can neither be opened nor created; from `lock`: its file system has
            no locks.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        try:
            self._add(open_lock_file(path), path)
        except OSError as problem:
            raise LockError(f"{path}: {os_error_text(problem)}") from problem

    def _on_lock_error(self, problem: OSError) -> None:
        self.close()
        raise LockError(
            f"{self._path}: {lock_error_text(problem, 'files')}",
            hint="use a folder of a local file system: XDG_CACHE_HOME sets that of the cache",
        ) from problem


def open_lock_file(path: Path) -> int:
    """Open a lock file, read-only if it must be; create it if it is missing.

    Raises:
        OSError: the file can neither be opened nor created.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as problem:
        if problem.errno not in _READ_ONLY:
            raise
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
