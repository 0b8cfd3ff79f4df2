"""Monitors the running builds of all runs: samples their processes, and reads their logs.

Processes are sampled once a second, one sample for all builds; logs are read five times a second.
Both become events of the run that the build belongs to. Logs are files, not pipes, so a build that
prints a million lines costs the pool no more than one that prints ten. Monitoring is housekeeping:
if a log cannot be read or a sample fails, a note says so once, and the builds go on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pool.common.aio import in_thread
from pool.common.errors import os_error_text
from pool.common.record import MutableRecord
from pool.events.types import BuildOutput, BuildSample, MachineMemory, Note, Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Executor
    from pathlib import Path

    from pool.build.frontend.job_overuse import JobOveruseDetector
    from pool.build.frontend.log_tail import LogTail
    from pool.common.model import BuildKey, ProcessSample, RunId
    from pool.common.once_map import Lazy
    from pool.events.router import EventRouter
    from pool.scheduling.job_tokens import JobTokens
    from pool.system.sampler import Sampler, TreeUsage

__all__ = ["BuildMonitor"]

_TICK_SECONDS = 0.2
_TICKS_PER_SAMPLE = 5


class _MonitoredBuild(MutableRecord, kw_only=True):
    """A build that has started at least one hook."""

    tail: LogTail
    overuse: JobOveruseDetector
    pid: int | None = None
    """The process of the running hook; None between hooks."""
    sampled: bool = False
    """Whether the running hook was sampled."""
    emitted: tuple[ProcessSample, ...] = ()
    """The hook's processes at the last emitted sample, from which the next delta is made."""
    peak: int = 0
    """Bytes: the most that was measured at once."""


class BuildMonitor:
    """The monitor of all builds of a pool; `run` is its only task.

    Args:
        router: gets the events.
        sampler: measures process trees; used with the first hook.
        executor: runs the sampler; its own, so that file work never delays a sample.
        tokens: has the number of jobs of each build.
        on_sample: called after each sample with the bytes of each build, also with none.
    """

    def __init__(
        self,
        router: EventRouter,
        sampler: Lazy[Sampler],
        executor: Executor,
        tokens: JobTokens[BuildKey],
        on_sample: Callable[[Mapping[BuildKey, int]], None],
    ) -> None:
        self._router = router
        self._sampler = sampler
        self._executor = executor
        self._tokens = tokens
        self._on_sample = on_sample
        self._builds: dict[BuildKey, _MonitoredBuild] = {}
        self._watched: dict[RunId, BuildKey] = {}
        self._noted: set[str] = set()
        self.machine: MachineMemory | None = None
        """The memory of the machine at the last sample; None before the first hook."""

    def hook_started(self, build: BuildKey, log: Path, pid: int) -> None:
        """Start to monitor a hook of the build."""
        if (monitored := self._builds.get(build)) is None:
            monitored = self._builds[build] = self._add_build(build, log)
        monitored.pid = pid
        monitored.sampled = False
        # A reader of the journal forgets the processes when the build leaves its slot.
        monitored.emitted = ()

    def _add_build(self, build: BuildKey, log: Path) -> _MonitoredBuild:
        from pool.build.frontend.job_overuse import JobOveruseDetector
        from pool.build.frontend.log_tail import LogTail

        overuse = JobOveruseDetector()

        def on_bytes(chunk: bytes) -> None:
            self._emit_notes(build, overuse.on_output(chunk))

        return _MonitoredBuild(tail=LogTail(log, on_bytes), overuse=overuse)

    def watch_build(self, build: BuildKey) -> None:
        """Measure the PSS of this build soon and often, instead of the run's one before."""
        self._watched[build.run] = build
        if (monitored := self._builds.get(build)) is not None:
            monitored.sampled = False

    def hook_ended(self, build: BuildKey) -> None:
        """Stop to monitor the hook; emit the rest of its output."""
        if (monitored := self._builds.get(build)) is not None:
            monitored.pid = None
            self._emit_output(build, monitored)

    def note_peak(self, build: BuildKey, peak: int) -> None:
        """Add the peak of a hook's largest process: a short hook may end before any sample."""
        if (monitored := self._builds.get(build)) is not None:
            monitored.peak = max(monitored.peak, peak)

    def peak(self, build: BuildKey) -> int:
        """Return the highest use that was measured of a build so far, in bytes."""
        return monitored.peak if (monitored := self._builds.get(build)) else 0

    def forget(self, build: BuildKey) -> int:
        """Remove a build that has ended; return its peak in bytes."""
        monitored = self._builds.pop(build, None)
        return monitored.peak if monitored else 0

    def remove_run(self, run: RunId) -> None:
        """Forget which build of a run is watched."""
        self._watched.pop(run, None)

    async def run(self) -> None:
        """Read logs and take samples until cancelled; no failure of either ends this."""
        tick = 0
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            tick += 1
            try:
                self._poll_logs()
                if tick % _TICKS_PER_SAMPLE == 0 or self._has_unsampled_hook():
                    await self._sample()
            except Exception as problem:  # noqa: BLE001 - housekeeping never ends a run
                self._on_failure(problem)

    def _poll_logs(self) -> None:
        for build, monitored in list(self._builds.items()):
            if monitored.pid is not None:
                self._emit_output(build, monitored)

    def _has_unsampled_hook(self) -> bool:
        """Tell whether a hook has just started: short hooks are sampled, too."""
        builds = self._builds.values()
        return any(monitored.pid is not None and not monitored.sampled for monitored in builds)

    def _on_failure(self, problem: Exception) -> None:
        for monitored in self._builds.values():
            # The next attempt is made at the usual time, not at every tick.
            monitored.sampled = True
        self._note_once(f"running builds cannot be monitored: {_reason(problem)}")

    def _note_once(self, text: str, run: RunId | None = None) -> None:
        """Emit a note in one run, or in all of them, unless it was emitted before."""
        if text in self._noted:
            return
        self._noted.add(text)
        if run is None:
            self._router.broadcast(Note(text=text))
        else:
            self._router.emit(run, Note(text=text))

    def _emit_output(self, build: BuildKey, monitored: _MonitoredBuild) -> None:
        growth = monitored.tail.poll()
        if problem := monitored.tail.problem:
            text = f"{monitored.tail.path}: the log cannot be read: {_reason(problem)}"
            self._note_once(text, build.run)
        if growth is not None:
            event = BuildOutput(
                build=build.build, lines=growth.lines, bytes=growth.bytes, last=growth.last
            )
            self._router.emit(build.run, event)

    def _emit_notes(self, build: BuildKey, texts: Iterable[str]) -> None:
        for text in texts:
            self._router.emit(build.run, Note(build=build.build, text=text))

    async def _sample(self) -> None:
        """Measure the processes of all running hooks; emit one event in each run that has some."""
        roots = {
            build: monitored.pid
            for build, monitored in self._builds.items()
            if monitored.pid is not None
        }
        if not roots:
            self._on_sample({})
            return
        from pool.system.memory import read_pressure

        watched = frozenset(self._watched.values())
        sample = await in_thread(self._executor, self._sampler.get().sample, roots, watched)
        builds: dict[RunId, list[BuildSample]] = {build.run: [] for build in roots}
        measured = {}
        for build, usage in sample.builds.items():
            # The hook may have ended during the sample, after its last event.
            if (monitored := self._builds.get(build)) is not None and monitored.pid == roots[build]:
                builds[build.run].append(self._update(build, monitored, usage))
                measured[build] = usage.rss
        machine = self.machine = MachineMemory(
            total=sample.total, available=sample.available, stall=read_pressure()
        )
        for run, samples in builds.items():
            self._router.emit(run, Sample(builds=tuple(samples), machine=machine))
        self._on_sample(measured)

    def _update(self, build: BuildKey, monitored: _MonitoredBuild, usage: TreeUsage) -> BuildSample:
        """Add a measurement to a build; return its part of the event."""
        from pool.events.process_delta import diff

        monitored.sampled = True
        monitored.peak = max(monitored.peak, usage.rss)
        sample = BuildSample(
            build=build.build,
            processes=diff(usage.processes, monitored.emitted),
            rss=usage.rss,
            peak=monitored.peak,
            pss=usage.pss,
            tokens=self._tokens.held(build),
        )
        monitored.emitted = usage.processes
        allowed = self._tokens.allowed(build)
        self._emit_notes(build, monitored.overuse.on_sample(usage.processes, allowed))
        return sample


def _reason(problem: Exception) -> str:
    if isinstance(problem, OSError):
        return os_error_text(problem)
    return f"{type(problem).__name__}: {problem}"
