"""Schedules the builds of one run: one task and one terminal event for each, retries, dependents.

`pool.run.request_runner` decides which builds there are. A build reaches the builds that it depends
on through the scheduler, so that cycles are detected instead of deadlocking. The scheduler belongs
to one event loop.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pool.build.job import infer_identity, source_label
from pool.build.pipeline import run_build
from pool.build.workspace import find_full_folders
from pool.common.aio import in_thread
from pool.common.errors import RequirementError, SkippedError, os_error_text
from pool.common.files import append_private
from pool.common.model import Outcome, WaitFor
from pool.events.queries import has_progress
from pool.events.types import BuildFinished, BuildNeeded, BuildWaiting, Note
from pool.run import outcome
from pool.run.retry import describe_retry, next_retry, retry_conditions
from pool.scheduling.eviction import EvictionCandidate
from pool.scheduling.history import Estimate, median
from pool.scheduling.slot import RANK_LAST, RANK_NEW, RANK_RESUMED, Slot
from pool.system.process_limits import wait_out_shortage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from pool.build.context import BuildContext
    from pool.build.job import BuildJob, BuildRequest, BuildResult, RetryAttempt
    from pool.build.workspace import BuildDir, RunWorkspace
    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.events.state import RunState
    from pool.run.outcome import Failure
    from pool.run.registry import JobRegistry
    from pool.scheduling.history import BuildHistory
    from pool.scheduling.limits import Limits

__all__ = ["Scheduler"]

METADATA_PEAK = 96 << 20
"""Bytes that a build for metadata alone is expected to use: most backends read a file or two."""


_REMOVALS = 3
"""How often a build is started again because the cache was removed."""
_REMOVAL_SECONDS = 0.5
"""A pause before that: a removal takes a while."""
_REMOVAL_NOTE = "the cache was removed while the build used it: it is built again"
_SHORTAGE_NOTE = "too few open files or processes are allowed now; the work is started again"


class Scheduler:
    """Builds the jobs of one run; implements `pool.build.interfaces.BuildService`.

    Args:
        context: the parts of the run that builds use.
        registry: the builds of the run.
        limits: the gates of the pool.
        history: what earlier builds took.
        database: writes the history.
        workspace: the folders of builds.
        group: runs the tasks of builds; entered before anything is submitted.
        state: the state of the run; read only.
        on_failure: called when a build has failed and is not retried.
    """

    def __init__(
        self,
        *,
        context: BuildContext,
        registry: JobRegistry,
        limits: Limits,
        history: BuildHistory,
        database: Executor,
        workspace: RunWorkspace,
        group: asyncio.TaskGroup,
        state: RunState,
        on_failure: Callable[[], None],
    ) -> None:
        self._context = context
        self._settings = context.settings
        self._bus = context.bus
        self._registry = registry
        self._limits = limits
        self._history = history
        self._database = database
        self._workspace = workspace
        self._group = group
        self._state = state
        self._stalled: asyncio.Future[None] | None = None
        """Done when no build makes progress any more; there while a failure waits for that."""
        self._on_failure = on_failure
        self._nested: dict[str, BuildJob] = {}
        """The nested builds by source and purpose."""
        self.has_internal_error = False
        """Whether an error of wheelpool's own ended a build."""

    # Registering

    def submit(self, requests: Sequence[BuildRequest]) -> list[BuildJob]:
        """Register builds and start them, the longest expected first."""
        estimates = self._estimate(requests)
        known = [one.seconds for one in estimates if one.seconds is not None]
        typical = median(known) if known else 0.0
        jobs = []
        for request, estimate in zip(requests, estimates, strict=True):
            seconds = typical if estimate.seconds is None else estimate.seconds
            priority = (RANK_NEW, -seconds, len(self._registry.jobs))
            jobs.append(self._register(request, priority, estimate))
        # The gate admits the first request for a free slot at once: the order of start counts.
        for job in sorted(jobs, key=lambda job: job.priority):
            self._start(job)
        return jobs

    def _estimate(self, requests: Sequence[BuildRequest]) -> list[Estimate]:
        return self._history.estimate([infer_identity(request.source) for request in requests])

    def _register(
        self,
        request: BuildRequest,
        priority: tuple[int, float, int],
        estimate: Estimate,
        *,
        by: BuildJob | None = None,
        nested: bool = False,
        retry_of: BuildJob | None = None,
    ) -> BuildJob:
        """Register a build that is no automatic retry."""
        job = self._registry.register(
            request,
            priority,
            estimate,
            nested=nested,
            needed_by=() if by is None else (by.id,),
            retry_of=retry_of,
        )
        self._limits.memory.ledger.add(job.key, estimate.peak)
        return job

    def _register_retry(self, job: BuildJob, attempt: RetryAttempt, peak: int) -> BuildJob:
        """Register the next attempt of a build that ended for lack of memory."""
        retry = self._registry.register(
            job.request,
            job.priority if job.nested else (RANK_LAST, *job.priority[1:]),
            job.estimate,
            nested=job.nested,
            needed_by=tuple(sorted(job.needed_by)),
            retry_of=job,
            attempt=attempt,
            last_peak=peak,
        )
        self._limits.memory.ledger.add(retry.key, job.estimate.peak, peak)
        return retry

    def _start(self, job: BuildJob) -> None:
        job.task = self._group.create_task(self._run_job(job), name=str(job.key))
        job.task.add_done_callback(lambda _: self._end_unstarted(job))

    def _end_unstarted(self, job: BuildJob) -> None:
        """End a build whose task was cancelled before its first step: no code of it ran."""
        if job.id not in self._registry.outcomes:
            self._finish(job, BuildFinished(build=job.id, outcome=Outcome.CANCELLED))

    # One build

    async def _run_job(self, job: BuildJob) -> None:
        """Run a build and emit its outcome while it still holds its slot."""
        build_dir = self._workspace.build_dir(job.id)
        slot = job.slot = Slot(
            job.key, self._limits.builds, self._bus, job.priority, exclusive=job.exclusive
        )
        try:
            result = await self._build(job, slot, build_dir)
            self._finish(job, self._success(job, result, slot))
            slot.release()
            await self._provide(job, result)
            await self._record(job, result, slot)
        except asyncio.CancelledError:
            ended = self._ended(job, slot, Outcome.CANCELLED)
            reason = job.eviction_reason
            self._finish(job, outcome.evicted(ended, reason) if reason else ended)
            raise
        except Exception as problem:  # noqa: BLE001 - every exception is the outcome of this build
            failure = outcome.failure_from(problem, job, self._settings.index)
            try:
                failure = outcome.with_full_folders(failure, await self._full_folders(job))
            finally:
                # If the build is cancelled now, it ends before its slot is released all the same.
                self._finish(job, self._failure(job, failure, slot))
            self._fail_result(job, f": {failure.message}")
        finally:
            slot.release()
            self._fail_result(job)
            await self._clean_up(job, build_dir)

    async def _build(self, job: BuildJob, slot: Slot, build_dir: BuildDir) -> BuildResult:
        """Run a build; start it again as long as descriptors or processes are short.

        A shortage is the machine's, so it is no failure of the build, until it has lasted. Nor is
        a cache that was removed meanwhile.
        """

        async def attempt() -> BuildResult:
            if build_dir.root.exists():  # An earlier attempt has left it.
                with suppress(OSError):
                    await self._context.in_thread(build_dir.discard)
            self._workspace.restore()
            build_dir.make()
            result = await run_build(job, slot, build_dir, self._context, self)
            build_dir.check()
            return result

        def release_slot(reason: str = _SHORTAGE_NOTE) -> None:
            self._note(job, reason)
            self._bus.emit(BuildWaiting(build=job.id, for_=WaitFor.SLOT))
            slot.release()

        for _ in range(_REMOVALS):
            try:
                return await wait_out_shortage(attempt, release_slot)
            except Exception as problem:
                is_removed = partial(self._workspace.is_removed, build_dir, problem)
                if not await self._context.in_thread(is_removed):
                    raise
            release_slot(_REMOVAL_NOTE)
            self._context.env.requirements.forget_all()
            await self._context.in_thread(self._context.hooks.runner.end_templates)
            await asyncio.sleep(_REMOVAL_SECONDS)
        return await wait_out_shortage(attempt, release_slot)

    def _note(self, job: BuildJob, text: str) -> None:
        self._bus.emit(Note(build=job.id, text=text))

    async def _full_folders(self, job: BuildJob) -> list[Path]:
        """Return the folders of a failed build that have no space left."""
        temporary = self._settings.environ.get("TMPDIR") or tempfile.gettempdir()
        folders = [self._workspace.root, job.log.parent, Path(temporary)]
        if self._settings.out_dir is not None:
            folders.append(self._settings.out_dir)
        return await self._context.in_thread(find_full_folders, folders)

    def _fail_result(self, job: BuildJob, reason: str = "") -> None:
        """Fail the dependents of a successful build whose wheel could not be unpacked."""
        if not job.result.done():
            message = f"needs {job.title}, which cannot be unpacked{reason}"
            job.result.set_exception(SkippedError(message))

    async def _provide(self, job: BuildJob, result: BuildResult) -> None:
        """Hand the result to dependents, with the wheel unpacked if they need that."""
        if result.wheel is not None and (job.nested or self._settings.installs_into):
            wheel = result.wheel
            unpacked = await wait_out_shortage(
                lambda: self._unpack(job, wheel, result), lambda: self._note(job, _SHORTAGE_NOTE)
            )
            result = replace(result, unpacked=unpacked)
        job.result.set_result(result)

    async def _unpack(self, job: BuildJob, wheel: Path, result: BuildResult) -> UnpackedWheel:
        requirements = self._context.env.requirements
        if job.purpose == "editable":
            # It is built anew each time: no later run would use it.
            return await requirements.unpack_for_run(wheel, job)
        return await requirements.unpack(wheel, result.sha256, job)

    async def _record(self, job: BuildJob, result: BuildResult, slot: Slot) -> None:
        """Record a build from source in the history; that never fails (`BuildHistory.trouble`)."""
        if result.outcome is Outcome.BUILT and job.purpose == "wheel":
            await in_thread(
                self._database,
                self._history.record,
                result.name,
                result.version,
                seconds=slot.active_seconds,
                peak=self._registry.outcomes[job.id].peak,
            )

    async def _clean_up(self, job: BuildJob, build_dir: BuildDir) -> None:
        """Keep the folder of a failed build, remove any other; a failure to do so is a note."""
        failed = self._registry.outcomes[job.id].outcome is Outcome.FAILED
        try:
            await self._context.in_thread(build_dir.keep if failed else build_dir.discard)
        except OSError as problem:
            verb = "marked as kept" if failed else "removed"
            text = f"{build_dir.root} could not be {verb}: {os_error_text(problem)}"
            self._bus.emit(Note(build=job.id, text=text))

    def _finish(self, job: BuildJob, event: BuildFinished) -> None:
        """Emit the terminal event of a build; a second one is ignored."""
        if job.id in self._registry.outcomes:
            return
        attempt = next_retry(
            event.reference, job.attempt, self._limits.job_tokens.cap, self._settings.retries
        )
        # The retry is registered first: a reader of the terminal event can tell that there is one.
        retry = self._register_retry(job, attempt, event.peak) if attempt else None
        event = outcome.with_retry(event, retry_conditions(attempt)) if attempt else event
        self._registry.outcomes[job.id] = event
        succeeded = event.outcome is Outcome.BUILT
        self._limits.memory.on_build_end(job.key, peak=event.peak, succeeded=succeeded)
        self._bus.emit(event)
        if retry and attempt:
            self._supersede(job, retry)
            self._bus.emit(Note(build=retry.id, text=describe_retry(attempt)))
        if not event.outcome.is_success:
            job.result.set_exception(SkippedError(outcome.skip_reason(job, event)))
        if event.outcome is Outcome.FAILED and retry is None:
            self._on_failure()

    def _ended(self, job: BuildJob, slot: Slot, how: Outcome) -> BuildFinished:
        seconds = round(slot.active_seconds, 4)
        peak = self._context.hooks.monitor.forget(job.key)
        return BuildFinished(build=job.id, outcome=how, seconds=seconds, peak=peak)

    def _success(self, job: BuildJob, result: BuildResult, slot: Slot) -> BuildFinished:
        published = job.published and self._settings.out_dir is not None
        ended = self._ended(job, slot, result.outcome)
        return outcome.succeeded(ended, result, published=published)

    def _failure(self, job: BuildJob, failure: Failure, slot: Slot) -> BuildFinished:
        if failure.traceback:
            self.has_internal_error = True
            with suppress(OSError), append_private(job.log) as log:
                log.write(failure.traceback.encode("utf-8", "backslashreplace"))
        return outcome.failed(self._ended(job, slot, failure.outcome), failure)

    def _supersede(self, job: BuildJob, retry: BuildJob) -> None:
        """Start another attempt in the place of a build that failed."""
        self._nested.update({key: retry for key, one in self._nested.items() if one is job})
        job.retry_job.set_result(retry)
        self._start(retry)

    # Dependents

    async def build_nested(self, request: BuildRequest, by: BuildJob) -> UnpackedWheel:
        """Return the unpacked wheel of a build requirement; it is built once in the run.

        Raises:
            RequirementError: the builds would wait for each other in a cycle.
            SkippedError: the build failed.
        """
        for other in self._registry.running():
            # The other build holds the lock of the tree, for which a second build would wait.
            if other.source == request.source:
                self._check_cycle(by, other)
        job = self._nested_job(request, by)
        result = await self.wait_for(job, by)
        if result.unpacked is None:
            raise AssertionError(f"{job.title} is not unpacked")
        return result.unpacked

    def _nested_job(self, request: BuildRequest, by: BuildJob) -> BuildJob:
        """Return the nested build of a source, started if there is none yet."""
        key = source_label(request.source)
        if (job := self._nested.get(key)) is None:
            (estimate,) = self._estimate([request])
            job = self._start_nested(key, request, estimate, by)
        elif job.id not in self._registry.outcomes and by.id not in job.needed_by:
            self._check_cycle(by, job)
            self._bus.emit(BuildNeeded(build=job.id, by=by.id))
        return job

    def _start_nested(
        self, key: str, request: BuildRequest, estimate: Estimate, by: BuildJob | None
    ) -> BuildJob:
        priority = (RANK_RESUMED, 0.0, len(self._nested))
        job = self._register(request, priority, estimate, by=by, nested=True)
        self._nested[key] = job
        self._start(job)
        return job

    async def build_metadata(self, request: BuildRequest) -> str:
        """Return the METADATA that the backend of a source distribution makes.

        Raises:
            SkippedError: the build failed.
        """
        key = f"metadata of {source_label(request.source)}"
        job = self._start_nested(key, request, Estimate(peak=METADATA_PEAK), None)
        while True:
            try:
                return (await asyncio.shield(job.result)).metadata
            except SkippedError:
                if not job.retry_job.done():
                    raise
                job = job.retry_job.result()

    def _check_cycle(self, by: BuildJob, job: BuildJob) -> None:
        if cycle := self._registry.find_cycle(by, job):
            names = [each.name for each in cycle]
            error = RequirementError(
                f"build requirements depend on each other in a cycle: {' needs '.join(names)}",
                hint=f"give a wheel of {names[-1]} with --find-links",
            )
            error.cause = "build requirements in a cycle"
            raise error

    async def wait_for(self, job: BuildJob, by: BuildJob) -> BuildResult:
        """Let one build wait for another one, or for its next attempt, as long as there is one.

        A nested build that no build waits for any more is cancelled.

        Raises:
            RequirementError: the builds would wait for each other in a cycle.
            SkippedError: the other build failed.
        """
        while True:
            while job.retry_job.done():
                job = job.retry_job.result()
            try:
                return await self._wait_for_attempt(job, by)
            except SkippedError:
                if not job.retry_job.done():
                    raise

    async def _wait_for_attempt(self, job: BuildJob, by: BuildJob) -> BuildResult:
        self._check_cycle(by, job)
        by.waits_on.add(job.id)
        job.needed_by.add(by.id)
        waiting = BuildWaiting(
            build=by.id,
            for_=WaitFor.DEPENDENCY,
            on=", ".join(sorted(self._registry.jobs[build].title for build in by.waits_on)),
            builds=tuple(sorted(by.waits_on)),
        )
        self._bus.emit(waiting)
        try:
            return await asyncio.shield(job.result)
        finally:
            by.waits_on.discard(job.id)
            if job.nested and not self._registry.is_awaited(job):
                self._abandon(job)

    def _abandon(self, job: BuildJob) -> None:
        """Cancel a build that no build waits for; a later dependent starts it again."""
        if job.id not in self._registry.outcomes:
            self._nested.pop(source_label(job.source), None)
            self.cancel(job)

    async def result_of(self, job: BuildJob) -> BuildResult:
        """Wait for the result of a build, or of its next attempt if it is retried.

        A failure is final when no other build of the run makes progress: until then, the user may
        retry it. To be called for the request; a build that waits for another one makes none.

        Raises:
            SkippedError: it failed and is not retried.
        """
        while True:
            try:
                return await asyncio.shield(job.result)
            except SkippedError:
                # A successful build whose wheel cannot be unpacked is not retried.
                if not self._registry.outcomes[job.id].outcome.is_success:
                    await self._wait_for_retry(job)
                if not job.retry_job.done():
                    raise
            job = await asyncio.shield(job.retry_job)

    async def _wait_for_retry(self, job: BuildJob) -> None:
        """Wait until a failed build is retried, or no other build makes progress."""
        if not has_progress(self._state):
            return
        if self._stalled is None:
            self._stalled = asyncio.get_running_loop().create_future()
        await asyncio.wait((self._stalled, job.retry_job), return_when=asyncio.FIRST_COMPLETED)

    def on_change(self) -> None:
        """Note that a build has ended, or waits for something."""
        if self._stalled is not None and not has_progress(self._state):
            self._stalled.set_result(None)
            self._stalled = None

    # Controls

    def cancel(self, job: BuildJob) -> None:
        """Cancel a build that has not ended."""
        if job.id not in self._registry.outcomes:
            _cancel_task(job)

    def cancel_all(self) -> None:
        """Cancel the builds that have not ended, and the unpacking of wheels for dependents."""
        for job in self._registry.jobs.values():
            if not job.result.done():
                _cancel_task(job)

    def eviction_candidates(self) -> list[EvictionCandidate[BuildJob]]:
        """Return the builds of the run whose processes are running, for `choose_victim`."""
        usage = self._limits.memory.ledger.usage
        return [
            EvictionCandidate(
                key=job,
                active_seconds=job.slot.active_seconds,
                usage=usage[job.key],
                nested=job.nested,
                awaited=self._registry.is_awaited(job),
            )
            for job in self._registry.running()
            if job.slot is not None and job.key in usage and not job.eviction_reason
        ]

    def evict(self, job: BuildJob, reason: str) -> None:
        """End a build to free memory; it is built again when there is room."""
        if job.task is not None:
            job.eviction_reason = reason
            job.task.cancel()

    def retry(self, failed_jobs: Sequence[BuildJob]) -> None:
        """Retry failed builds, with nested builds of their own if those failed, too."""
        if failed_jobs:
            self._forget_failed_nested()
        for failed in failed_jobs:
            retry = self._register(
                failed.request, failed.priority, failed.estimate, retry_of=failed
            )
            self._supersede(failed, retry)

    def _forget_failed_nested(self) -> None:
        outcomes = self._registry.outcomes
        self._nested = {
            key: job
            for key, job in self._nested.items()
            if (ended := outcomes.get(job.id)) is None or ended.outcome.is_success
        }


def _cancel_task(job: BuildJob) -> None:
    if job.task is not None:
        # A build that is being evicted is not retried then.
        job.eviction_reason = ""
        job.task.cancel()
