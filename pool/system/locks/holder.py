"""The process that holds a lock, from the kernel's lists, by its pid and command line.

Linux only; elsewhere, and for other users' hidden processes, the answer is None. A wrong name
would send the user after the wrong process, so nothing here guesses.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pool.common.model import Holder
from pool.common.text import format_command

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["describe", "holder_of"]


def holder_of(fd: int) -> Holder | None:
    """Return who else holds the flock on a file that we have open; None if it is unknown."""
    about = os.fstat(fd)
    for pid in _lockers(about.st_dev, about.st_ino):
        if pid not in (0, os.getpid()) and psutil.pid_exists(pid):
            return describe(pid)
    # The process that locked it has ended or released it; one that inherited it holds it now. The
    # same search finds holders whose file system has another device number than proc_locks(5) says.
    heir = next(_heirs(about), None)
    return describe(heir) if heir else None


def describe(pid: int) -> Holder:
    """Return a process as a holder, its command line cleaned and without credentials."""
    try:
        process = psutil.Process(pid)
        command = format_command(process.cmdline() or [process.name()])
        return Holder(pid=pid, command=command, since=process.create_time())
    except psutil.Error:
        return Holder(pid=pid)


def _lockers(device: int, inode: int) -> Iterator[int]:
    """Yield the pids that took a flock on an inode, as in proc_locks(5)."""
    place = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    with suppress(OSError):
        # One search over the whole text: there can be thousands of locks, and as many who ask.
        text = Path("/proc/locks").read_text()
        for pid in re.findall(rf"^\d+: FLOCK +\S+ +\S+ +(\d+) {place} ", text, re.MULTILINE):
            yield int(pid)


def _heirs(about: os.stat_result) -> Iterator[int]:
    """Yield the other processes with a descriptor that holds the lock, as in proc_pid_fdinfo(5).

    Having the file open is not enough: so has everyone else who waits for it.
    """
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with suppress(OSError):
            for link in (process / "fd").iterdir():
                with suppress(OSError):
                    if os.path.samestat(link.stat(), about) and _locks(process, link.name):
                        yield int(process.name)


def _locks(process: Path, fd: str) -> bool:
    return " FLOCK " in (process / "fdinfo" / fd).read_text()
