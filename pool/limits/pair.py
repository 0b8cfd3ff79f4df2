"""The two locks of one source tree, open: flock(2) on its directory, and on uv's file for it.

Deliberately no waiting, no asyncio: a pair tries, and says whether it worked. The directory always
comes first and stays locked while uv's file is busy. Nobody can wait in a circle: everyone who
takes both takes them in this order, and uv takes only the second.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import lock_descriptor

from pool.errors import ProjectError
from pool.limits import uvlock
from pool.limits.holder import holder_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pool.model import Holder

__all__ = ["LockPair", "TreeKey"]

TreeKey = tuple[int, int]
"""Device and inode: all names of a tree are one tree."""

_NO_LOCKS = {
    errno.ENOLCK,
    errno.EOPNOTSUPP,
    errno.ENOSYS,
    errno.EINVAL,
    # NFS makes a flock a lock of the whole file, and wants the file open for writing.
    errno.EBADF,
}
_COPY = "--copy builds in a copy of the tree"


class LockPair:
    """The descriptors of a tree's locks; whatever raises leaves none of them open.

    Args:
        tree: its directory, by any name.
        environ: where TMPDIR is looked up, which decides on uv's lock file.

    Raises:
        ProjectError: the tree is gone or is no directory.
    """

    def __init__(self, tree: Path, environ: Mapping[str, str]) -> None:
        self.fds: list[int] = []
        """What is open: the directory, and uv's file where there can be one."""
        self._tree = tree
        self._names = [tree]
        self._locked = 0
        try:
            self.fds.append(os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            about = os.fstat(self.fds[0])
            self.key: TreeKey = (about.st_dev, about.st_ino)
            self._open_uvs(environ)
        except OSError as problem:
            self.close()
            raise ProjectError(f"{tree}: {(problem.strerror or '').lower()}") from problem

    def _open_uvs(self, environ: Mapping[str, str]) -> None:
        path = uvlock.lock_path(self._tree.resolve(), environ)
        try:
            self.fds.append(uvlock.open_lock(path))
            self._names.append(Path(path))
        except OSError as problem:
            # Where uv cannot lock either (no such TMPDIR, another's file), the first lock is all.
            # Too many open files is our own trouble: uv could lock meanwhile.
            if problem.errno in (errno.EMFILE, errno.ENFILE):
                raise

    @property
    def current(self) -> bool:
        """Whether the names still lead to what is open; both can be replaced during a wait."""
        try:
            return bool(self.fds) and all(
                os.path.samestat(os.fstat(fd), name.stat())
                for fd, name in zip(self.fds, self._names, strict=True)
            )
        except OSError:
            return False

    def lock(self) -> bool:
        """Go on from what is locked already; return whether both are. Never blocks.

        Raises:
            ProjectError: the tree's file system has no locks.
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
        if self._locked:
            # uv's file is where files cannot be locked, by uv as little as by us.
            os.close(self.fds.pop())
            self._names.pop()
            return
        self.close()
        reason = "its file system has no locks for directories"
        if problem.errno not in _NO_LOCKS:
            reason = f"cannot be locked: {(problem.strerror or '').lower()}"
        raise ProjectError(f"{self._tree}: {reason}", hint=_COPY) from problem

    def holder(self) -> Holder | None:
        """Return who else holds the lock that is tried for; None where nobody tells."""
        return holder_of(self.fds[self._locked]) if self._locked < len(self.fds) else None

    def close(self) -> None:
        """Let go; the kernel frees the tree when no hook has it open any more."""
        while self.fds:
            os.close(self.fds.pop())
