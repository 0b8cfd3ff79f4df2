"""The parts of a run that its builds use, grouped by the step of a build that uses them.

Deliberately without the scheduler of the run (`pool.build.interfaces.BuildService`): it is passed
to each call, because the scheduler needs the context and builds need the scheduler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from pool.common.aio import in_thread
from pool.common.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from pool.build.build_requirements import BuildRequirements
    from pool.build.frontend.environments.cache import EnvironmentCache
    from pool.build.frontend.hook_jobs import HookJobs
    from pool.build.frontend.hooks import HookRunner
    from pool.build.interfaces import SharedEnv
    from pool.build.monitor import BuildMonitor
    from pool.build.workspace import PublishedWheels
    from pool.cache.resolutions import ResolutionCache
    from pool.cache.wheel_cache import WheelCache
    from pool.common.once_map import Lazy
    from pool.events.bus import EventBus
    from pool.resolve.service import ResolverService
    from pool.settings import RunSettings
    from pool.sources.git import Git
    from pool.sources.index.fetcher import Fetcher
    from pool.system.interpreter import Interpreter
    from pool.system.locks.queue import LockQueue

__all__ = [
    "BuildContext",
    "CacheContext",
    "EnvContext",
    "FetchContext",
    "HookContext",
]

P = ParamSpec("P")
T = TypeVar("T")


class FetchContext(Record, frozen=True, kw_only=True):
    """For `pool.build.source`: fetches sources."""

    bus: EventBus
    executor: Executor
    lazy_fetcher: Lazy[Fetcher]
    lazy_resolver: Lazy[ResolverService]
    lazy_git: Lazy[Git]
    lazy_resolutions: Lazy[ResolutionCache | None]

    @property
    def fetcher(self) -> Fetcher:
        """Downloads files."""
        return self.lazy_fetcher.get()

    @property
    def resolver(self) -> ResolverService:
        """Selects versions."""
        return self.lazy_resolver.get()

    @property
    def git(self) -> Git:
        """Clones repositories."""
        return self.lazy_git.get()

    @property
    def resolutions(self) -> ResolutionCache | None:
        """Results for later runs; None for no cache."""
        return self.lazy_resolutions.get()


class HookContext(Record, frozen=True, kw_only=True):
    """For `pool.build.backend`: runs hooks."""

    bus: EventBus
    lazy_runner: Lazy[HookRunner]
    lazy_jobs: Lazy[HookJobs]
    monitor: BuildMonitor
    warm: bool
    """Whether hooks may be forks of template processes."""

    @property
    def runner(self) -> HookRunner:
        """Starts and ends the processes of hooks."""
        return self.lazy_runner.get()

    @property
    def jobs(self) -> HookJobs:
        """Reserves jobs for hooks."""
        return self.lazy_jobs.get()


class CacheContext(Record, frozen=True, kw_only=True):
    """For the cache of built wheels, and for the locks on trees and on cache entries."""

    wheels: WheelCache | None
    """None if the cache is neither read nor written."""
    tree_locks: LockQueue
    file_locks: LockQueue
    """Locks on lock files: of cached wheels, and of environments."""


class EnvContext(Record, frozen=True, kw_only=True):
    """For build environments."""

    interpreter: Interpreter
    lazy_requirements: Lazy[BuildRequirements]
    lazy_environments: Lazy[EnvironmentCache]
    lazy_shared: Lazy[SharedEnv]

    @property
    def requirements(self) -> BuildRequirements:
        """The wheels of isolated environments."""
        return self.lazy_requirements.get()

    @property
    def environments(self) -> EnvironmentCache:
        """The environments that builds share."""
        return self.lazy_environments.get()

    @property
    def shared(self) -> SharedEnv:
        """The environment of builds without isolation."""
        return self.lazy_shared.get()


class BuildContext(Record, frozen=True, kw_only=True):
    """The parts of one run that each of its builds uses."""

    settings: RunSettings
    own_folders: tuple[Path, ...]
    """Folders of the pool and the run: never part of a source, though they may lie in a tree."""
    cache_folders: tuple[Path, ...]
    """Those of them that no build reads sources from: the cache and the state of the pool."""
    bus: EventBus
    executor: Executor
    """For file work."""
    fetch: FetchContext
    hooks: HookContext
    cache: CacheContext
    env: EnvContext
    published: PublishedWheels

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking file work in a thread (`pool.common.aio.in_thread`)."""
        return await in_thread(self.executor, work, *args, **kwargs)
