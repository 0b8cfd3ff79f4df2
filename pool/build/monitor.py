"""Keeps an eye on running builds: their processes once a second, their output a few times.

What it sees becomes events. It reads log files rather than pipes, so a build that prints a
million lines costs it nothing more than one that prints ten.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pool.build.frontend.job_overuse import JobOveruseDetector
from pool.build.frontend.log_tail import LogTail
from pool.events.process_delta import diff
from pool.events.types import BuildOutput, BuildSample, MachineMemory, Note, Sample
from pool.system.memory import read_pressure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from pool.common.model import BuildId, ProcessSample
    from pool.events.bus import EventBus
    from pool.scheduling.jobserver import Jobserver
    from pool.system.sampler import Sampler

__all__ = ["BuildMonitor"]

_TICK_SECONDS = 0.2
_TICKS_PER_SAMPLE = 5


@dataclass(slots=True, kw_only=True)
class _Watched:
    """A build that has run at least one hook."""

    tail: LogTail
    pid: int | None = None
    peak: int = 0
    sampled: bool = False
    """Whether its running hook was looked at."""
    told: tuple[ProcessSample, ...] = ()
    """The hook's processes as they were told last."""
    offence: JobOveruseDetector


class BuildMonitor:
    """One for the pool; `run` is its only task."""

    def __init__(
        self,
        bus: EventBus,
        sampler: Sampler,
        executor: Executor,
        jobs: Jobserver,
        on_sample: Callable[[Sequence[BuildSample]], None],
    ) -> None:
        self._bus = bus
        self._sampler = sampler
        self._executor = executor
        self._jobs = jobs
        self._on_sample = on_sample
        self._builds: dict[BuildId, _Watched] = {}
        self._looked_at: BuildId | None = None
        self.machine: MachineMemory | None = None
        """What the machine had when last looked at, with hooks running."""

    def hook_started(self, build: BuildId, log: Path, pid: int) -> None:
        """A hook of the build has started."""
        if (watched := self._builds.get(build)) is None:
            watched = self._builds[build] = self._new(build, log)
        watched.pid = pid
        watched.sampled = False
        # What is known is forgotten where the build leaves its slot between two hooks.
        watched.told = ()

    def _new(self, build: BuildId, log: Path) -> _Watched:
        offence = JobOveruseDetector()

        def printed(chunk: bytes) -> None:
            self._tell(build, offence.on_output(chunk))

        return _Watched(tail=LogTail(log, printed), offence=offence)

    def watch_build(self, build: BuildId) -> None:
        """Somebody looks at this build: weigh it soon and often, and no other one so."""
        self._looked_at = build
        if (watched := self._builds.get(build)) is not None:
            watched.sampled = False

    def hook_ended(self, build: BuildId) -> None:
        """The hook has ended; tell the last of its output."""
        if (watched := self._builds.get(build)) is not None:
            watched.pid = None
            self._tell_output(build, watched)

    def note_peak(self, build: BuildId, peak: int) -> None:
        """Count what a hook's largest process had: short ones end before any sample."""
        if (watched := self._builds.get(build)) is not None:
            watched.peak = max(watched.peak, peak)

    def peak(self, build: BuildId) -> int:
        """Return the most that was seen of a build so far, in bytes."""
        return watched.peak if (watched := self._builds.get(build)) else 0

    def forget(self, build: BuildId) -> int:
        """The build has ended; return its peak in bytes."""
        watched = self._builds.pop(build, None)
        return watched.peak if watched else 0

    async def run(self) -> None:
        """Look again and again until cancelled."""
        tick = 0
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            tick += 1
            for build, watched in self._builds.items():
                if watched.pid is not None:
                    self._tell_output(build, watched)
            if tick % _TICKS_PER_SAMPLE == 0 or self._has_new():
                await self._sample()

    def _has_new(self) -> bool:
        """Short hooks are looked at as well: soon after they begin."""
        return any(seen.pid is not None and not seen.sampled for seen in self._builds.values())

    def _tell_output(self, build: BuildId, watched: _Watched) -> None:
        if (seen := watched.tail.poll()) is not None:
            self._bus.emit(
                BuildOutput(build=build, lines=seen.lines, bytes=seen.bytes, last=seen.last)
            )

    def _tell(self, build: BuildId, remarks: Iterable[str]) -> None:
        for text in remarks:
            self._bus.emit(Note(build=build, text=text))

    async def _sample(self) -> None:
        roots = {build: seen.pid for build, seen in self._builds.items() if seen.pid is not None}
        if not roots:
            self._on_sample(())
            return
        sample = await asyncio.get_running_loop().run_in_executor(
            self._executor, self._sampler.sample, roots, self._looked_at
        )
        builds = []
        for build, tree in sample.builds.items():
            # The hook may have ended while we looked; its last word is already told.
            if (watched := self._builds.get(build)) is not None and watched.pid == roots[build]:
                watched.peak = max(watched.peak, tree.rss)
                watched.sampled = True
                builds.append(
                    BuildSample(
                        build=build,
                        processes=diff(tree.processes, watched.told),
                        rss=tree.rss,
                        peak=watched.peak,
                        pss=tree.pss,
                        tokens=self._jobs.held(build),
                    )
                )
                watched.told = tree.processes
                jobs = self._jobs.allowed(build)
                self._tell(build, watched.offence.on_sample(tree.processes, jobs))
        machine = self.machine = MachineMemory(
            total=sample.total, available=sample.available, stall=read_pressure()
        )
        self._bus.emit(Sample(builds=tuple(builds), machine=machine))
        self._on_sample(builds)
