"""The pool: announces builds, runs their stories side by side, obeys controls, tells how it ends.

It belongs to one event loop; `Pool.control` is called on that loop's thread. It owns every task;
what it gives to the builds (`Kit`) knows nothing of it but one callback, for nested builds.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from statistics import median
from typing import TYPE_CHECKING, assert_never

from msgspec.structs import replace

from pool.backend.hooks import Hooks
from pool.backend.interpreter import probe
from pool.backend.output import clean_line
from pool.backend.wheelstore import WheelStore
from pool.build import Kit, build
from pool.caps import Caps
from pool.clock import Clock, SystemClock
from pool.controls import Cancel, Control, Pause, Resize, Resume, Retry, Stop
from pool.errors import RequirementError
from pool.events.bus import Bus
from pool.events.journal import logs_of
from pool.events.vocabulary import (
    BuildFinished,
    BuildNeeded,
    BuildQueued,
    BuildWaiting,
    KnownEvent,
    RunFinished,
    RunStarted,
    RunStopping,
)
from pool.failure import Failure, SkippedError, explained
from pool.history import History
from pool.job import Built, Job, NestedSdist, Source, identity
from pool.limits.treelock import TreeLocks
from pool.model import BuildId, Outcome, WaitFor
from pool.record import begin
from pool.requirements import Fetcher, Requirements
from pool.roster import Roster
from pool.sampler import Sampler
from pool.seat import FRESH, GOES_ON, Priority, Seat
from pool.settings import MAX_BUILDS, Settings
from pool.sources.index import PackageIndex
from pool.watch import Watch
from pool.workplace import Place, Workplace, check_out_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pool.backend.wheelstore import StoredWheel
    from pool.sources.index import IndexFile
    from pool.sources.target import Target

__all__ = ["Pool"]

_FILE_THREADS = 8


class Pool:
    """Builds wheels for targets, many at a time, under one limiter.

    Args:
        settings: what was asked for.
        targets: what to build, in the user's order; doubles count once.
        listener: gets every event, stamped and already in the journal, on the loop's thread.
        clock: where time comes from.
        linger: stay when all is built, for retries, until a `Stop` comes.

    Raises:
        PoolError: the interpreter cannot be used, or a folder cannot be written.
    """

    def __init__(
        self,
        settings: Settings,
        targets: Sequence[Target],
        listener: Callable[[KnownEvent], None],
        *,
        clock: Clock | None = None,
        linger: bool = False,
    ) -> None:
        self._clock = clock = clock or SystemClock()
        self._settings = settings
        self._targets = tuple(dict.fromkeys(targets))
        self._linger = linger
        self._interpreter = probe(settings.python, settings.environ)
        check_out_dir(settings.out_dir)
        self.header, self._writer = begin(settings, clock, self._interpreter.version)
        self.journal = self._writer.path
        self._bus = Bus(clock, self._writer, listener)
        self._history = History(settings.state_dir / "history.sqlite")
        self._caps = Caps(settings, self._bus)
        self._roster = Roster()
        self._nested: dict[str, Job] = {}
        self._hooks: Hooks | None = None
        self._stop = asyncio.Event()
        self._interrupted = False
        self._broken = False

    async def run(self) -> int:
        """Build everything; return the exit code (0, 1, 3 or 130)."""
        async with AsyncExitStack() as stack:
            stack.callback(self._writer.close)
            self._kit = self._made_kit(stack)
            self._tell_start()
            async with asyncio.TaskGroup() as crew:
                watching = crew.create_task(self._kit.watch.run())
                async with asyncio.TaskGroup() as self._group:
                    if not self._stop.is_set():
                        self._submit()
                    if self._linger:
                        await self._stop.wait()
                # From here on there is nothing that could be tried again.
                self._stop.set()
                watching.cancel()
            return self._told_end()

    def _tell_start(self) -> None:
        started = RunStarted(
            limits=self._caps.values(),
            targets=len(self._targets),
            out_dir=str(self._settings.out_dir),
            logs=str(logs_of(self.journal)),
        )
        self._bus.emit(started)

    def _told_end(self) -> int:
        code = self._exit_code()
        trouble = self._bus.trouble
        warning = f"the log is incomplete: {trouble.strerror}" if trouble else ""
        totals = self._roster.totals()
        self._bus.emit(RunFinished(exit_code=code, totals=totals, warning=warning))
        return code

    def _made_kit(self, stack: AsyncExitStack) -> Kit:
        settings, run = self._settings, self.header.run
        executor = ThreadPoolExecutor(_FILE_THREADS, thread_name_prefix="files")
        stack.enter_context(executor)
        self._workplace = Workplace(settings.cache_dir, run)
        stack.callback(self._workplace.close)
        executor.submit(self._workplace.sweep)
        index = PackageIndex(settings.index, cache_dir=settings.cache_dir, clock=self._clock)
        stack.push_async_callback(index.aclose)
        self._hooks = hooks = Hooks(run=run, workers=MAX_BUILDS)
        stack.callback(hooks.close)
        fetcher = Fetcher(index=index, gate=self._caps.downloads, bus=self._bus)
        requirements = Requirements(
            fetcher=fetcher,
            installs=self._caps.installs,
            store=WheelStore(settings.cache_dir / "wheels"),
            interpreter=self._interpreter,
            executor=executor,
            nested=self._nest,
        )
        return Kit(
            settings=settings,
            interpreter=self._interpreter,
            bus=self._bus,
            fetcher=fetcher,
            requirements=requirements,
            locks=TreeLocks(environ=settings.environ),
            hooks=hooks,
            watch=Watch(self._bus, Sampler(run), executor),
            executor=executor,
        )

    def _exit_code(self) -> int:
        if self._broken:
            return 3
        if self._interrupted:
            return 130
        return 0 if all(outcome.good for outcome in self._roster.totals()) else 1

    # Announcing

    def _submit(self) -> None:
        expected = self._history.expected([identity(target) for target in self._targets])
        usual = median([seconds for seconds in expected if seconds is not None] or [0.0])
        jobs = []
        for order, (target, seconds) in enumerate(zip(self._targets, expected, strict=True)):
            priority = (FRESH, -(usual if seconds is None else seconds), order)
            jobs.append(self._announce(target, priority, expected=seconds))
        # Whoever comes first takes a free slot at once: they come in the order of priority.
        for job in sorted(jobs, key=lambda job: job.priority):
            self._start(job)

    def _announce(
        self,
        source: Source,
        priority: Priority,
        *,
        expected: float | None = None,
        needed_by: tuple[BuildId, ...] = (),
        retry_of: BuildId | None = None,
    ) -> Job:
        build_id, (name, known) = self._roster.next_id(), identity(source)
        log = logs_of(self.journal) / self._roster.log_name(f"{name}-{known}" if known else name)
        job = Job(id=build_id, source=source, name=name, version=known, log=log, priority=priority)
        if not job.nested:
            job.config_settings = self._settings.config_settings
        self._roster.jobs[build_id] = job
        queued = BuildQueued(
            build=build_id,
            name=name,
            version=known,
            target=source.label,
            log=log.name,
            needed_by=needed_by,
            retry_of=retry_of,
            expected=expected,
        )
        self._bus.emit(queued)
        return job

    def _start(self, job: Job) -> None:
        job.task = self._group.create_task(self._story(job), name=job.id)
        job.task.add_done_callback(lambda _: self._never_began(job))

    def _never_began(self, job: Job) -> None:
        """A task that is cancelled before its first step runs nothing of its coroutine."""
        if job.id not in self._roster.outcomes:
            self._tell(job, BuildFinished(build=job.id, outcome=Outcome.CANCELLED))

    # One build, to its one outcome

    async def _story(self, job: Job) -> None:
        """Run a build and tell its outcome while it still has its slot."""
        place = self._workplace.place(job.id)
        seat = Seat(job.id, self._caps.builds, self._bus, job.priority)
        try:
            place.make()
            built = await build(job, seat, place, self._kit)
            self._tell(job, self._good(job, built, seat))
            seat.release()
            await self._after(job, built, seat)
        except asyncio.CancelledError:
            self._tell(job, self._ended(job, seat, Outcome.CANCELLED))
            raise
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is this build's outcome
            self._tell(job, self._bad(job, explained(problem, job), seat))
        finally:
            seat.release()
            if job.result is not None and not job.result.done():
                job.result.set_exception(
                    SkippedError(f"needs {job.title}, which cannot be unpacked")
                )
            await self._kit.in_thread(self._tidy, job, place)

    async def _after(self, job: Job, built: Built, seat: Seat) -> None:
        """What follows a good build, without a slot."""
        if job.result is not None:
            wheel = await self._kit.requirements.unpack(built.wheel, built.sha256, job)
            job.result.set_result(wheel)
        peak = self._roster.outcomes[job.id].peak
        await self._kit.in_thread(
            self._history.record, built.name, built.version, seconds=seat.worked, peak=peak
        )

    def _tidy(self, job: Job, place: Place) -> None:
        if self._roster.outcomes[job.id].outcome is Outcome.FAILED:
            place.keep()
        else:
            place.discard()

    def _tell(self, job: Job, event: BuildFinished) -> None:
        """Emit the one outcome of a build; a second one is not told."""
        if job.id in self._roster.outcomes:
            return
        self._roster.outcomes[job.id] = event
        self._bus.emit(event)
        if job.result is not None and not event.outcome.good:
            label = job.title
            job.result.set_exception(SkippedError(f"needs {label}, which {_became(event)}"))
        if self._settings.fail_fast and event.outcome is Outcome.FAILED:
            self._end(why="fail-fast")

    def _ended(self, job: Job, seat: Seat, outcome: Outcome) -> BuildFinished:
        seconds = round(seat.worked, 4)
        peak = self._kit.watch.forget(job.id)
        return BuildFinished(build=job.id, outcome=outcome, seconds=seconds, peak=peak)

    def _good(self, job: Job, built: Built, seat: Seat) -> BuildFinished:
        return replace(
            self._ended(job, seat, Outcome.BUILT),
            version=built.version,
            wheel=None if job.nested else str(built.wheel),
            sha256=built.sha256,
            bytes=built.bytes,
        )

    def _bad(self, job: Job, failure: Failure, seat: Seat) -> BuildFinished:
        if failure.details:
            self._broken = True
            with suppress(OSError), job.log.open("a") as log:
                log.write(failure.details)
        return replace(
            self._ended(job, seat, failure.outcome),
            reference=failure.reference,
            message=clean_line(failure.message),
            hint=failure.hint,
            rerun=failure.rerun,
        )

    # Nested builds

    async def _nest(self, file: IndexFile, by: Job) -> StoredWheel:
        """Return the wheel of a requirement that must be built, building it once."""
        job = self._nested.get(file.filename)
        if job is None:
            job = self._announce(
                NestedSdist(file=file), (GOES_ON, 0.0, len(self._nested)), needed_by=(by.id,)
            )
            self._nested[file.filename] = job
            self._start(job)
        elif cycle := self._roster.cycle(by, job):
            raise RequirementError(
                "build requirements go in a circle: " + " needs ".join(each.name for each in cycle)
            )
        elif job.id not in self._roster.outcomes:
            self._bus.emit(BuildNeeded(build=job.id, by=by.id))
        if job.result is None:
            job.result = _looked_at(asyncio.get_running_loop().create_future())
        return await self._awaited(job, job.result, by)

    async def _awaited(self, job: Job, result: asyncio.Future[StoredWheel], by: Job) -> StoredWheel:
        by.waits_on.add(job.id)
        job.needed_by.add(by.id)
        waiting = BuildWaiting(
            build=by.id,
            for_=WaitFor.DEPENDENCY,
            on=", ".join(sorted(self._roster.jobs[build].title for build in by.waits_on)),
            builds=tuple(sorted(by.waits_on)),
        )
        self._bus.emit(waiting)
        try:
            return await asyncio.shield(result)
        finally:
            by.waits_on.discard(job.id)
            if job.id not in self._roster.outcomes and not self._roster.wanted(job):
                self._cancel(job)

    # Controls

    def control(self, control: Control) -> None:
        """Obey a command; one that makes no sense any more is ignored."""
        match control:
            case Resize():
                self._caps.resize(control)
            case Pause():
                self._caps.pause()
            case Resume():
                self._caps.resume()
            case Cancel(build=build_id):
                self._cancel(self._roster.jobs[build_id])
            case Retry(build=build_id):
                self._retry(self._roster.jobs[build_id])
            case Stop(now=now):
                self._end(why="interrupted", now=now)
            case _:
                assert_never(control)

    def _cancel(self, job: Job) -> None:
        if job.task is not None and job.id not in self._roster.outcomes:
            job.task.cancel()

    def _retry(self, job: Job) -> None:
        """Build a bad one again; for a nested one, again what was skipped for want of it."""
        again_all = [] if self._stop.is_set() else self._roster.to_retry(job)
        if again_all:
            self._forget_bad_nested()
        for again in again_all:
            self._roster.superseded.add(again.id)
            self._start(self._announce(again.source, again.priority, retry_of=again.id))

    def _forget_bad_nested(self) -> None:
        bad = [
            key
            for key, job in self._nested.items()
            if (ended := self._roster.outcomes.get(job.id)) and not ended.outcome.good
        ]
        for key in bad:
            del self._nested[key]

    def _end(self, *, why: str, now: bool = False) -> None:
        """Cancel what has not ended, and let the run finish."""
        if now and self._hooks is not None:
            self._hooks.kill()
        if running := self._roster.running():
            self._bus.emit(RunStopping(why=why))
            self._interrupted = self._interrupted or why == "interrupted"
        for job in running:
            self._cancel(job)
        self._stop.set()


def _became(event: BuildFinished) -> str:
    return "was cancelled" if event.outcome is Outcome.CANCELLED else "was not built"


def _looked_at(future: asyncio.Future[StoredWheel]) -> asyncio.Future[StoredWheel]:
    """Let nobody be told that nobody looked at its exception."""
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future
