"""The two locks of one source tree, open: flock(2) on its directory, and on uv's file for it.

The directory always comes first and stays locked while uv's file is busy. Processes
cannot deadlock: all that take both take them in this order, and uv takes only the second.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pool.common.errors import ProjectError, os_error_text
from pool.system.locks import uv_lock as uvlock
from pool.system.locks.base import FileLock, why_not

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TreeLock"]

_COPY = "--copy builds in a copy of the tree"


class TreeLock(FileLock):
    """The descriptors of a tree's locks; all are closed if an error is raised.

    Args:
        tree: its directory, by any name.
        environ: where TMPDIR is looked up, which decides on uv's lock file.

    Raises:
        ProjectError: the tree is gone or is no directory; from `lock`, its file system has no
            locks.
    """

    def __init__(self, tree: Path, environ: Mapping[str, str]) -> None:
        super().__init__()
        self._tree = tree
        try:
            self._opened(os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), tree)
            self._open_uvs(environ)
        except OSError as problem:
            self.close()
            raise ProjectError(f"{tree}: {os_error_text(problem)}") from problem

    def _open_uvs(self, environ: Mapping[str, str]) -> None:
        path = uvlock.lock_path(self._tree.resolve(), environ)
        try:
            self._opened(uvlock.open_lock(path), Path(path))
        except OSError as problem:
            # Where uv cannot lock either (no such TMPDIR, another's file), the first lock is all.
            # Too many open files is our own trouble: uv could lock meanwhile.
            if problem.errno in (errno.EMFILE, errno.ENFILE):
                raise

    def _refused(self, problem: OSError) -> None:
        if self._locked:
            # uv's file is where files cannot be locked, by uv as little as by us.
            os.close(self.fds.pop())
            self._names.pop()
            return
        self.close()
        reason = why_not(problem, "directories")
        raise ProjectError(f"{self._tree}: {reason}", hint=_COPY) from problem
