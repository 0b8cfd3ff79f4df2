"""Finds the process that holds a file lock, in the kernel's lists.

Linux only: elsewhere, and for hidden processes of other users, the holder is None. The module never
guesses, because a wrong name would make the user end the wrong process.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pool.common.model import Holder
from pool.common.text import format_command

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["describe_process", "find_holder"]


def find_holder(fd: int) -> Holder | None:
    """Return the other process that holds the flock on an open file; None if it is unknown."""
    status = os.fstat(fd)
    for pid in _list_lockers(status.st_dev, status.st_ino):
        import psutil

        if pid not in (0, os.getpid()) and psutil.pid_exists(pid):
            return describe_process(pid)
    # The process that took the lock is gone; one that inherited the descriptor holds it now. The
    # same search serves file systems whose device number differs from that in proc_locks(5).
    inheritor = next(_find_inheritors(status), None)
    return describe_process(inheritor) if inheritor else None


def describe_process(pid: int) -> Holder:
    """Return a process as a `Holder`, its command line redacted and without control characters."""
    import psutil

    try:
        process = psutil.Process(pid)
        command = format_command(process.cmdline() or [process.name()])
        return Holder(pid=pid, command=command, since=process.create_time())
    except psutil.Error:
        return Holder(pid=pid)


def _list_lockers(device: int, inode: int) -> Iterator[int]:
    """Yield the pids that took a flock on an inode (proc_locks(5))."""
    device_and_inode = f"{os.major(device):02x}:{os.minor(device):02x}:{inode}"
    with suppress(OSError):
        # One search over the whole text: there can be thousands of locks and of waiters.
        text = Path("/proc/locks").read_text()
        for pid in re.findall(
            rf"^\d+: FLOCK +\S+ +\S+ +(\d+) {device_and_inode} ", text, re.MULTILINE
        ):
            yield int(pid)


def _find_inheritors(status: os.stat_result) -> Iterator[int]:
    """Yield the other processes with a descriptor that holds the lock (proc_pid_fdinfo(5)).

    An open descriptor is not enough: each waiter has the file open, too.
    """
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with suppress(OSError):
            for link in (process / "fd").iterdir():
                with suppress(OSError):
                    if os.path.samestat(link.stat(), status) and _has_lock(process, link.name):
                        yield int(process.name)


def _has_lock(process: Path, fd: str) -> bool:
    return " FLOCK " in (process / "fdinfo" / fd).read_text()
