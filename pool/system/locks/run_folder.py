"""A folder that belongs to one process: the owner holds an exclusive flock on it while it lives.

The kernel releases the lock when the owner dies, however it dies, so other processes can tell the
folder of a live owner from an abandoned one without pid files or timeouts.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from pool.common.errors import LockError
from pool.system.locks.base import lock_error_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["RunFolderLock", "abandoned_folders", "is_owned", "locked_folder"]

_ATTEMPTS = 100
"""Another process may remove the new folder, or its empty parent, between two system calls."""


class RunFolderLock:
    """The lock of one folder; `release` it, or use it as a context manager."""

    def __init__(self, folder: Path, fd: int) -> None:
        self.folder = folder
        self._fd = fd

    @classmethod
    def create(cls, folder: Path, *, mode: int = 0o777) -> Self:
        """Create a folder that is locked from the moment it has its name.

        It is made and locked under a name that begins with a dot, and then renamed. A missing
        parent is created.

        Raises:
            LockError: the file system has no locks.
            OSError: no space, no permission.
        """
        for _ in range(_ATTEMPTS):
            with suppress(FileNotFoundError):
                return cls._create(folder, mode)
        return cls._create(folder, mode)

    @classmethod
    def _create(cls, folder: Path, mode: int) -> Self:
        # Not `exist_ok`, which checks the parent again: it may be gone by then.
        with suppress(FileExistsError):
            folder.parent.mkdir(parents=True)
        unnamed = folder.with_name(f".{os.urandom(8).hex()}")
        unnamed.mkdir(mode)
        fd = _open(unnamed)
        try:
            _lock(fd, folder)
            unnamed.rename(folder)
        except BaseException:
            os.close(fd)
            with suppress(OSError):
                unnamed.rmdir()
            raise
        return cls(folder, fd)

    @classmethod
    def take_over(cls, folder: Path) -> Self | None:
        """Lock a folder whose owner is dead; None if the owner lives or it cannot be opened."""
        try:
            fd = _open(folder)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return None
        return cls(folder, fd)

    def release(self) -> None:
        """Release the lock; the folder stays."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def abandoned_folders(parent: Path) -> Iterator[RunFolderLock]:
    """Yield the folders below a parent whose owner is dead, in order of their names.

    The caller releases each lock.
    """
    try:
        folders = sorted(parent.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for folder in folders:
        if (lock := RunFolderLock.take_over(folder)) is not None:
            yield lock


def is_owned(folder: Path) -> bool:
    """Return whether a live process holds the lock of a folder."""
    try:
        fd = _open(folder)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # The file system has no locks.
        return False
    finally:
        os.close(fd)
    return False


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of an existing folder for a short critical section; waits for it.

    Threads of one process exclude each other, too: each has an open file description of its own.

    Raises:
        LockError: the file system has no locks.
        OSError: the folder cannot be opened.
    """
    fd = _open(folder)
    try:
        _lock(fd, folder)
        yield
    finally:
        os.close(fd)


def _lock(fd: int, folder: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
    except OSError as problem:
        raise LockError(
            f"{folder}: {lock_error_text(problem, 'directories')}",
            hint="use a folder of a local file system: XDG_CACHE_HOME sets that of the cache",
        ) from problem


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
