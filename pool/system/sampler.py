"""What builds cost: one look at all processes of the machine serves all builds.

On Linux it reads ``/proc/PID/stat`` once for each process, some ten microseconds each; command
lines and markers only at the first two looks: at the first one it may be a fork that has not become
what it will be, and shows its parent's. Elsewhere psutil answers the same questions.

A process belongs to a build if it descends from the hook, is of the hook's session, or has the
build's marker in its environment (it was daemonised, and pid 1 or the pool adopted it). Daemons
that clean their environment are known if an earlier look has seen them below the hook.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import psutil

from pool.common.clock import Clock, SystemClock
from pool.common.model import BuildId, ProcessSample
from pool.common.text import clean_text, format_command
from pool.system.pss import PssSampler

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pool.common.model import RunId

__all__ = ["Sample", "Sampler", "TreeUsage"]

_MOST_READ = 4096
_LONGEST_COMMAND = 400
"""Characters: what is compiled comes late in a compiler's, and a hook's has two long paths."""
_SHORTEST_AGE = 0.1
"""Seconds: of a process that has just begun, percentages say nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeUsage:
    """One build's process tree at one moment."""

    processes: tuple[ProcessSample, ...]
    """Parents before their children."""
    rss: int
    """Bytes, summed: pages that are shared count in every process."""
    pss: int | None = None
    """Bytes, shared pages counted once; None where it was not weighed this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """All builds and the machine at one moment; bytes."""

    builds: dict[BuildId, TreeUsage]
    total: int
    available: int


@dataclass(slots=True)
class _Process:
    pid: int
    ppid: int
    session: int
    name: str
    rss: int
    cpu: float
    """Seconds used so far."""
    started: float
    """With the pid, it is a process's own for ever."""
    age: float
    """Seconds since then."""

    @property
    def life(self) -> tuple[int, float]:
        return (self.pid, self.started)

    @property
    def identity(self) -> tuple[int, float, str]:
        """The program that it is now."""
        return (self.pid, self.started, self.name)


@dataclass(slots=True)
class _Known:
    """What is asked only at the first looks at a process."""

    command: str
    mark: str


class _Source(Protocol):
    """The operating system's answers."""

    def processes(self) -> Iterable[_Process]: ...

    def about(self, pid: int) -> _Known: ...


class Sampler:
    """Takes samples; remembers between them what CPU percentages need.

    Args:
        run: whose markers count.
        clock: what percentages are measured by.
        source: who answers; by default the system's own way.
        scales: weighs the trees; by default the system's own way.
    """

    def __init__(
        self,
        run: RunId,
        clock: Clock | None = None,
        source: _Source | None = None,
        scales: PssSampler | None = None,
    ) -> None:
        self._run = run
        self._clock = clock or SystemClock()
        self._source = source or (_Proc() if sys.platform == "linux" else _Psutil())
        self._scales = scales or PssSampler(self._clock)
        # With its name: what a process says of itself changes when it becomes another program.
        self._known: dict[tuple[int, float, str], _Known] = {}
        self._seen: set[tuple[int, float, str]] = set()
        """Who was there at the look before, strangers included."""
        self._cpu: dict[tuple[int, float], float] = {}
        self._owner: dict[tuple[int, float], BuildId] = {}
        self._at = self._clock.monotonic()

    def sample(self, roots: Mapping[BuildId, int], closely: BuildId | None = None) -> Sample:
        """Look once.

        Args:
            roots: the pid of each build's running hook.
            closely: the build that somebody looks at.
        """
        now = self._clock.monotonic()
        seconds, self._at = now - self._at, now
        processes = {process.pid: process for process in self._source.processes()}
        families = self._families(processes, roots)
        seen = [process for family in families.values() for process in family]
        pids = {build: [process.pid for process in family] for build, family in families.items()}
        pss = self._scales.weighed(pids, closely)
        builds = {
            build: TreeUsage(
                processes=tuple(self._shown(process, seconds) for process in family),
                rss=sum(process.rss for process in family),
                pss=pss.get(build),
            )
            for build, family in families.items()
        }
        self._cpu = {process.life: process.cpu for process in seen}
        self._owner = {
            process.life: build for build, family in families.items() for process in family
        }
        # The command lines of the dead go; what was asked about strangers stays while they live.
        alive = {process.identity for process in processes.values()}
        self._known = {key: self._known[key] for key in self._known.keys() & alive & self._seen}
        self._seen = alive
        memory = psutil.virtual_memory()
        return Sample(builds=builds, total=memory.total, available=memory.available)

    def whose(self, pid: int, started: float) -> BuildId | None:
        """Return the build of whose tree a process was at the last look; None of a stranger.

        Args:
            pid: it may have been another process's then.
            started: as `_Process` has it: that tells them apart.
        """
        return self._owner.get((pid, started))

    def _families(
        self, processes: Mapping[int, _Process], roots: Mapping[BuildId, int]
    ) -> dict[BuildId, list[_Process]]:
        children: dict[int, list[_Process]] = defaultdict(list)
        for process in processes.values():
            children[process.ppid].append(process)
        tops = {build: [processes[pid]] if pid in processes else [] for build, pid in roots.items()}
        whose = {f"{self._run}/{build}": build for build in roots}
        by_session = {pid: build for build, pid in roots.items()}
        # Only orphans can belong to a build without descending from its hook.
        for orphan in [*children[1], *children[os.getpid()]]:
            if orphan.pid not in by_session:
                build = (
                    by_session.get(orphan.session)
                    or whose.get(self._about(orphan).mark)
                    or self._owner.get(orphan.life)
                )
                if build in tops:
                    tops[build].append(orphan)
        return {build: list(_below(top, children)) for build, top in tops.items()}

    def _about(self, process: _Process) -> _Known:
        if (known := self._known.get(process.identity)) is None:
            known = self._known[process.identity] = self._source.about(process.pid)
        return known

    def _shown(self, process: _Process, seconds: float) -> ProcessSample:
        before = self._cpu.get(process.life)
        if before is None:
            # Most compilers live for a look or two: all they did counts, for the time they had.
            before, seconds = 0.0, max(process.age, _SHORTEST_AGE)
        percent = 100.0 * (process.cpu - before) / seconds if seconds > 0 else 0.0
        return ProcessSample(
            pid=process.pid,
            ppid=process.ppid,
            name=process.name,
            command=self._about(process).command or process.name,
            rss=process.rss,
            # The kernel counts in hundredths of a second: more digits would only be noise.
            cpu=float(round(max(0.0, percent))),
        )


def _below(tops: list[_Process], children: Mapping[int, list[_Process]]) -> Iterator[_Process]:
    """Yield parents before their children; no recursion, for a chain of forks has no end."""
    left = tops[::-1]
    while left:
        process = left.pop()
        yield process
        left += reversed(children.get(process.pid, []))


class _Proc:
    """Linux: proc(5), read directly."""

    def __init__(self) -> None:
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._hertz = os.sysconf("SC_CLK_TCK")

    def processes(self) -> Iterator[_Process]:
        with os.scandir("/proc") as entries:
            pids = [entry.name for entry in entries if entry.name.isdigit()]
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        for pid in pids:
            # A file object would cost more than the reading: this is done for each process.
            with suppress(OSError):
                fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
                try:
                    stat = os.read(fd, _MOST_READ)
                finally:
                    os.close(fd)
                yield self._parsed(pid, stat, since_boot)

    def _parsed(self, pid: str, stat: bytes, since_boot: float) -> _Process:
        head, _, tail = stat.rpartition(b")")
        fields = tail.split()
        return _Process(
            pid=int(pid),
            ppid=int(fields[1]),
            session=int(fields[3]),
            name=clean_text(head.partition(b"(")[2].decode("utf-8", "replace")),
            rss=int(fields[21]) * self._page,
            cpu=(int(fields[11]) + int(fields[12])) / self._hertz,
            started=float(fields[19]),
            age=since_boot - int(fields[19]) / self._hertz,
        )

    def about(self, pid: int) -> _Known:
        folder = Path("/proc", str(pid))
        command = mark = ""
        with suppress(OSError):
            with (folder / "cmdline").open("rb") as file:
                words = file.read(_MOST_READ).rstrip(b"\0").decode("utf-8", "replace").split("\0")
            command = format_command(words, _LONGEST_COMMAND) if words != [""] else ""
        with suppress(OSError):
            for variable in (folder / "environ").read_bytes().split(b"\0"):
                if variable.startswith(b"WHEELPOOL_BUILD="):
                    mark = os.fsdecode(variable.partition(b"=")[2])
        return _Known(command, mark)


class _Psutil:
    """Other systems: the same by way of psutil."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()

    def processes(self) -> Iterator[_Process]:
        now = self._clock.now().timestamp()
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError), process.oneshot():
                times = process.cpu_times()
                yield _Process(
                    pid=process.pid,
                    ppid=process.ppid(),
                    session=os.getsid(process.pid),
                    name=process.name(),
                    rss=process.memory_info().rss,
                    cpu=times.user + times.system,
                    started=process.create_time(),
                    age=now - process.create_time(),
                )

    def about(self, pid: int) -> _Known:
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            mark = process.environ().get("WHEELPOOL_BUILD", "")
            return _Known(format_command(process.cmdline(), _LONGEST_COMMAND), mark)
        return _Known("", "")
