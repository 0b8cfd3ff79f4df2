"""Changes of the file system, each a single system call, with an atomic exchange of two names.

A callback gets each change before it is made, so that tests can kill the process at any of them.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Filesystem", "ignore_change"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def ignore_change(change: str) -> None:
    """Do nothing: the default callback."""


class Filesystem:
    """Makes changes of the file system.

    Args:
        on_change: called with a description of each change before it is made.
        use_exchange: exchange names in one call if the system and the file system can (Linux since
            3.15, and most of its file systems). Otherwise a name is missing for an instant.
    """

    def __init__(
        self, on_change: Callable[[str], None] = ignore_change, *, use_exchange: bool = True
    ) -> None:
        self._on_change = on_change
        self._use_exchange = use_exchange and _renameat2 is not None

    def exchange(self, one: str, other: str) -> bool:
        """Exchange two names atomically.

        Returns:
            False, without a change, if the system or the file system cannot do it.

        Raises:
            OSError: the exchange failed for another reason.
        """
        if not self._use_exchange or _renameat2 is None:
            return False
        self._on_change(f"exchange {one} {other}")
        paths = os.fsencode(one), os.fsencode(other)
        if _renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
            return True
        if (number := ctypes.get_errno()) in _UNSUPPORTED:
            return False
        raise OSError(number, os.strerror(number), one, None, other)

    def rename(self, old: str, new: str) -> None:
        """Rename a file or folder; an existing file of the new name is replaced."""
        self._on_change(f"rename {old} {new}")
        os.rename(old, new)

    def write(self, path: str, content: bytes) -> None:
        """Create a file; it may be incomplete if the process is killed meanwhile."""
        self._on_change(f"write {path}")
        with open(path, "wb") as file:
            file.write(content)

    def mkdir(self, path: str) -> None:
        """Create a folder."""
        self._on_change(f"mkdir {path}")
        os.mkdir(path)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        self._on_change(f"rmdir {path}")
        os.rmdir(path)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        self._on_change(f"unlink {path}")
        os.unlink(path)
