"""Folders whose content other users may change: what is in them is used without a check.

A group that has write access counts as the user's choice, as a shared cache is.
"""

from __future__ import annotations

import fcntl
import os
import stat
from typing import TYPE_CHECKING

from pool.common.errors import os_error_text

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["describe_foreign_access", "lock_obstacle"]


def describe_foreign_access(folder: Path) -> str:
    """Return why other users can change a folder; empty if they cannot or it does not exist.

    The superuser can change all folders and does not count.
    """
    try:
        status = folder.stat()
    except OSError:
        return ""
    if status.st_mode & stat.S_IWOTH:
        return "every user may write to it"
    if status.st_uid not in (os.geteuid(), 0):
        return f"it belongs to another user (uid {status.st_uid})"
    return ""


def lock_obstacle(folder: Path) -> str:
    """Return why a folder cannot be locked with flock(2), or nothing. Changes nothing."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as problem:
        return os_error_text(problem)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return ""  # Another process has locked it, so it can be locked.
    except OSError as problem:
        return os_error_text(problem)
    finally:
        os.close(fd)
    return ""
