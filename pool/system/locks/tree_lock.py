"""Locks on source trees: one builder at a time on the whole machine, for every backend.

The lock is flock(2) on the tree's own directory: no file is left behind, it works on read-only
trees, and the kernel lets go of it when its last holder dies. Hooks inherit the descriptor, so
an orphaned hook still holds it. uv's lock file for the tree is taken as well (see `pair`); how
trees are waited for is in `locks`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pool.system.locks.lock_pair import TreeLock
from pool.system.locks.queue import LockGuard, LockQueue

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LockGuard", "TreeLocks"]


class TreeLocks(LockQueue):
    """All tree locks of one pool; belongs to one event loop.

    Args:
        environ: where TMPDIR is looked up, which decides on uv's lock file.
    """

    def __init__(self, *, environ: Mapping[str, str]) -> None:
        super().__init__(
            partial(TreeLock, environ=environ),
            hint="wait for it, end it, or build in a copy with --copy",
        )
