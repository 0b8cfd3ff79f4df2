"""A lock file, open: flock(2) on a file that is there for nothing else.

The file is created if it is missing, and its lock never removes it: without the name, the next
process would lock another file. A file of another user that is only readable can be locked as
well: flock needs no more.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from pool.common.errors import LockError, os_error_text
from pool.system.locks.base import FileLock, why_not

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LockFile", "open_file"]

_ONLY_READ = (errno.EACCES, errno.EPERM, errno.EROFS)


class LockFile(FileLock):
    """The descriptor of a lock file; it is closed if an error is raised.

    Args:
        path: the file; its folder has to be there.

    Raises:
        LockError: it can neither be opened nor made; from `lock`, its file system has no locks.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        try:
            self._opened(open_file(path), path)
        except OSError as problem:
            raise LockError(f"{path}: {os_error_text(problem)}") from problem

    def _refused(self, problem: OSError) -> None:
        self.close()
        raise LockError(f"{self._path}: {why_not(problem, 'files')}") from problem


def open_file(path: Path) -> int:
    """Open a lock file, for reading alone if it must be; make it if there is none.

    Raises:
        OSError: it can neither be opened nor made.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as problem:
        if problem.errno not in _ONLY_READ:
            raise
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
