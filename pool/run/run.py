"""One request in a pool: its journal, its events, its builds and outcomes, and its exit code.

Several runs can be in one pool, one after another and at once; `pool.run.resources` is what they
share. A run belongs to the event loop of its pool. `Run.control` is called on that loop's thread.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, assert_never

from pool.build.frontend.job_flags import user_job_limits
from pool.build.workspace import RunWorkspace
from pool.common.aio import in_thread
from pool.common.errors import os_error_text
from pool.common.model import BuildKey
from pool.common.once_map import Lazy
from pool.common.redaction import redact_urls
from pool.events.bus import EventBus
from pool.events.controls import Cancel, Pause, Resize, Resume, Retry, Stop, WatchBuild
from pool.events.journal import logs_path, open_run_journal
from pool.events.queries import count_outcomes, find_retryable
from pool.events.reducer import apply
from pool.events.state import RunState
from pool.events.types import (
    BuildFinished,
    BuildWaiting,
    Note,
    RunFinished,
    RunStarted,
    RunStopping,
)
from pool.resolve.progress import ResolveProgressEvents
from pool.run.control_server import ControlServer, reject_reason
from pool.run.plain_request import submit_requirements
from pool.run.registry import JobRegistry
from pool.run.resources import create_context
from pool.run.scheduler import Scheduler
from pool.run.target import read_target

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pool.build.job import BuildJob
    from pool.common.model import RunId
    from pool.events.controls import Control
    from pool.events.journal import JournalWriter
    from pool.events.types import Header, KnownEvent
    from pool.requirements.request import Request
    from pool.resolve.service import Pages
    from pool.run.installer import Installer
    from pool.run.request_runner import RequestRunner
    from pool.run.resources import PoolResources
    from pool.run.selection import Selection
    from pool.run.target import RunTarget
    from pool.scheduling.eviction import EvictionCandidate
    from pool.settings import RunSettings
    from pool.sources.index.client import IndexClient

__all__ = ["Run"]


class Run:
    """Builds, fetches and installs what one request asks for; `create` makes one.

    Args:
        settings: the settings of the run.
        target: the request, the interpreter and the environments.
        resources: what the run shares with other runs of the pool.
        header: the header of the journal.
        writer: the journal; closed at the end.
        listener: called with each event after it is written, on the loop's thread.
        workspace: the folders of builds; closed at the end.
        on_close: called when the run has left the pool.
    """

    def __init__(
        self,
        *,
        settings: RunSettings,
        target: RunTarget,
        resources: PoolResources,
        header: Header,
        writer: JournalWriter,
        listener: Callable[[KnownEvent], None],
        workspace: RunWorkspace,
        on_close: Callable[[Run], None],
    ) -> None:
        self.header = header
        self.id: RunId = header.run
        self.journal: Path = writer.path
        self._settings = settings
        self._target = target
        self._resources = resources
        self._writer = writer
        self._workspace = workspace
        self._on_close = on_close
        self.state = RunState(header=header)
        """The fold of all events so far; only `_on_event` changes it."""
        self._listener = listener
        self._bus = bus = EventBus(resources.clock, writer, self._on_event)
        self._limits = resources.limits.add_run(self.id, bus, settings.run_builds)
        resources.router.add(self.id, bus)
        self._registry = JobRegistry(self.id, logs_path(writer.path), bus)
        self._selection = Lazy(self._create_selection)
        self._installer = self._create_installer()
        self._progress = ResolveProgressEvents(bus)
        self._index = Lazy(self._create_index)
        self._context = create_context(
            self.id,
            settings,
            target=target,
            resources=resources,
            bus=bus,
            workspace=workspace.root,
            index=self._index,
            pages=Lazy(self._create_pages),
            selection=self._selection,
            installer=self._installer,
        )
        self._tasks = asyncio.TaskGroup()
        self._scheduler = Scheduler(
            context=self._context,
            registry=self._registry,
            limits=resources.limits,
            history=resources.history,
            database=resources.executors.database,
            workspace=workspace,
            group=self._tasks,
            state=self.state,
            on_failure=self._on_failure,
        )
        self._request_task: asyncio.Task[bool] | None = None
        self._stop = asyncio.Event()
        self._interrupted = False
        self._request_succeeded = True
        self._closed = False

    @classmethod
    async def create(
        cls,
        settings: RunSettings,
        request: Request,
        listener: Callable[[KnownEvent], None],
        *,
        resources: PoolResources,
        on_close: Callable[[Run], None],
    ) -> Run:
        """Read the target of a run, and create its journal and its workspace.

        Args:
            settings: the settings of the run.
            request: the requirements; duplicates count once.
            listener: called with each event after it is written, on the loop's thread.
            resources: what the run shares with other runs of the pool.
            on_close: called when the run has left the pool.

        Raises:
            PoolError: the interpreter or the environment cannot be used, or a folder cannot be
                written.
            OSError: the cache cannot be written.
        """
        target = await in_thread(
            resources.executors.probes, read_target, settings, request, resources.cache_dir
        )
        header, writer = open_run_journal(
            journal=settings.journal,
            state_dir=resources.state_dir,
            argv=settings.argv,
            clock=resources.clock,
            python=target.interpreter.version,
        )
        try:
            workspace = RunWorkspace(resources.cache_dir, header.run)
        except BaseException:
            writer.close()
            raise
        return cls(
            settings=settings,
            target=target,
            resources=resources,
            header=header,
            writer=writer,
            listener=listener,
            workspace=workspace,
            on_close=on_close,
        )

    def _on_event(self, event: KnownEvent) -> None:
        apply(self.state, event)
        self._listener(event)
        if isinstance(event, (BuildFinished, BuildWaiting)):
            self._scheduler.on_change()

    def _emit_note(self, text: str) -> None:
        self._bus.emit(Note(text=redact_urls(text)))

    def _create_index(self) -> IndexClient:
        index = self._resources.index_clients.get(self._settings)
        index.add_listener(self._emit_note)
        return index

    def _create_selection(self) -> Selection:
        from pool.run.selection import Selection

        return Selection(self._target.request.named)

    def _create_pages(self) -> Pages:
        from pool.resolve.service import Pages

        return Pages(self._index.get(), self._progress.on_page, fresh=self._settings.upgrade)

    async def _run_request(self) -> bool:
        """Run the request; return whether it succeeded, apart from builds that failed."""
        if self._installer is None and not self._settings.deps:
            return submit_requirements(self._target.request, self._scheduler, self._bus)
        return await self._create_request_runner().run()

    def _create_request_runner(self) -> RequestRunner:
        from pool.run.metadata import MetadataFetcher
        from pool.run.request_runner import RequestRunner

        request, executor = self._target.request, self._resources.executors.files
        metadata = MetadataFetcher(
            fetcher=self._context.fetch.fetcher,
            executor=executor,
            read_wheel=self._context.env.requirements.read_wheel,
            service=self._scheduler,
            request=request,
            selection=self._selection.get(),
            isolates=self._settings.isolates,
        )
        return RequestRunner(
            request,
            settings=self._settings,
            interpreter=self._target.interpreter,
            bus=self._bus,
            executor=executor,
            selection=self._selection.get(),
            resolver=self._context.fetch.resolver,
            progress=self._progress,
            service=self._scheduler,
            metadata=metadata,
            installer=self._installer,
        )

    def _create_installer(self) -> Installer | None:
        if self._target.environment is None:
            return None
        from pool.run.installer import Installer

        return Installer(
            self._target.environment,
            bus=self._bus,
            locks=self._resources.file_locks,
            executor=self._resources.executors.files,
            lock_timeout=self._settings.lock_timeout,
            may_overwrite=self._settings.may_overwrite,
        )

    async def run(self) -> int:
        """Run the request, once; return the exit code (0, 1, 3 or 130)."""
        try:
            async with AsyncExitStack() as stack:
                self._emit_start()
                for note in (*self._resources.notes, *self._settings.notes):
                    self._emit_note(note)
                self._emit_user_limits()
                async with self._tasks:
                    if not self._stop.is_set():
                        self._request_task = self._tasks.create_task(self._run_request())
                        self._request_task.add_done_callback(self._on_request_end)
                    await self._open_control_server(stack)
                # No build is left that could be retried.
                self._stop.set()
                return self._emit_end()
        finally:
            self.close()

    def close(self) -> None:
        """Close the journal and leave the pool; `run` does so at its end."""
        if not self._closed:
            self._closed = True
            if self._index.existing is not None:
                self._index.existing.remove_listener(self._emit_note)
            self._resources.router.remove(self.id)
            self._resources.monitor.remove_run(self.id)
            self._resources.limits.remove_run(self.id)
            self._workspace.close()
            self._writer.close()
            self._on_close(self)

    async def _open_control_server(self, stack: AsyncExitStack) -> None:
        server = ControlServer(self.journal, self._control_from_outside, lambda: self._bus.seq)
        stack.callback(server.close)
        if reason := await server.open():
            self._bus.emit(Note(text=reason))

    def _on_request_end(self, task: asyncio.Task[bool]) -> None:
        completed = not task.cancelled() and not task.exception()
        self._request_succeeded = completed and task.result()
        if completed and not self._request_succeeded:
            self._on_failure()

    def _emit_start(self) -> None:
        environment, process_start = self._target.environment, self._settings.process_start
        started = RunStarted(
            limits=self._limits.values(),
            targets=len(self._target.request),
            out_dir=str(self._settings.out_dir or ""),
            logs=str(logs_path(self.journal)),
            environment="" if environment is None else str(environment.prefix),
            startup=0.0 if process_start is None else round(self._bus.since(process_start), 4),
        )
        self._bus.emit(started)

    def _emit_user_limits(self) -> None:
        if user_job_limits(self._settings.environ):
            self._context.hooks.jobs.emit_user_limits(self._bus)

    def _emit_end(self) -> int:
        # Samples and changes of limits are no part of this run any more.
        self._resources.router.remove(self.id)
        if self._resources.history.trouble:
            self._bus.emit(Note(text=self._resources.history.trouble))
        code, problem = self._exit_code(), self._bus.journal_error
        warning = ""
        if problem is not None:
            reason = f"{self.journal.parent}: {os_error_text(problem)}"
            warning = f"the log is incomplete: {reason}"
        totals = count_outcomes(self.state)
        self._bus.emit(RunFinished(exit_code=code, totals=totals, warning=warning))
        return code

    def _exit_code(self) -> int:
        if self._scheduler.has_internal_error:
            return 3
        if self._interrupted:
            return 130
        succeeded = all(outcome.is_success for outcome in count_outcomes(self.state))
        return 0 if succeeded and self._request_succeeded else 1

    # Controls

    def control(self, control: Control) -> None:
        """Apply a control; one that comes too late is ignored."""
        if not self._closed:
            self._apply(control)

    def _apply(self, control: Control) -> None:
        match control:
            case Resize():
                self._limits.resize(control)
            case Pause():
                self._limits.pause()
            case Resume():
                self._limits.resume()
            case Cancel(build=build_id) if job := self._registry.jobs.get(build_id):
                self._scheduler.cancel(job)
            case Retry(build=build_id) if job := self._registry.jobs.get(build_id):
                self._retry(job)
            case Cancel() | Retry():
                pass  # There is no such build.
            case WatchBuild(build=build_id):
                self._resources.monitor.watch_build(BuildKey(self.id, build_id))
            case Stop(now=now):
                self._end(why="interrupted", now=now)
            case _:
                assert_never(control)

    def _retry(self, job: BuildJob) -> None:
        if not self._stop.is_set():
            retryable = find_retryable(self.state, job.id)
            self._scheduler.retry([self._registry.jobs[build] for build in retryable])

    def _control_from_outside(self, control: Control) -> str:
        """Apply a control of another process; return why it is rejected, if it is."""
        reason = reject_reason(control, self.state, stopping=self._stop.is_set())
        if not reason:
            self.control(control)
        return reason

    def _on_failure(self) -> None:
        if self._settings.fail_fast:
            self._end(why="fail-fast")

    def _end(self, *, why: str, now: bool = False) -> None:
        """Cancel all builds that have not ended, and let the run finish."""
        if now and (hooks := self._resources.hooks.existing) is not None:
            hooks.kill_all(self.id)
        running = self._registry.running()
        requesting = self._request_task is not None and not self._request_task.done()
        if running or requesting:
            self._bus.emit(RunStopping(why=why))
            self._interrupted = self._interrupted or why == "interrupted"
        if self._request_task is not None:
            self._request_task.cancel()
        self._scheduler.cancel_all()
        self._stop.set()

    # Eviction

    def eviction_candidates(self) -> list[EvictionCandidate[BuildJob]]:
        """Return the builds that may be ended to free memory."""
        return self._scheduler.eviction_candidates()

    def evict(self, job: BuildJob, reason: str) -> None:
        """End a build of this run to free memory."""
        self._scheduler.evict(job, reason)
