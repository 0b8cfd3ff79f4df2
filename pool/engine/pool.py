"""A pool: the resources that outlive a request, and the runs that share them.

The limits, the memory budget, the job tokens, the hook runner, the caches and the executors are the
pool's; a journal and builds are a run's. A pool belongs to one event loop.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from itertools import count
from typing import TYPE_CHECKING

from pool.build.monitor import BuildMonitor
from pool.build.workspace import sweep_workspaces
from pool.cache.prune import shared_cache_lock
from pool.common.aio import in_thread
from pool.common.cache_layout import CacheLayout
from pool.common.clock import SystemClock
from pool.common.errors import system_error
from pool.common.model import LimitName
from pool.common.once_map import Lazy
from pool.engine.caps import Caps, describe_cache_access
from pool.engine.housekeeping import Housekeeping
from pool.engine.memory_guard import MemoryGuard
from pool.events.router import EventRouter
from pool.run.resources import Executors, IndexClients, PoolResources, TreeLockQueues
from pool.run.run import Run
from pool.scheduling.history import BuildHistory
from pool.scheduling.limits import Limits
from pool.settings import MAX_BUILDS
from pool.system.locks.lock_file import LockFile
from pool.system.locks.queue import LockQueue
from pool.system.process_limits import raise_open_file_limit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from pool.build.frontend.environments.cache import EnvironmentCache
    from pool.build.frontend.hooks import HookRunner
    from pool.cache.unpacked_wheels import UnpackedWheels
    from pool.common.clock import Clock
    from pool.common.model import BuildKey
    from pool.events.types import KnownEvent
    from pool.requirements.request import Request
    from pool.scheduling.job_tokens import JobTokens
    from pool.scheduling.jobserver import Jobserver
    from pool.settings import PoolSettings, RunSettings
    from pool.system.sampler import Sampler

__all__ = ["Pool"]

_pool_numbers = count(1)


class Pool:
    """A pool of builds; `create` makes one, ``async with`` closes it.

    Runs share its limits, and waiting builds of different runs take turns.

    Args:
        resources: what runs share.
        guard: evicts builds of the runs.
        cleanup: closes the resources.
    """

    def __init__(
        self, resources: PoolResources, guard: MemoryGuard, cleanup: AsyncExitStack
    ) -> None:
        self._resources = resources
        self._guard = guard
        self._cleanup = cleanup

    @classmethod
    async def create(cls, settings: PoolSettings, *, clock: Clock | None = None) -> Self:
        """Open the caches, and start the background tasks.

        Args:
            settings: the settings of the pool.
            clock: the time; by default the system's.

        Raises:
            PoolError: the cache cannot be used.
        """
        stack = AsyncExitStack()
        try:
            resources, guard = _open_resources(settings, clock or SystemClock(), stack)
        except OSError as problem:
            await stack.aclose()
            raise system_error(problem) from problem
        except BaseException:
            await stack.aclose()
            raise
        return cls(resources, guard, stack)

    async def create_run(
        self,
        settings: RunSettings,
        request: Request,
        listener: Callable[[KnownEvent], None],
    ) -> Run:
        """Create a run; `Run.run` runs it.

        Args:
            settings: the settings of the run.
            request: the requirements; duplicates count once.
            listener: called with each event after it is in the journal, on the loop's thread.

        Raises:
            PoolError: the interpreter or the environment cannot be used, or a folder cannot be
                written.
        """
        try:
            run = await Run.create(
                settings,
                request,
                listener,
                resources=self._resources,
                on_close=self._remove_run,
            )
        except OSError as problem:
            raise system_error(problem) from problem
        self._guard.runs[run.id] = run
        return run

    def _remove_run(self, run: Run) -> None:
        self._guard.runs.pop(run.id, None)

    async def aclose(self) -> None:
        """Close the pool; no run may be running."""
        for run in list(self._guard.runs.values()):
            run.close()
        await self._cleanup.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


def _open_resources(
    settings: PoolSettings, clock: Clock, stack: AsyncExitStack
) -> tuple[PoolResources, MemoryGuard]:
    """Create the resources of a pool; the stack closes them."""
    stack.enter_context(shared_cache_lock(settings.cache_dir))
    executors = Executors()
    stack.callback(executors.shutdown)
    router = EventRouter()
    raise_open_file_limit()
    housekeeping = Housekeeping(router)
    limits, notes = _create_limits(settings, router, clock, housekeeping)
    notes += describe_cache_access(settings)
    guard = MemoryGuard(limits)
    sampler = Lazy(lambda: _create_sampler(clock))
    hooks = Lazy(lambda: _create_hooks(settings, clock, sampler.get()))
    stack.callback(_close_hooks, hooks)
    monitor = BuildMonitor(router, sampler, executors.sampler, limits.job_tokens, guard.on_sample)
    index_clients = IndexClients(settings.cache_dir, clock)
    stack.push_async_callback(index_clients.aclose)
    stack.callback(_close_jobserver, limits)
    stack.push_async_callback(housekeeping.aclose)
    housekeeping.start("monitoring of builds", monitor.run)
    housekeeping.start(
        "removal of old build folders",
        lambda: in_thread(executors.files, sweep_workspaces, settings.cache_dir),
    )
    history = BuildHistory.load(settings.state_dir / "history.sqlite")
    if history.notice:
        notes.append(history.notice)
    resources = PoolResources(
        cache_dir=settings.cache_dir,
        state_dir=settings.state_dir,
        clock=clock,
        executors=executors,
        router=router,
        limits=limits,
        notes=notes,
        history=history,
        hooks=hooks,
        monitor=monitor,
        unpacked_wheels=Lazy(lambda: _create_unpacked_wheels(settings)),
        environments=Lazy(lambda: _create_environments(settings)),
        file_locks=LockQueue(LockFile),
        tree_locks=TreeLockQueues(),
        index_clients=index_clients,
    )
    return resources, guard


def _create_sampler(clock: Clock) -> Sampler:
    from pool.system.sampler import Sampler

    return Sampler(clock)


def _create_hooks(settings: PoolSettings, clock: Clock, sampler: Sampler) -> HookRunner:
    """Start the watchdog, and return the runner of hooks."""
    from pool.build.frontend.hooks import HookRunner

    return HookRunner(
        _supervisor_id(clock),
        workers=MAX_BUILDS,
        owner_of=sampler.owner_of,
        owns_process=settings.owns_process,
        template_dir=CacheLayout(settings.cache_dir).templates,
    )


def _close_hooks(hooks: Lazy[HookRunner]) -> None:
    if hooks.existing is not None:
        hooks.existing.close()


def _create_environments(settings: PoolSettings) -> EnvironmentCache:
    from pool.build.frontend.environments.cache import EnvironmentCache

    return EnvironmentCache(CacheLayout(settings.cache_dir))


def _create_unpacked_wheels(settings: PoolSettings) -> UnpackedWheels:
    from pool.cache.unpacked_wheels import UnpackedWheels

    return UnpackedWheels(CacheLayout(settings.cache_dir).unpacked_wheels)


def _close_jobserver(limits: Limits) -> None:
    if limits.jobs.existing is not None:
        limits.jobs.existing.close()


def _create_limits(
    settings: PoolSettings, router: EventRouter, clock: Clock, housekeeping: Housekeeping
) -> tuple[Limits, list[str]]:
    """Create the limits; return them with notes about caps that the process limits lower."""
    caps = Caps(settings, MAX_BUILDS)

    def create_jobserver(tokens: JobTokens[BuildKey]) -> Jobserver[BuildKey]:
        from pool.scheduling.jobserver import Jobserver, OuterJobserver

        jobserver = Jobserver(tokens, OuterJobserver.join(settings.environ))
        housekeeping.start("granting of job tokens", jobserver.run)
        return jobserver

    limits = Limits(
        router=router,
        clock=clock,
        builds=caps.values[LimitName.BUILDS],
        downloads=caps.values[LimitName.DOWNLOADS],
        installs=caps.values[LimitName.INSTALLS],
        jobs=caps.values[LimitName.JOBS],
        jobs_follow=settings.jobs_follow,
        memory=settings.memory,
        max_cap=MAX_BUILDS,
        create_jobserver=create_jobserver,
        maxima=caps.maxima,
    )
    return limits, caps.notes


def _supervisor_id(clock: Clock) -> str:
    """Return an id that marks the processes of this pool, unique on the machine."""
    return f"{clock.now():%Y%m%d-%H%M%S}-{os.getpid()}-{next(_pool_numbers)}"
