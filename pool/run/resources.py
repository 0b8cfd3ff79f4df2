"""The resources of a pool that outlive a request, and the context of builds made from them.

`pool.engine.pool` creates and closes the resources; each run makes a context for its builds.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pool.build.context import BuildContext, CacheContext, EnvContext, FetchContext, HookContext
from pool.build.workspace import PublishedWheels
from pool.cache.wheel_cache import WheelCache
from pool.common.cache_layout import CacheLayout
from pool.common.once_map import Lazy
from pool.common.record import Record
from pool.settings import MAX_BUILDS
from pool.system.locks.tree_lock import tree_lock_queue
from pool.system.process_limits import allowed_threads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from pool.build.build_requirements import BuildRequirements
    from pool.build.frontend.environments.cache import EnvironmentCache
    from pool.build.frontend.hook_jobs import HookJobs
    from pool.build.frontend.hooks import HookRunner
    from pool.build.monitor import BuildMonitor
    from pool.cache.resolutions import ResolutionCache
    from pool.cache.unpacked_wheels import UnpackedWheels
    from pool.common.clock import Clock
    from pool.common.model import RunId
    from pool.events.bus import EventBus
    from pool.events.router import EventRouter
    from pool.resolve.service import Pages, ResolverService
    from pool.run.installer import Installer
    from pool.run.selection import Selection
    from pool.run.shared_env import SharedBuildEnv
    from pool.run.target import RunTarget
    from pool.scheduling.history import BuildHistory
    from pool.scheduling.limits import Limits
    from pool.settings import RunSettings
    from pool.sources.git import Git
    from pool.sources.index.client import IndexClient
    from pool.sources.index.fetcher import Fetcher
    from pool.sources.index.settings import IndexSettings
    from pool.system.locks.queue import LockQueue

__all__ = ["Executors", "IndexClients", "PoolResources", "TreeLockQueues", "create_context"]

_FILE_THREADS = 8


class Executors:
    """Thread pools by purpose, so that slow work of one kind never delays another kind."""

    def __init__(self) -> None:
        self.files: Executor = ThreadPoolExecutor(
            allowed_threads(_FILE_THREADS), thread_name_prefix="files"
        )
        """Copying, hashing and removing; more threads are not faster."""
        self.unpacking: Executor = ThreadPoolExecutor(MAX_BUILDS, thread_name_prefix="unpacking")
        """Wheels that are unpacked for environments: the installs limit bounds them."""
        self.database: Executor = ThreadPoolExecutor(1, thread_name_prefix="database")
        """The history in SQLite, which can wait for other processes for seconds."""
        self.probes: Executor = ThreadPoolExecutor(2, thread_name_prefix="probes")
        """Short commands: interpreters, and tools that are asked for their version."""
        self.sampler: Executor = ThreadPoolExecutor(1, thread_name_prefix="sampler")
        """The sampler of processes: samples are on time however many files are unpacked."""

    def shutdown(self) -> None:
        """Wait for all threads."""
        every = (self.files, self.unpacking, self.database, self.probes, self.sampler)
        for executor in every:
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
        from pool.sources.index.client import IndexClient

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
    hooks: Lazy[HookRunner]
    """Starts the watchdog, so it is made with the first process."""
    monitor: BuildMonitor
    unpacked_wheels: Lazy[UnpackedWheels]
    environments: Lazy[EnvironmentCache]
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
    index: Lazy[IndexClient],
    pages: Lazy[Pages],
    selection: Lazy[Selection],
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
        index: the client of its indexes.
        pages: the index pages of the run.
        selection: the versions that are selected for the request.
        installer: installs into the environment; None if wheels are requested.
    """
    parts = _Parts(
        run=run,
        settings=settings,
        target=target,
        resources=resources,
        bus=bus,
        index=index,
        pages=pages,
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
            lazy_fetcher=parts.fetcher,
            lazy_resolver=Lazy(parts.create_resolver),
            lazy_git=Lazy(parts.create_git),
            lazy_resolutions=Lazy(parts.create_resolutions),
        ),
        hooks=HookContext(
            bus=bus,
            lazy_runner=resources.hooks,
            lazy_jobs=Lazy(parts.create_jobs),
            monitor=resources.monitor,
            warm=settings.warm,
        ),
        cache=_cache_context(settings, resources),
        published=PublishedWheels(),
        env=EnvContext(
            interpreter=target.interpreter,
            lazy_requirements=Lazy(lambda: parts.create_requirements(workspace / "unpacked")),
            lazy_environments=resources.environments,
            lazy_shared=Lazy(lambda: parts.create_shared_env(selection.get(), installer)),
        ),
    )


class _Parts:
    """Makes the parts of a run's context when a build uses them; a cached one uses none."""

    def __init__(
        self,
        *,
        run: RunId,
        settings: RunSettings,
        target: RunTarget,
        resources: PoolResources,
        bus: EventBus,
        index: Lazy[IndexClient],
        pages: Lazy[Pages],
    ) -> None:
        self._run = run
        self._settings = settings
        self._target = target
        self._resources = resources
        self._bus = bus
        self._index = index
        self._pages = pages
        self.fetcher = Lazy(self._create_fetcher)

    def _create_fetcher(self) -> Fetcher:
        from pool.sources.index.fetcher import Fetcher

        return Fetcher(
            run=self._run,
            index=self._index.get(),
            gate=self._resources.limits.downloads,
            bus=self._bus,
        )

    def create_resolver(self) -> ResolverService:
        """Return a resolver with metadata of its own."""
        from pool.resolve.service import ResolverService

        return ResolverService(self._pages.get(), self._target.interpreter)

    def create_git(self) -> Git:
        """Return the clones of repositories."""
        from pool.sources.git import Git

        folder = CacheLayout(self._resources.cache_dir).git
        return Git(folder, self._resources.hooks.get().run, self._settings.environ)

    def create_jobs(self) -> HookJobs:
        """Return the jobs of hooks."""
        from pool.build.frontend.hook_jobs import HookJobs
        from pool.build.frontend.tool_shims import ToolShims

        limits, environ = self._resources.limits, self._settings.environ
        return HookJobs(
            limits.jobs.get(),
            ToolShims(environ, CacheLayout(self._resources.cache_dir).shims),
            environ,
            self._resources.executors.probes,
            running_builds=lambda: limits.builds_at_work,
        )

    def create_requirements(self, run_dir: Path) -> BuildRequirements:
        """Return the wheels of build requirements; ``run_dir`` is for those of this run alone."""
        from pool.build.build_requirements import BuildRequirements

        return BuildRequirements(
            # Not the resolver of the request, whose metadata may be unknown for a while.
            resolver=self.create_resolver(),
            fetcher=self.fetcher.get(),
            resolutions=self.create_resolutions(),
            installs=self._resources.limits.installs,
            unpacked_wheels=self._resources.unpacked_wheels.get(),
            run_dir=run_dir,
            interpreter=self._target.interpreter,
            executor=self._resources.executors.unpacking,
        )

    def create_resolutions(self) -> ResolutionCache | None:
        """Return the results of earlier resolutions; None for no cache."""
        if not self._settings.cache:
            return None
        from pool.cache.resolutions import ResolutionCache

        return ResolutionCache(
            self._resources.cache_dir,
            self._resources.clock,
            self._settings.index,
            self._target.interpreter,
        )

    def create_shared_env(
        self, selection: Selection, installer: Installer | None
    ) -> SharedBuildEnv:
        """Return the environment of builds without isolation."""
        from pool.build.frontend.build_env import BuildEnvironment
        from pool.run.shared_env import SharedBuildEnv

        environment = BuildEnvironment(
            path=self._target.shared_env, interpreter=self._target.interpreter, isolated=False
        )
        return SharedBuildEnv(environment, self._settings.isolates, selection, installer)


def _cache_context(settings: RunSettings, resources: PoolResources) -> CacheContext:
    return CacheContext(
        wheels=WheelCache(resources.cache_dir, resources.clock) if settings.cache else None,
        tree_locks=resources.tree_locks.get(settings.environ),
        file_locks=resources.file_locks,
    )
