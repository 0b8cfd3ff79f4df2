"""The lock of a source tree: one build at a time on the whole machine, for every backend.

It is flock(2) on the tree's directory, and then on uv's lock file for the tree. A lock on the
directory leaves no file behind, works on read-only trees, and is released by the kernel when its
last holder dies. Hooks inherit the descriptors, so an orphaned hook still holds the lock.

The directory always comes first and stays locked while uv's file is busy. Deadlock is impossible:
every wheelpool takes both in this order, and uv takes only the second.
"""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pool.common.errors import ProjectError, os_error_text
from pool.system.locks import uv_lock
from pool.system.locks.base import FileLock, lock_error_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pool.system.locks.queue import LockQueue

__all__ = ["TreeLock", "tree_lock_queue"]

_COPY = "--copy builds in a copy of the tree"


class TreeLock(FileLock):
    """The locks of one tree; a method that raises closes both.

    Args:
        tree: its directory, by any path.
        environ: has TMPDIR, in which uv's lock file lies.

    Raises:
        ProjectError: the tree does not exist or is no directory; from `lock`: its file system
            has no locks.
    """

    def __init__(self, tree: Path, environ: Mapping[str, str]) -> None:
        super().__init__()
        self._tree = tree
        try:
            self._add(os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), tree)
            self._open_uv_lock(environ)
        except OSError as problem:
            self.close()
            raise ProjectError(f"{tree}: {os_error_text(problem)}") from problem

    def _open_uv_lock(self, environ: Mapping[str, str]) -> None:
        path = uv_lock.lock_path(self._tree.resolve(), environ)
        try:
            self._add(uv_lock.open_lock(path), Path(path))
        except OSError as problem:
            # Where uv cannot lock either (missing TMPDIR, a file of another user), the first lock
            # is enough. Too many open files is a limit of this process: uv could still lock.
            if problem.errno in (errno.EMFILE, errno.ENFILE):
                raise

    def _on_lock_error(self, problem: OSError) -> None:
        if self._locked:
            # The file system of uv's lock file has no locks, so uv cannot lock either.
            os.close(self.fds.pop())
            self._paths.pop()
            return
        self.close()
        reason = lock_error_text(problem, "directories")
        raise ProjectError(f"{self._tree}: {reason}", hint=_COPY) from problem


def tree_lock_queue(environ: Mapping[str, str]) -> LockQueue:
    """Return a queue for the locks of source trees.

    Args:
        environ: has TMPDIR, in which uv's lock files lie.
    """
    from pool.system.locks.queue import LockQueue

    hint = "wait for it, end it, or build in a copy with --copy"
    return LockQueue(partial(TreeLock, environ=environ), hint=hint)
