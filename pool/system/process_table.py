"""The processes of the machine, with the facts that samples need.

On Linux ``/proc/PID/stat`` is read once for each process, some ten microseconds each. Other systems
use psutil, which answers the same questions more slowly.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psutil

from pool.common.clock import Clock, SystemClock
from pool.common.record import MutableRecord
from pool.common.text import clean_text, format_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "LinuxProcessTable",
    "ProcessDetails",
    "ProcessEntry",
    "ProcessTable",
    "PsutilProcessTable",
    "system_process_table",
]

_MAX_READ_BYTES = 4096
_MAX_COMMAND = 400
"""Characters: a compiler has its source file late in the line, a hook has two long paths."""
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)
"""Errors that make a whole sample invalid. Any other error means that one process has ended or
cannot be read."""


class ProcessEntry(MutableRecord):
    """One process at one moment."""

    pid: int
    ppid: int
    session: int
    name: str
    rss: int
    cpu: float
    """Processor seconds used so far."""
    started: float
    """A time in the system's own unit; with the pid it identifies a process forever."""
    age: float
    """Seconds since the start."""

    @property
    def life(self) -> tuple[int, float]:
        """The identity of the process."""
        return (self.pid, self.started)

    @property
    def identity(self) -> tuple[int, float, str]:
        """The identity of the program that the process runs; ``exec`` changes it."""
        return (self.pid, self.started, self.name)


class ProcessDetails(MutableRecord):
    """Facts that are read only in the first samples of a process."""

    command: str
    mark: str


class ProcessTable(Protocol):
    """The processes of the machine.

    Raises:
        OSError: no descriptor is free (too many open files).
    """

    def processes(self) -> Iterable[ProcessEntry]:
        """Return all running processes."""
        ...

    def read_details(self, pid: int) -> ProcessDetails:
        """Return the details of one process; empty ones if it is gone or cannot be read."""
        ...


def system_process_table() -> ProcessTable:
    """Return the process table of this system."""
    return LinuxProcessTable() if sys.platform == "linux" else PsutilProcessTable()


class LinuxProcessTable:
    """Linux: proc(5), read directly."""

    def __init__(self) -> None:
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._hertz = os.sysconf("SC_CLK_TCK")

    def processes(self) -> Iterator[ProcessEntry]:
        """Yield all running processes."""
        with os.scandir("/proc") as entries:
            pids = [entry.name for entry in entries if entry.name.isdigit()]
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        for pid in pids:
            if stat := _read_stat(pid):
                yield self._parse(pid, stat, since_boot)

    def _parse(self, pid: str, stat: bytes, since_boot: float) -> ProcessEntry:
        head, _, tail = stat.rpartition(b")")
        fields = tail.split()
        return ProcessEntry(
            pid=int(pid),
            ppid=int(fields[1]),
            session=int(fields[3]),
            name=clean_text(head.partition(b"(")[2].decode("utf-8", "replace")),
            rss=int(fields[21]) * self._page,
            cpu=(int(fields[11]) + int(fields[12])) / self._hertz,
            started=float(fields[19]),
            age=since_boot - int(fields[19]) / self._hertz,
        )

    def read_details(self, pid: int) -> ProcessDetails:
        """Read the command line and the marker of one process."""
        folder = Path("/proc", str(pid))
        arguments = _read_file(folder / "cmdline", _MAX_READ_BYTES).rstrip(b"\0")
        words = arguments.decode("utf-8", "replace").split("\0") if arguments else []
        mark = b""
        for variable in _read_file(folder / "environ").split(b"\0"):
            if variable.startswith(b"WHEELPOOL_BUILD="):
                mark = variable.partition(b"=")[2]
        return ProcessDetails(format_command(words, _MAX_COMMAND), os.fsdecode(mark))


def _read_stat(pid: str) -> bytes:
    # A file object would cost more than the reading, and each process is read.
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(fd, _MAX_READ_BYTES)
        finally:
            os.close(fd)
    except OSError as problem:
        if problem.errno in _NO_DESCRIPTOR:
            raise
        return b""


def _read_file(path: Path, size: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as problem:
        if problem.errno in _NO_DESCRIPTOR:
            raise
        return b""


class PsutilProcessTable:
    """Other systems: psutil."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def processes(self) -> Iterator[ProcessEntry]:
        """Yield all running processes."""
        now = self._clock.now().timestamp()
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError), process.oneshot():
                times = process.cpu_times()
                yield ProcessEntry(
                    pid=process.pid,
                    ppid=process.ppid(),
                    session=os.getsid(process.pid),
                    name=process.name(),
                    rss=process.memory_info().rss,
                    cpu=times.user + times.system,
                    started=process.create_time(),
                    age=now - process.create_time(),
                )

    def read_details(self, pid: int) -> ProcessDetails:
        """Read the command line and the marker of one process."""
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            mark = process.environ().get("WHEELPOOL_BUILD", "")
            return ProcessDetails(format_command(process.cmdline(), _MAX_COMMAND), mark)
        return ProcessDetails("", "")
