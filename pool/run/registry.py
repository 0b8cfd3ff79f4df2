"""The builds of one run: registered jobs, their outcomes, and the edges between dependents.

Registering emits ``build.queued``. The registry keeps the books alone: `pool.run.scheduler` starts
tasks and decides on retries, and `pool.events.state` has the same facts for screens and reports.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pool.build.job import BuildJob, ignore_unretrieved, infer_identity, source_label
from pool.common.model import BuildId
from pool.events.log_names import LogNames
from pool.events.types import BuildQueued

if TYPE_CHECKING:
    from pathlib import Path

    from pool.build.job import BuildRequest, RetryAttempt
    from pool.common.model import RunId
    from pool.events.bus import EventBus
    from pool.events.types import BuildFinished
    from pool.scheduling.history import Estimate
    from pool.scheduling.slot import Priority

__all__ = ["JobRegistry"]


class JobRegistry:
    """All builds of one run.

    Args:
        run: the run.
        logs: the folder for the logs of builds.
        bus: the bus of the run.
    """

    def __init__(self, run: RunId, logs: Path, bus: EventBus) -> None:
        self._run = run
        self._logs = logs
        self._bus = bus
        self._log_names = LogNames(logs)
        self.jobs: dict[BuildId, BuildJob] = {}
        self.outcomes: dict[BuildId, BuildFinished] = {}
        """The terminal event of each build that has ended."""

    def register(
        self,
        request: BuildRequest,
        priority: Priority,
        estimate: Estimate,
        *,
        nested: bool = False,
        needed_by: tuple[BuildId, ...] = (),
        retry_of: BuildJob | None = None,
        attempt: RetryAttempt | None = None,
        last_peak: int = 0,
    ) -> BuildJob:
        """Register a build and emit that it is queued.

        Args:
            request: what to build.
            priority: at the gate of builds.
            estimate: what earlier builds took.
            nested: whether only other builds or the resolver requested it, not the user.
            needed_by: the builds that requested it.
            retry_of: the build whose place it takes.
            attempt: None if it is not an automatic retry.
            last_peak: the bytes that the attempt before this one used.
        """
        build_id, (name, version) = self._next_id(), infer_identity(request.source)
        log = self._logs / self._log_names.add(name, version)
        loop = asyncio.get_running_loop()
        job = self.jobs[build_id] = BuildJob(
            id=build_id,
            run=self._run,
            request=request,
            name=name,
            version=version,
            log=log,
            priority=priority,
            estimate=estimate,
            nested=nested,
            result=ignore_unretrieved(loop.create_future()),
            retry_job=loop.create_future(),
            attempt=attempt,
        )
        queued = BuildQueued(
            build=build_id,
            name=name,
            version=version,
            target=source_label(request.source),
            log=log.name,
            origin=request.origin,
            purpose=request.purpose,
            needed_by=needed_by,
            nested=nested,
            retry_of=None if retry_of is None else retry_of.id,
            expected=estimate.seconds,
            expected_peak=max(estimate.peak or 0, last_peak) or None,
            config_settings=request.redacted_settings,
            priority=priority,
            alone=job.exclusive,
        )
        self._bus.emit(queued)
        return job

    def _next_id(self) -> BuildId:
        return BuildId(f"b{len(self.jobs) + 1}")

    def running(self) -> list[BuildJob]:
        """Return the builds that have not ended."""
        return [job for job in self.jobs.values() if job.id not in self.outcomes]

    def find_cycle(self, by: BuildJob, needed: BuildJob) -> list[BuildJob]:
        """Return the cycle that closes if ``by`` waits for ``needed``; empty if there is none."""
        path: list[BuildJob] = []
        return [by, *path] if self._leads_to(by.id, needed, path, set()) else []

    def _leads_to(
        self, goal: BuildId, job: BuildJob, path: list[BuildJob], visited: set[BuildId]
    ) -> bool:
        path.append(job)
        if job.id == goal:
            return True
        visited.add(job.id)
        for build in job.waits_on - visited:
            if self._leads_to(goal, self.jobs[build], path, visited):
                return True
        path.pop()
        return False

    def is_awaited(self, job: BuildJob) -> bool:
        """Return whether a build waits for this one now."""
        return any(job.id in self.jobs[build].waits_on for build in job.needed_by)
