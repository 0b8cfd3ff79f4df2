"""The resources of a pool that outlive a request, and the context of builds made from them.

`pool.engine.pool` creates and closes the resources; each run makes a context for its builds.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pool.build.build_requirements import BuildRequirements
from pool.build.context import BuildContext, CacheContext, EnvContext, FetchContext, HookContext
from pool.build.frontend.hook_jobs import HookJobs
from pool.build.frontend.tool_shims import ToolShims
from pool.cache.wheel_cache import WheelCache
from pool.common.cache_layout import CacheLayout
from pool.common.record import Record
from pool.resolve.service import ResolverService
from pool.run.shared_env import SharedBuildEnv
from pool.sources.git import Git
from pool.sources.index.client import IndexClient
from pool.sources.index.fetcher import Fetcher
from pool.system.locks.tree_lock import tree_lock_queue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from pool.build.frontend.hooks import HookRunner
    from pool.build.monitor import BuildMonitor
    from pool.cache.unpacked_wheels import UnpackedWheels
    from pool.common.clock import Clock
    from pool.common.model import RunId
    from pool.events.bus import EventBus
    from pool.events.router import EventRouter
    from pool.resolve.service import Pages
    from pool.run.installer import Installer
    from pool.run.selection import Selection
    from pool.run.target import RunTarget
    from pool.scheduling.history import BuildHistory
    from pool.scheduling.limits import Limits
    from pool.settings import RunSettings
    from pool.sources.index.settings import IndexSettings
    from pool.system.locks.queue import LockQueue

__all__ = ["Executors", "IndexClients", "PoolResources", "TreeLockQueues", "create_context"]

_FILE_THREADS = 8


class Executors:
    """Thread pools by purpose, so that slow work of one kind never delays another kind."""

    def __init__(self) -> None:
        self.files: Executor = ThreadPoolExecutor(_FILE_THREADS, thread_name_prefix="files")
        """Unpacking, copying, hashing and removing; more threads are not faster."""
        self.database: Executor = ThreadPoolExecutor(1, thread_name_prefix="database")
        """The history in SQLite, which can wait for other processes for seconds."""
        self.probes: Executor = ThreadPoolExecutor(2, thread_name_prefix="probes")
        """Short commands: interpreters, and tools that are asked for their version."""
        self.sampler: Executor = ThreadPoolExecutor(1, thread_name_prefix="sampler")
        """The sampler of processes: samples are on time however many files are unpacked."""

    def shutdown(self) -> None:
        """Wait for all threads."""
        for executor in (self.files, self.database, self.probes, self.sampler):
            executor.shutdown()


class IndexClients:
    """Index clients that runs with the same settings share, and so their connections.

    Args:
        cache_dir: the folder for pages and files.
        clock: the time, for the age of pages.
    """

    def __init__(self, cache_dir: Path, clock: Clock) -> None:
        self._cache_dir = cache_dir
        self._clock = clock
        self._clients: dict[tuple[IndexSettings, frozenset[str]], IndexClient] = {}

    def get(self, settings: RunSettings) -> IndexClient:
        """Return the client for the indexes of a run."""
        key = (settings.index, settings.refresh)
        if (client := self._clients.get(key)) is None:
            client = self._clients[key] = IndexClient(
                settings.index,
                cache_dir=self._cache_dir,
                clock=self._clock,
                refreshes=settings.refreshes,
                environ=settings.environ,
            )
        return client

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()


class TreeLockQueues:
    """Queues for the locks of source trees; TMPDIR decides on uv's lock files, so on the queue."""

    def __init__(self) -> None:
        self._queues: dict[str | None, LockQueue] = {}

    def get(self, environ: Mapping[str, str]) -> LockQueue:
        """Return the queue for runs with this environment."""
        key = environ.get("TMPDIR")
        if key not in self._queues:
            self._queues[key] = tree_lock_queue(environ)
        return self._queues[key]


class PoolResources(Record, frozen=True, kw_only=True):
    """The resources that all runs of a pool share."""

    cache_dir: Path
    state_dir: Path
    clock: Clock
    executors: Executors
    router: EventRouter
    limits: Limits
    notes: Sequence[str] = ()
    """Notes for each run, about caps that the process limits lower."""
    history: BuildHistory
    hooks: HookRunner
    monitor: BuildMonitor
    unpacked_wheels: UnpackedWheels
    file_locks: LockQueue
    """Queues for the locks on cached wheels and on environments."""
    tree_locks: TreeLockQueues
    index_clients: IndexClients


def create_context(
    run: RunId,
    settings: RunSettings,
    *,
    target: RunTarget,
    resources: PoolResources,
    bus: EventBus,
    workspace: Path,
    pages: Pages,
    selection: Selection,
    installer: Installer | None,
) -> BuildContext:
    """Return the context of the builds of a run.

    Args:
        run: the run.
        settings: its settings.
        target: its interpreter and environments.
        resources: what the run shares with other runs of the pool.
        bus: the bus of the run.
        workspace: the folder of the run.
        pages: the index pages of the run.
        selection: the versions that are selected for the request.
        installer: installs into the environment; None if wheels are requested.
    """
    fetcher = Fetcher(
        run=run,
        index=resources.index_clients.get(settings),
        gate=resources.limits.downloads,
        bus=bus,
    )
    folders = (settings.out_dir, resources.cache_dir, resources.state_dir)
    return BuildContext(
        settings=settings,
        own_folders=tuple(folder for folder in folders if folder is not None),
        cache_folders=(resources.cache_dir, resources.state_dir),
        bus=bus,
        executor=resources.executors.files,
        fetch=FetchContext(
            bus=bus,
            executor=resources.executors.files,
            fetcher=fetcher,
            resolver=ResolverService(pages, target.interpreter),
            git=Git(CacheLayout(resources.cache_dir).git, resources.hooks.run, settings.environ),
        ),
        hooks=_hook_context(settings, resources, bus),
        cache=_cache_context(settings, resources),
        env=EnvContext(
            interpreter=target.interpreter,
            # Not the resolver of the request, whose metadata may be unknown for a while.
            requirements=BuildRequirements(
                resolver=ResolverService(pages, target.interpreter),
                fetcher=fetcher,
                installs=resources.limits.installs,
                unpacked_wheels=resources.unpacked_wheels,
                run_dir=workspace / "unpacked",
                interpreter=target.interpreter,
                executor=resources.executors.files,
            ),
            shared=SharedBuildEnv(target.shared_env, settings.isolates, selection, installer),
        ),
    )


def _hook_context(settings: RunSettings, resources: PoolResources, bus: EventBus) -> HookContext:
    limits = resources.limits
    jobs = HookJobs(
        limits.jobs,
        ToolShims(settings.environ, CacheLayout(resources.cache_dir).shims),
        settings.environ,
        resources.executors.probes,
        running_builds=lambda: limits.builds_at_work,
    )
    return HookContext(bus=bus, runner=resources.hooks, jobs=jobs, monitor=resources.monitor)


def _cache_context(settings: RunSettings, resources: PoolResources) -> CacheContext:
    return CacheContext(
        wheels=WheelCache(resources.cache_dir, resources.clock) if settings.cache else None,
        tree_locks=resources.tree_locks.get(settings.environ),
        file_locks=resources.file_locks,
    )
