"""A file lock: the descriptors of its files, each locked in turn by flock(2).

Deliberately without waiting and asyncio: it tries to lock and returns whether that worked. A file
that is locked stays locked while the next one is busy. All processes lock the files in one order,
so they cannot deadlock.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from filelock import lock_descriptor

from pool.common.errors import os_error_text
from pool.system.locks.holder import holder_of

if TYPE_CHECKING:
    from pathlib import Path

    from pool.common.model import Holder

__all__ = ["FileLock", "LockKey", "why_not"]

LockKey = tuple[int, int]
"""Device and inode: all names of a file are one file."""

_NO_LOCKS = {
    errno.ENOLCK,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EINVAL,
    # NFS makes a flock a lock of the whole file, and wants the file open for writing.
    errno.EBADF,
}


class FileLock:
    """Open descriptors, and the names they were opened by; the first tells which lock it is."""

    def __init__(self) -> None:
        self.fds: list[int] = []
        """The open descriptors, in the order in which they are locked."""
        self._names: list[Path] = []
        self._locked = 0

    def _opened(self, fd: int, name: Path) -> None:
        self.fds.append(fd)
        self._names.append(name)
        if len(self.fds) == 1:
            about = os.fstat(fd)
            self.key: LockKey = (about.st_dev, about.st_ino)

    @property
    def current(self) -> bool:
        """Whether the names still lead to what is open; it can be replaced during a wait."""
        try:
            return bool(self.fds) and all(
                os.path.samestat(os.fstat(fd), name.stat())
                for fd, name in zip(self.fds, self._names, strict=True)
            )
        except OSError:
            return False

    def lock(self) -> bool:
        """Go on from what is locked already; return whether all is. Never blocks.

        Raises:
            PoolError: it cannot be locked at all; nothing is left open then.
        """
        while self._locked < len(self.fds):
            try:
                if not lock_descriptor(self.fds[self._locked], blocking=False):
                    return False
                self._locked += 1
            except OSError as problem:
                self._refused(problem)
        return True

    def _refused(self, problem: OSError) -> None:
        """Do without the file that cannot be locked, or close all and raise."""
        raise NotImplementedError

    def holder(self) -> Holder | None:
        """Return who else holds the lock that is tried for; None if it is unknown."""
        return holder_of(self.fds[self._locked]) if self._locked < len(self.fds) else None

    def close(self) -> None:
        """Let go; the kernel frees the lock once no process has it open."""
        while self.fds:
            os.close(self.fds.pop())


def why_not(problem: OSError, what: str) -> str:
    """Return why a file or directory cannot be locked."""
    if problem.errno in _NO_LOCKS:
        return f"its file system has no locks for {what}"
    return f"cannot be locked: {os_error_text(problem)}"
