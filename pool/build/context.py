"""What all builds of one pool share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from pool.common.aio import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from pool.build.build_requirements import BuildRequirements
    from pool.build.frontend.build_env import BuildEnvironment
    from pool.build.frontend.hook_jobs import HookJobs
    from pool.build.frontend.hooks import HookRunner
    from pool.build.job import BuildJob
    from pool.build.monitor import BuildMonitor
    from pool.cache.wheel_cache import WheelCache
    from pool.events.bus import EventBus
    from pool.resolve.service import ResolverService
    from pool.settings import Settings
    from pool.sources.git import Git
    from pool.sources.index.fetcher import Fetcher
    from pool.system.interpreter import Interpreter
    from pool.system.locks.queue import LockQueue

__all__ = ["BuildContext", "SharedEnv"]

P = ParamSpec("P")
T = TypeVar("T")


class SharedEnv(Protocol):
    """What builds without isolation stand on."""

    @property
    def environment(self) -> BuildEnvironment:
        """Where their hooks run."""
        ...

    def is_ready(self, requires: Sequence[str], job: BuildJob) -> bool:
        """Tell whether all that the same run provides of these requirements is in place."""
        ...

    async def prepare(self, requires: Sequence[str], job: BuildJob) -> None:
        """Wait until it is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """Everything a build stands on; made by the pool, once."""

    settings: Settings
    interpreter: Interpreter
    bus: EventBus
    fetcher: Fetcher
    search: ResolverService
    requirements: BuildRequirements
    locks: LockQueue
    file_locks: LockQueue
    """On lock files: of cached wheels, and of environments."""
    hooks: HookRunner
    git: Git
    cache: WheelCache | None
    """None where nothing is taken from it or put into it."""
    ground: SharedEnv
    watch: BuildMonitor
    allotment: HookJobs
    executor: Executor

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking file work in a thread (`pool.common.aio.in_thread`)."""
        return await in_thread(self.executor, work, *args, **kwargs)
