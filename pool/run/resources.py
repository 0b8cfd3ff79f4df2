"""The resources of a pool that outlive a request, as the runs of the pool use them.

`pool.engine.pool` creates and closes them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pool.sources.index.client import IndexClient
from pool.system.locks.tree_lock import TreeLocks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor
    from pathlib import Path

    from pool.build.frontend.hooks import HookRunner
    from pool.build.monitor import BuildMonitor
    from pool.cache.unpacked_wheels import UnpackedWheels
    from pool.common.clock import Clock
    from pool.events.router import EventRouter
    from pool.scheduling.history import BuildHistory
    from pool.scheduling.limits import Limits
    from pool.settings import RunSettings
    from pool.sources.index.settings import IndexSettings
    from pool.system.locks.queue import LockQueue

__all__ = ["Executors", "IndexClients", "PoolResources", "TreeLockQueues"]

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
            )
        return client

    async def aclose(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()


class TreeLockQueues:
    """Queues for the locks of source trees; TMPDIR decides on uv's lock files, so on the queue."""

    def __init__(self) -> None:
        self._queues: dict[str | None, TreeLocks] = {}

    def get(self, environ: Mapping[str, str]) -> TreeLocks:
        """Return the queue for runs with this environment."""
        key = environ.get("TMPDIR")
        if key not in self._queues:
            self._queues[key] = TreeLocks(environ=environ)
        return self._queues[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolResources:
    """The resources that all runs of a pool share."""

    cache_dir: Path
    state_dir: Path
    clock: Clock
    executors: Executors
    router: EventRouter
    limits: Limits
    history: BuildHistory
    hooks: HookRunner
    monitor: BuildMonitor
    unpacked_wheels: UnpackedWheels
    file_locks: LockQueue
    """Queues for the locks on cached wheels and on environments."""
    tree_locks: TreeLockQueues
    index_clients: IndexClients
