"""Samples of the resources of all builds: one pass over the machine's processes for all of them.

Command line and marker are read only in the first two samples of a process: in the first one it may
be a fork that has not called ``exec`` yet, and still has those of its parent.

A process belongs to a build if it descends from the hook, is in the hook's session, or has the
build's marker in its environment (it became a daemon, and pid 1 or the pool adopted it). A daemon
that cleaned its environment is recognized if an earlier sample has seen it below the hook.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

import psutil

from pool.common.clock import Clock, SystemClock
from pool.common.model import BuildKey, ProcessSample
from pool.common.record import Record
from pool.system.process_table import system_process_table
from pool.system.pss import PssSampler

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pool.system.process_table import ProcessDetails, ProcessEntry, ProcessTable

__all__ = ["Sample", "Sampler", "TreeUsage"]

_MIN_AGE_SECONDS = 0.1
"""Of a process, for its CPU percentage: over a shorter time that means nothing."""


class TreeUsage(Record, frozen=True, kw_only=True):
    """One build's process tree at one moment."""

    processes: tuple[ProcessSample, ...]
    """Parents before their children."""
    rss: int
    """Bytes, summed: a shared page counts in every process."""
    pss: int | None = None
    """Bytes, shared pages counted once; None if it was not measured in this sample."""


class Sample(Record, frozen=True, kw_only=True):
    """The usage of all builds, and the memory of the machine in bytes, at one moment."""

    builds: dict[BuildKey, TreeUsage]
    total: int
    available: int


class Sampler:
    """Takes samples. CPU percentages are over the time since the sample before.

    Args:
        clock: the clock for percentages.
        table: the processes; by default those of this system.
        pss: measures the trees; by default with this system's files.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        table: ProcessTable | None = None,
        pss: PssSampler | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._table = table or system_process_table()
        self._pss = pss or PssSampler(self._clock)
        # The identity includes the name: `exec` changes the command line.
        self._details: dict[tuple[int, float, str], ProcessDetails] = {}
        self._seen: set[tuple[int, float, str]] = set()
        """All processes of the machine in the sample before."""
        self._cpu: dict[tuple[int, float], float] = {}
        self._owner: dict[tuple[int, float], BuildKey] = {}
        self._sampled_at = self._clock.monotonic()

    def sample(self, roots: Mapping[BuildKey, int], watched: Collection[BuildKey] = ()) -> Sample:
        """Take one sample.

        Args:
            roots: the pid of each build's running hook.
            watched: the builds that users have opened; their PSS is measured more often.

        Raises:
            OSError: the machine cannot be read now, for example with too many open files. The next
                sample continues from the last complete one.
        """
        memory = psutil.virtual_memory()
        processes = {process.pid: process for process in self._table.processes()}
        trees = self._group_by_build(processes, roots)
        now = self._clock.monotonic()
        usage = self._measure(trees, now - self._sampled_at, watched)
        self._sampled_at = now
        self._cpu = {process.life: process.cpu for tree in trees.values() for process in tree}
        self._owner = {process.life: build for build, tree in trees.items() for process in tree}
        self._forget_details({process.identity for process in processes.values()})
        return Sample(builds=usage, total=memory.total, available=memory.available)

    def _measure(
        self,
        trees: Mapping[BuildKey, list[ProcessEntry]],
        seconds: float,
        watched: Collection[BuildKey],
    ) -> dict[BuildKey, TreeUsage]:
        pids = {build: [process.pid for process in tree] for build, tree in trees.items()}
        pss = self._pss.measure(pids, watched)
        return {
            build: TreeUsage(
                processes=tuple(self._make_sample(process, seconds) for process in tree),
                rss=sum(process.rss for process in tree),
                pss=pss.get(build),
            )
            for build, tree in trees.items()
        }

    def _forget_details(self, running: set[tuple[int, float, str]]) -> None:
        """Keep the details of running processes that were in the sample before as well."""
        kept = self._details.keys() & running & self._seen
        self._details = {identity: self._details[identity] for identity in kept}
        self._seen = running

    def owner_of(self, pid: int, started: float) -> BuildKey | None:
        """Return the build whose tree had a process in the last sample; None if none had.

        Args:
            pid: the process; the pid alone may have been another process's then.
            started: its start, as in `ProcessEntry`.
        """
        return self._owner.get((pid, started))

    def _group_by_build(
        self, processes: Mapping[int, ProcessEntry], roots: Mapping[BuildKey, int]
    ) -> dict[BuildKey, list[ProcessEntry]]:
        children: dict[int, list[ProcessEntry]] = defaultdict(list)
        for process in processes.values():
            children[process.ppid].append(process)
        tops = {build: [processes[pid]] if pid in processes else [] for build, pid in roots.items()}
        by_mark = {str(build): build for build in roots}
        by_session = {pid: build for build, pid in roots.items()}
        # A process that does not descend from a hook can belong to a build only as an orphan.
        for orphan in [*children[1], *children[os.getpid()]]:
            if orphan.pid not in by_session:
                build = (
                    by_session.get(orphan.session)
                    or by_mark.get(self._details_of(orphan).mark)
                    or self._owner.get(orphan.life)
                )
                if build in tops:
                    tops[build].append(orphan)
        return {build: list(_walk_trees(top, children)) for build, top in tops.items()}

    def _details_of(self, process: ProcessEntry) -> ProcessDetails:
        if (details := self._details.get(process.identity)) is None:
            details = self._details[process.identity] = self._table.read_details(process.pid)
        return details

    def _make_sample(self, process: ProcessEntry, seconds: float) -> ProcessSample:
        before = self._cpu.get(process.life)
        if before is None:
            # Most compilers live for one or two samples: the first covers their whole life.
            before, seconds = 0.0, max(process.age, _MIN_AGE_SECONDS)
        percent = 100.0 * (process.cpu - before) / seconds if seconds > 0 else 0.0
        return ProcessSample(
            pid=process.pid,
            ppid=process.ppid,
            name=process.name,
            command=self._details_of(process).command or process.name,
            rss=process.rss,
            # The kernel counts in hundredths of a second: further digits mean nothing.
            cpu=float(round(max(0.0, percent))),
        )


def _walk_trees(
    tops: list[ProcessEntry], children: Mapping[int, list[ProcessEntry]]
) -> Iterator[ProcessEntry]:
    """Yield parents before their children, without recursion: a chain of forks may be long."""
    stack = tops[::-1]
    while stack:
        process = stack.pop()
        yield process
        stack += reversed(children.get(process.pid, []))
