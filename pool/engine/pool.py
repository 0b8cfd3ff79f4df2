"""The pool: sets everything up, lets an errand and its builds run, obeys controls, tells the end.

It belongs to one event loop; `Pool.control` is called on that loop's thread.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from pool.build.build_requirements import BuildRequirements
from pool.build.context import BuildContext
from pool.build.frontend.build_env import BuildEnvironment
from pool.build.frontend.hook_jobs import HookJobs
from pool.build.frontend.hooks import HookRunner
from pool.build.frontend.tool_shims import ToolShims
from pool.build.monitor import BuildMonitor
from pool.build.workspace import RunWorkspace, check_out_dir
from pool.cache.prune import shared_cache_lock
from pool.cache.unpacked_wheels import UnpackedWheels
from pool.cache.wheel_cache import WheelCache
from pool.common.cache_layout import CacheLayout
from pool.common.clock import Clock, SystemClock
from pool.common.controls import Cancel, Control, Pause, Resize, Resume, Retry, Stop, WatchBuild
from pool.common.errors import os_error_text
from pool.engine.control_server import ControlServer
from pool.engine.reject_reason import reject_reason
from pool.events.bus import EventBus
from pool.events.journal import logs_path, open_run_journal
from pool.events.types import KnownEvent, Note, RunFinished, RunStarted, RunStopping
from pool.install.environment import find_environment
from pool.requirements.pylock import read_lock
from pool.resolve.service import Pages, ResolverService
from pool.run.effective_request import EffectiveRequest
from pool.run.installer import Installer
from pool.run.metadata import MetadataFetcher
from pool.run.registry import JobRegistry
from pool.run.request_runner import RequestRunner
from pool.run.scheduler import Scheduler
from pool.run.selection import Selection
from pool.run.shared_env import SharedBuildEnv
from pool.scheduling.history import BuildHistory
from pool.scheduling.jobserver import OuterJobserver
from pool.scheduling.limits import Limits
from pool.settings import MAX_BUILDS, Settings
from pool.sources.git import Git
from pool.sources.index.client import IndexClient
from pool.sources.index.fetcher import Fetcher
from pool.system.interpreter import probe
from pool.system.locks.lock_file import LockFile
from pool.system.locks.queue import LockQueue
from pool.system.locks.tree_lock import TreeLocks
from pool.system.sampler import Sampler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pool.events.types import BuildSample
    from pool.install.environment import TargetEnvironment
    from pool.requirements.request import Request

__all__ = ["Pool"]

_FILE_THREADS = 8


class Pool:
    """Builds, fetches and installs what a request asks for, under one limiter.

    Args:
        settings: how.
        request: what; doubles count once.
        listener: gets every event, stamped and already in the journal, on the loop's thread.
        clock: where time comes from.
        linger: stay when all is built, for retries, until a `Stop` comes.

    Raises:
        PoolError: the interpreter or the environment cannot be used, or a folder not written.
    """

    def __init__(
        self,
        settings: Settings,
        request: Request,
        listener: Callable[[KnownEvent], None],
        *,
        clock: Clock | None = None,
        linger: bool = False,
    ) -> None:
        self._clock = clock = clock or SystemClock()
        self._settings = settings
        self._linger = linger
        self._environment = _environment(settings)
        if self._environment is None:
            self._interpreter = probe(settings.python, settings.environ)
        else:
            self._interpreter = self._environment.interpreter
        locked = [w for path in request.locks for w in read_lock(path, self._interpreter)]
        request = replace(request, requirements=(*request.requirements, *locked))
        self._wishlist = EffectiveRequest(request, settings, self._interpreter)
        if settings.out_dir is not None:
            check_out_dir(settings.out_dir)
        self.header, self._writer = open_run_journal(
            journal=settings.journal,
            state_dir=settings.state_dir,
            argv=settings.argv,
            clock=clock,
            python=self._interpreter.version,
        )
        self.journal = self._writer.path
        self._bus = EventBus(clock, self._writer, listener)
        self._caps = _limits(settings, self._bus)
        self._roster = JobRegistry()
        self._history = BuildHistory.load(settings.state_dir / "history.sqlite")
        self._builders = Scheduler(
            settings=settings,
            roster=self._roster,
            caps=self._caps,
            history=self._history,
            logs=logs_path(self.journal),
            linger=linger,
            on_failure=self._went_wrong,
        )
        self._sampler = Sampler(self.header.run)
        self._hooks: HookRunner | None = None
        self._errand: asyncio.Task[bool] | None = None
        self._stop = asyncio.Event()
        self._interrupted = False
        self._all_well = True

    async def run(self) -> int:
        """Do everything; return the exit code (0, 1, 3 or 130)."""
        async with AsyncExitStack() as stack:
            stack.callback(self._writer.close)
            errand = self._set_up(stack)
            self._tell_start()
            self._kit.allotment.emit_user_limits(self._bus)
            async with asyncio.TaskGroup() as crew:
                watching = crew.create_task(self._kit.watch.run())
                broker = crew.create_task(self._caps.jobs.run())
                async with asyncio.TaskGroup() as group:
                    self._builders.begin(self._kit, self._workplace, group)
                    if not self._stop.is_set():
                        self._errand = group.create_task(errand.run())
                        self._errand.add_done_callback(self._errand_ended)
                    await self._let_visitors_in(stack)
                    if self._linger:
                        await self._stop.wait()
                # From here on there is nothing that could be tried again.
                self._stop.set()
                watching.cancel()
                broker.cancel()
            return self._told_end()

    async def _let_visitors_in(self, stack: AsyncExitStack) -> None:
        door = ControlServer(self.journal, self._asked, lambda: self._bus.seq)
        stack.callback(door.close)
        if trouble := await door.open():
            self._bus.emit(Note(text=trouble))

    def _errand_ended(self, errand: asyncio.Task[bool]) -> None:
        ended = not errand.cancelled() and not errand.exception()
        self._all_well = ended and errand.result()
        if ended and not self._all_well:
            self._went_wrong()

    def _tell_start(self) -> None:
        settings, environment = self._settings, self._environment
        started = RunStarted(
            limits=self._caps.values(),
            targets=len(self._wishlist),
            out_dir=str(settings.out_dir or ""),
            logs=str(logs_path(self.journal)),
            environment="" if environment is None else str(environment.prefix),
        )
        self._bus.emit(started)

    def _told_end(self) -> int:
        if self._history.trouble:
            self._bus.emit(Note(text=self._history.trouble))
        code = self._exit_code()
        trouble = self._bus.journal_error
        warning = f"the log is incomplete: {os_error_text(trouble)}" if trouble else ""
        totals = self._roster.totals()
        self._bus.emit(RunFinished(exit_code=code, totals=totals, warning=warning))
        return code

    def _exit_code(self) -> int:
        if self._builders.broken:
            return 3
        if self._interrupted:
            return 130
        good = all(outcome.good for outcome in self._roster.totals())
        return 0 if good and self._all_well else 1

    # What it stands on

    def _set_up(self, stack: AsyncExitStack) -> RequestRunner:
        """Make what builds share, and the errand that decides what they are."""
        settings, run = self._settings, self.header.run
        stack.enter_context(shared_cache_lock(settings.cache_dir))
        executor = ThreadPoolExecutor(_FILE_THREADS, thread_name_prefix="files")
        stack.enter_context(executor)
        self._workplace = RunWorkspace(settings.cache_dir, run)
        stack.callback(self._workplace.close)
        executor.submit(self._workplace.sweep)
        index = IndexClient(
            settings.index,
            cache_dir=settings.cache_dir,
            clock=self._clock,
            refreshes=settings.refreshes,
        )
        stack.push_async_callback(index.aclose)
        self._hooks = hooks = HookRunner(
            run=run, workers=MAX_BUILDS, owner_of=self._sampler.owner_of
        )
        stack.callback(hooks.close)
        chosen = Selection()
        chosen.named |= self._wishlist.named
        errand, ground = RequestRunner(self._wishlist, chosen), self._made_ground(chosen)
        self._kit = kit = self._made_kit(index, hooks, executor, errand, ground)
        furnishing = None
        if self._environment is not None:
            furnishing = Installer(self._environment, kit)
        finder = MetadataFetcher(kit, self._builders, self._wishlist)
        errand.begin(kit, self._builders, finder, furnishing)
        ground.begin(self._builders, finder, furnishing)
        return errand

    def _made_ground(self, chosen: Selection) -> SharedBuildEnv:
        """Builds without isolation run in what is filled, else in what is pointed at."""
        if self._environment is not None:
            path = self._environment.prefix
        else:
            path = _active(self._settings)
        environment = BuildEnvironment(path=path, interpreter=self._interpreter)
        return SharedBuildEnv(environment, self._settings.isolates, chosen)

    def _made_kit(
        self,
        index: IndexClient,
        hooks: HookRunner,
        executor: ThreadPoolExecutor,
        errand: RequestRunner,
        ground: SharedBuildEnv,
    ) -> BuildContext:
        settings = self._settings
        fetcher = Fetcher(index=index, gate=self._caps.downloads, bus=self._bus)
        pages = Pages(index, errand.on_page)
        requirements = BuildRequirements(
            resolver=ResolverService(pages, self._interpreter),
            fetcher=fetcher,
            installs=self._caps.installs,
            unpacked_wheels=UnpackedWheels(CacheLayout(settings.cache_dir).unpacked_wheels),
            run_dir=self._workplace.root / "unpacked",
            interpreter=self._interpreter,
            executor=executor,
            build_nested=self._builders.build_nested,
        )
        return BuildContext(
            settings=settings,
            interpreter=self._interpreter,
            bus=self._bus,
            fetcher=fetcher,
            search=ResolverService(pages, self._interpreter),
            requirements=requirements,
            locks=TreeLocks(environ=settings.environ),
            file_locks=LockQueue(LockFile),
            hooks=hooks,
            git=Git(CacheLayout(settings.cache_dir).git, hooks.run, settings.environ),
            cache=WheelCache(settings.cache_dir, self._clock) if settings.cache else None,
            ground=ground,
            watch=BuildMonitor(self._bus, self._sampler, executor, self._caps.jobs, self._sampled),
            allotment=HookJobs(
                self._caps.jobs,
                ToolShims(settings.environ, CacheLayout(settings.cache_dir).shims),
                settings.environ,
                executor,
                running_builds=lambda: min(self._caps.builds.cap, len(self._roster.running())),
            ),
            executor=executor,
        )

    def _sampled(self, samples: Sequence[BuildSample]) -> None:
        if why := self._caps.on_sample(samples):
            self._builders.make_room(why)

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
                if (job := self._roster.jobs.get(build_id)) is not None:
                    self._builders.cancel(job)
            case Retry(build=build_id):
                job = self._roster.jobs.get(build_id)
                if job is not None and not self._stop.is_set():
                    self._builders.retry(job)
            case WatchBuild(build=build_id):
                self._kit.watch.watch_build(build_id)
            case Stop(now=now):
                self._end(why="interrupted", now=now)
            case _:
                assert_never(control)

    def _asked(self, control: Control) -> str:
        """Obey a command from outside; return why not, if it makes no sense."""
        refused = reject_reason(control, self._roster, stopping=self._stop.is_set())
        if not refused:
            self.control(control)
        return refused

    def _went_wrong(self) -> None:
        if self._settings.fail_fast:
            self._end(why="fail-fast")

    def _end(self, *, why: str, now: bool = False) -> None:
        """Cancel what has not ended, and let the run finish."""
        if now and self._hooks is not None:
            self._hooks.kill_all()
        running = self._roster.running()
        at_work = self._errand is not None and not self._errand.done()
        if running or at_work:
            self._bus.emit(RunStopping(why=why))
            self._interrupted = self._interrupted or why == "interrupted"
        if self._errand is not None:
            self._errand.cancel()
        for job in running:
            self._builders.cancel(job)
        self._stop.set()


def _environment(settings: Settings) -> TargetEnvironment | None:
    match settings.installs_into:
        case None:
            return None
        case "active":
            return find_environment(None, settings.environ)
        case path:
            return find_environment(path, settings.environ)


def _limits(settings: Settings, bus: EventBus) -> Limits:
    return Limits(
        bus=bus,
        builds=settings.builds,
        downloads=settings.downloads,
        installs=settings.installs,
        jobs=settings.jobs,
        jobs_follow=settings.jobs_follow,
        memory=settings.memory,
        max_cap=MAX_BUILDS,
        outer_jobserver=OuterJobserver.join(settings.environ),
    )


def _active(settings: Settings) -> Path:
    """Return the environment that is meant where none is to be filled."""
    if settings.python is not None:
        return settings.python.parent.parent
    return Path(settings.environ.get("VIRTUAL_ENV") or sys.prefix)
