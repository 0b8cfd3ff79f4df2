"""Changes of the disk, one system call each, and the exchange of two names in one.

A hook sees each before it is done: that is where tests kill the process.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Filesystem", "unwatched"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNABLE = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def unwatched(said: str) -> None:
    """Let everything be done."""


class Filesystem:
    """What changes the disk.

    Args:
        step: is told each change in a few words, before it is made.
        exchanges: whether to exchange names in one call where the system can (Linux has it since
            3.15, most of its file systems too); elsewhere a name is missing for an instant.
    """

    def __init__(self, step: Callable[[str], None] = unwatched, *, exchanges: bool = True) -> None:
        self._step = step
        self._exchanges = exchanges and _renameat2 is not None

    def exchange(self, one: str, other: str) -> bool:
        """Exchange two names; False if system or file system cannot.

        Raises:
            OSError: anything else.
        """
        if not self._exchanges or _renameat2 is None:
            return False
        self._step(f"exchange {one} {other}")
        paths = os.fsencode(one), os.fsencode(other)
        if _renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
            return True
        if (number := ctypes.get_errno()) in _UNABLE:
            return False
        raise OSError(number, os.strerror(number), one, None, other)

    def rename(self, old: str, new: str) -> None:
        """Rename, in place of what has the new name."""
        self._step(f"rename {old} {new}")
        os.rename(old, new)

    def write(self, path: str, content: bytes) -> None:
        """Make a file; it may be torn if this is killed."""
        self._step(f"write {path}")
        with open(path, "wb") as file:
            file.write(content)

    def mkdir(self, path: str) -> None:
        """Make a folder."""
        self._step(f"mkdir {path}")
        os.mkdir(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        self._step(f"rmdir {path}")
        os.rmdir(path)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        self._step(f"unlink {path}")
        os.unlink(path)
