"""Those who build: announce builds, run their stories, and tell for each the one way it ended.

They belong to one event loop and own a task for each build. What is built is decided elsewhere;
what one build needs of another comes through here, so that circles are found.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace as changed
from statistics import median
from typing import TYPE_CHECKING

from pool.build.job import (
    BuildJob,
    BuildRequest,
    BuildResult,
    RetryAttempt,
    infer_identity,
    source_label,
)
from pool.build.pipeline import run_build
from pool.common.errors import RequirementError, SkippedError
from pool.common.model import Outcome, WaitFor
from pool.events.types import BuildFinished, BuildNeeded, BuildWaiting, Note
from pool.run import ending
from pool.run.announcer import Announcer
from pool.run.outcome import Failure, failure_from
from pool.run.retry import describe_retry, next_retry, retry_conditions
from pool.scheduling.eviction import EvictionCandidate, choose_victim
from pool.scheduling.slot import RANK_LAST, RANK_NEW, RANK_RESUMED, Slot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pool.build.context import BuildContext
    from pool.build.workspace import BuildDir, RunWorkspace
    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.run.registry import JobRegistry
    from pool.scheduling.history import BuildHistory
    from pool.scheduling.limits import Limits
    from pool.settings import Settings

__all__ = ["Scheduler"]


class Scheduler:
    """All builds of one run.

    Args:
        settings: what was asked for.
        roster: where they are entered.
        caps: the gates.
        history: how long builds took before.
        logs: the folder for their logs.
        linger: whether what went wrong may be tried again, so that others wait for it.
        on_failure: called when a build has failed.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        roster: JobRegistry,
        caps: Limits,
        history: BuildHistory,
        logs: Path,
        linger: bool,
        on_failure: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._roster = roster
        self._caps = caps
        self._history = history
        self._logs = logs
        self._linger = linger
        self._on_failure = on_failure
        self._inside: dict[str, BuildJob] = {}
        """What only others asked for, by what it is built from and for."""
        self.broken = False
        """Whether an error of our own ended a build."""

    def begin(self, kit: BuildContext, workplace: RunWorkspace, group: asyncio.TaskGroup) -> None:
        """Let them work; once, before anything is submitted."""
        announcer = Announcer(
            roster=self._roster,
            ledger=self._caps.memory.ledger,
            history=self._history,
            logs=self._logs,
            bus=kit.bus,
        )
        self._announce = announcer.announce
        self._kit = kit
        self._workplace = workplace
        self._group = group

    # Announcing

    def submit(self, orders: Sequence[BuildRequest]) -> list[BuildJob]:
        """Announce builds and let them begin, the longest expected first."""
        pasts = self._history.estimate([infer_identity(order.source) for order in orders])
        usual = median([past.seconds for past in pasts if past.seconds is not None] or [0.0])
        jobs = []
        for order, past in zip(orders, pasts, strict=True):
            weight = usual if past.seconds is None else past.seconds
            priority = (RANK_NEW, -weight, len(self._roster.jobs))
            jobs.append(self._announce(order, priority, past=past))
        # Whoever comes first takes a free slot at once: they come in the order of priority.
        for job in sorted(jobs, key=lambda job: job.priority):
            self._start(job)
        return jobs

    def _start(self, job: BuildJob) -> None:
        job.task = self._group.create_task(self._run_job(job), name=job.id)
        job.task.add_done_callback(lambda _: self._never_began(job))

    def _never_began(self, job: BuildJob) -> None:
        """A task that is cancelled before its first step runs nothing of its coroutine."""
        if job.id not in self._roster.outcomes:
            self._tell(job, BuildFinished(build=job.id, outcome=Outcome.CANCELLED))

    # One build, to its one outcome

    async def _run_job(self, job: BuildJob) -> None:
        """Run a build and tell its outcome while it still has its slot."""
        place = self._workplace.build_dir(job.id)
        seat = Slot(job.id, self._caps.builds, self._kit.bus, job.priority, exclusive=job.exclusive)
        job.slot = seat
        try:
            place.make()
            built = await run_build(job, seat, place, self._kit)
            self._tell(job, self._good(job, built, seat))
            seat.release()
            await self._after(job, built, seat)
        except asyncio.CancelledError:
            ended = self._ended(job, seat, Outcome.CANCELLED)
            self._tell(
                job, ending.made_room(ended, job.eviction_reason) if job.eviction_reason else ended
            )
            raise
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is this build's outcome
            failure = failure_from(problem, job)
            self._tell(job, self._bad(job, failure, seat))
            self._not_unpacked(job, f": {failure.message}")
        finally:
            seat.release()
            self._not_unpacked(job)
            await self._kit.in_thread(self._tidy, job, place)

    def _not_unpacked(self, job: BuildJob, why: str = "") -> None:
        """Tell those who wait for a good build that nothing more comes of it."""
        if not job.result.done():
            job.result.set_exception(
                SkippedError(f"needs {job.title}, which cannot be unpacked{why}")
            )

    async def _after(self, job: BuildJob, built: BuildResult, seat: Slot) -> None:
        """What follows a good build, without a slot."""
        if built.wheel is not None and (job.nested or self._settings.installs_into):
            built = changed(built, unpacked=await self._unpacked(job, built.wheel, built))
        job.result.set_result(built)
        if built.outcome is Outcome.BUILT and job.purpose == "wheel":
            peak = self._roster.outcomes[job.id].peak
            await self._kit.in_thread(
                self._history.record,
                built.name,
                built.version,
                seconds=seat.active_seconds,
                peak=peak,
            )

    async def _unpacked(self, job: BuildJob, wheel: Path, built: BuildResult) -> UnpackedWheel:
        if job.purpose == "editable":
            # Made anew each time, so nothing to keep: it stays with the run.
            return await self._kit.requirements.unpack_for_run(wheel, job)
        return await self._kit.requirements.unpack(wheel, built.sha256, job)

    def _tidy(self, job: BuildJob, place: BuildDir) -> None:
        if self._roster.outcomes[job.id].outcome is Outcome.FAILED:
            place.keep()
        else:
            place.discard()

    def _tell(self, job: BuildJob, event: BuildFinished) -> None:
        """Emit the one outcome of a build; a second one is not told."""
        if job.id in self._roster.outcomes:
            return
        settings, jobs = self._settings, self._caps.jobs.cap
        attempt = next_retry(event.reference, job.attempt, jobs, settings.retries)
        # Announced before the end is told: who hears of the end can tell that it is none.
        again = self._next_try(job, attempt, event.peak) if attempt else None
        event = ending.followed(event, retry_conditions(attempt)) if attempt else event
        self._roster.outcomes[job.id] = event
        self._caps.memory.on_build_end(
            job.id, peak=event.peak, succeeded=event.outcome is Outcome.BUILT
        )
        self._kit.bus.emit(event)
        if again and attempt:
            self._begin_again(job, again)
            self._kit.bus.emit(Note(build=again.id, text=describe_retry(attempt)))
        if not event.outcome.good:
            job.result.set_exception(SkippedError(ending.in_need(job, event)))
        if event.outcome is Outcome.FAILED and again is None:
            self._on_failure()

    def _ended(self, job: BuildJob, seat: Slot, outcome: Outcome) -> BuildFinished:
        seconds = round(seat.active_seconds, 4)
        peak = self._kit.watch.forget(job.id)
        return BuildFinished(build=job.id, outcome=outcome, seconds=seconds, peak=peak)

    def _good(self, job: BuildJob, built: BuildResult, seat: Slot) -> BuildFinished:
        published = job.published and self._settings.out_dir is not None
        return ending.good(self._ended(job, seat, built.outcome), built, published=published)

    def _bad(self, job: BuildJob, failure: Failure, seat: Slot) -> BuildFinished:
        if failure.details:
            self.broken = True
            with suppress(OSError), job.log.open("a") as log:
                log.write(failure.details)
        return ending.bad(self._ended(job, seat, failure.outcome), failure)

    # Again

    def _next_try(self, job: BuildJob, attempt: RetryAttempt, peak: int) -> BuildJob:
        """Announce another try of what did not end well for want of memory."""
        return self._announce(
            job.request,
            job.priority if job.nested else (RANK_LAST, *job.priority[1:]),
            inside=job.nested,
            needed_by=tuple(sorted(job.needed_by)),
            retry_of=job.id,
            attempt=attempt,
            seen=peak,
        )

    def _begin_again(self, bad: BuildJob, again: BuildJob) -> None:
        """Put another try in the place of one that went wrong."""
        self._roster.superseded.add(bad.id)
        self._inside.update({key: again for key, job in self._inside.items() if job is bad})
        bad.retry_job.set_result(again)
        self._start(again)

    # What others need

    async def build_nested(self, request: BuildRequest, by: BuildJob) -> UnpackedWheel:
        """Return the wheel of a requirement that must be built, building it once.

        Raises:
            PoolError: it cannot be had, or a circle would close.
        """
        for other in self._roster.running():
            # It holds the lock of its tree, for which a second build of it would wait.
            if other.source == request.source:
                self._check_circle(by, other)
        key = source_label(request.source)
        if (job := self._inside.get(key)) is None:
            priority = (RANK_RESUMED, 0.0, len(self._inside))
            job = self._announce(request, priority, inside=True, needed_by=(by.id,))
            self._inside[key] = job
            self._start(job)
        elif job.id not in self._roster.outcomes and by.id not in job.needed_by:
            self._check_circle(by, job)
            self._kit.bus.emit(BuildNeeded(build=job.id, by=by.id))
        built = await self.wait_for(job, by)
        if built.unpacked is None:
            raise AssertionError(f"{job.title} is not unpacked")
        return built.unpacked

    async def metadata_of(self, order: BuildRequest) -> str:
        """Return the metadata that an order is for, as a backend tells it."""
        key = f"metadata of {source_label(order.source)}"
        job = self._announce(order, (RANK_RESUMED, 0.0, len(self._inside)), inside=True)
        self._inside[key] = job
        self._start(job)
        return (await self._tried(job)).metadata

    def _check_circle(self, by: BuildJob, job: BuildJob) -> None:
        if cycle := self._roster.cycle(by, job):
            raise RequirementError(
                "build requirements go in a circle: " + " needs ".join(each.name for each in cycle)
            )

    async def _tried(self, job: BuildJob) -> BuildResult:
        """Return what comes of a build, or of the automatic tries after it."""
        while True:
            try:
                return await asyncio.shield(job.result)
            except SkippedError:
                if not job.retry_job.done():
                    raise
                job = job.retry_job.result()

    async def wait_for(self, job: BuildJob, by: BuildJob) -> BuildResult:
        """Let one build wait for another, or for the next try of it, as long as there is one.

        One that only others wanted ends when none does.
        """
        while True:
            while job.retry_job.done():
                job = job.retry_job.result()
            try:
                return await self._waited(job, by)
            except SkippedError:
                if not job.retry_job.done():
                    raise

    async def _waited(self, job: BuildJob, by: BuildJob) -> BuildResult:
        self._check_circle(by, job)
        by.waits_on.add(job.id)
        job.needed_by.add(by.id)
        waiting = BuildWaiting(
            build=by.id,
            for_=WaitFor.DEPENDENCY,
            on=", ".join(sorted(self._roster.jobs[build].title for build in by.waits_on)),
            builds=tuple(sorted(by.waits_on)),
        )
        self._kit.bus.emit(waiting)
        try:
            return await asyncio.shield(job.result)
        finally:
            by.waits_on.discard(job.id)
            if job.nested and not self._roster.wanted(job):
                self._give_up(job)

    def _give_up(self, job: BuildJob) -> None:
        """End a build that nobody waits for any more; who needs it later has one of its own."""
        if job.id not in self._roster.outcomes:
            self._inside.pop(source_label(job.source), None)
            self.cancel(job)

    async def result_of(self, job: BuildJob) -> BuildResult:
        """Return what came out of a build; wait on where one that went wrong may be tried again.

        Raises:
            SkippedError: it went wrong for good.
        """
        while True:
            try:
                return await asyncio.shield(job.result)
            except SkippedError:
                # A good one that cannot be unpacked is not tried again.
                hopeless = not self._linger or self._roster.outcomes[job.id].outcome.good
                if hopeless and not job.retry_job.done():
                    raise
            job = await asyncio.shield(job.retry_job)

    # Controls

    def cancel(self, job: BuildJob) -> None:
        """End a build that has not ended."""
        if job.task is not None and job.id not in self._roster.outcomes:
            # It may be ending to make room just now: then it is not built again.
            job.eviction_reason = ""
            job.task.cancel()

    def make_room(self, why: str) -> None:
        """End the youngest build that may be ended; it is built again when there is room."""
        uses = self._caps.memory.ledger.usage
        at_work = [
            EvictionCandidate(
                key=job,
                active_seconds=job.slot.active_seconds,
                usage=uses[job.id],
                nested=job.nested,
                awaited=self._roster.wanted(job),
            )
            for job in self._roster.running()
            if job.slot is not None and job.id in uses and not job.eviction_reason
        ]
        if (job := choose_victim(at_work)) is not None and job.task is not None:
            job.eviction_reason = why
            job.task.cancel()

    def retry(self, job: BuildJob) -> None:
        """Build a bad one again; for a nested one, again what was skipped for want of it."""
        again_all = self._roster.to_retry(job)
        if again_all:
            self._forget_bad()
        for bad in again_all:
            self._begin_again(bad, self._announce(bad.request, bad.priority, retry_of=bad.id))

    def _forget_bad(self) -> None:
        bad = [
            key
            for key, job in self._inside.items()
            if (ended := self._roster.outcomes.get(job.id)) and not ended.outcome.good
        ]
        for key in bad:
            del self._inside[key]
