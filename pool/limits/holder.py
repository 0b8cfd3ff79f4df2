"""Who holds a lock: read from the kernel's list, put into words a user knows.

Linux only; elsewhere, and for other users' hidden processes, the answer is None.
"""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pool.model import Holder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["describe", "holder_of"]

_LONGEST = 200
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")


def holder_of(fd: int) -> Holder | None:
    """Return who else holds the flock on a file that we have open; None where nobody tells."""
    about = os.fstat(fd)
    for pid in _lockers(about.st_dev, about.st_ino):
        if pid not in (0, os.getpid()) and psutil.pid_exists(pid):
            return describe(pid)
    # Whoever locked it is gone, or let go of it; a process that inherited it holds it now.
    heir = next(_openers(about.st_dev, about.st_ino), None)
    return describe(heir) if heir else None


def describe(pid: int) -> Holder:
    """Return a process as a holder, its command line cleaned and without credentials."""
    try:
        process = psutil.Process(pid)
        command = shlex.join(process.cmdline()) or process.name()
        return Holder(pid=pid, command=_clean(command), since=process.create_time())
    except psutil.Error:
        return Holder(pid=pid)


def _clean(command: str) -> str:
    return _USERINFO.sub("***@", _CONTROLS.sub(" ", command))[:_LONGEST]


def _lockers(device: int, inode: int) -> Iterator[int]:
    """Yield the pids that hold a flock on an inode, as in proc_locks(5)."""
    where = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        match line.split():
            case [_, "FLOCK", _, _, pid, place, *_] if place == where:
                yield int(pid)


def _openers(device: int, inode: int) -> Iterator[int]:
    """Yield the other processes that have an inode open."""
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with suppress(OSError):
            for link in (process / "fd").iterdir():
                with suppress(OSError):
                    about = link.stat()
                    if (about.st_dev, about.st_ino) == (device, inode):
                        yield int(process.name)
