"""An open lock: file descriptors that are locked one after the other with flock(2).

`FileLock.lock` never blocks and uses no asyncio: it tries, and returns whether all is locked. A
descriptor that is locked stays locked while the next one is busy. Deadlock is impossible as long
as every process locks the files in the same order.
"""

from __future__ import annotations

import errno
import fcntl
import os
from typing import TYPE_CHECKING

from pool.common.errors import os_error_text
from pool.system.locks.holder import find_holder

if TYPE_CHECKING:
    from pathlib import Path

    from pool.common.model import Holder

__all__ = ["FileLock", "LockKey", "lock_error_text", "try_lock"]

LockKey = tuple[int, int]
"""Device and inode: all names of a file lead to the same lock."""

_UNSUPPORTED = {
    errno.ENOLCK,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EINVAL,
    # NFS emulates flock with a lock of the whole file, which must be open for writing.
    errno.EBADF,
}


class FileLock:
    """Open descriptors and their paths; the inode of the first identifies the lock."""

    def __init__(self) -> None:
        self.fds: list[int] = []
        """The open descriptors, in locking order."""
        self._paths: list[Path] = []
        self._locked = 0

    def _add(self, fd: int, name: Path) -> None:
        self.fds.append(fd)
        self._paths.append(name)
        if len(self.fds) == 1:
            status = os.fstat(fd)
            self.key: LockKey = (status.st_dev, status.st_ino)

    @property
    def is_current(self) -> bool:
        """Whether the paths still lead to the open files; a file can be replaced during a wait."""
        try:
            return bool(self.fds) and all(
                os.path.samestat(os.fstat(fd), name.stat())
                for fd, name in zip(self.fds, self._paths, strict=True)
            )
        except OSError:
            return False

    def lock(self) -> bool:
        """Lock the descriptors that are not locked yet; return whether all are. Never blocks.

        Raises:
            PoolError: a file cannot be locked at all; all descriptors are closed then.
        """
        while self._locked < len(self.fds):
            try:
                if not try_lock(self.fds[self._locked]):
                    return False
                self._locked += 1
            except OSError as problem:
                self._on_lock_error(problem)
        return True

    def _on_lock_error(self, problem: OSError) -> None:
        """Drop the file that cannot be locked, or close all files and raise."""
        raise NotImplementedError

    def holder(self) -> Holder | None:
        """Return the process that holds the next lock; None if the system does not tell."""
        return find_holder(self.fds[self._locked]) if self._locked < len(self.fds) else None

    def close(self) -> None:
        """Close the descriptors; the lock lives on in child processes that inherited them."""
        while self.fds:
            os.close(self.fds.pop())


def try_lock(fd: int) -> bool:
    """Lock a descriptor; return False if another process has locked its file.

    The same as ``lock_descriptor`` of filelock, whose import every build would wait for.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_error_text(problem: OSError, what: str) -> str:
    """Return why files or directories cannot be locked.

    Args:
        problem: the error of flock.
        what: ``files`` or ``directories``.
    """
    if problem.errno in _UNSUPPORTED:
        return f"its file system has no locks for {what}"
    return f"cannot be locked: {os_error_text(problem)}"
