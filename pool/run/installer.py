"""Installs the distributions of a run into one environment, set by set.

A set is staged before the environment's lock is acquired, and committed as one transaction
(`pool.install`) under the lock. It is the lock that uv acquires; no file of the environment is
changed without it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from pool.common.aio import in_thread
from pool.common.record import MutableRecord, Record
from pool.events.types import (
    EnvironmentChange,
    EnvironmentChanged,
    EnvironmentStaging,
    LockAcquired,
    LockReleased,
    LockWaiting,
    Note,
)
from pool.install.check import unmet_requirements
from pool.install.environment_files import STAGING_DIR
from pool.install.installed import installed_distributions
from pool.install.layout import WheelToInstall
from pool.install.staging import discard, stage
from pool.install.transaction import commit, recover, remove_leftovers
from pool.resolve.manifest import InstalledDist

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from packaging.utils import NormalizedName

    from pool.build.job import BuildResult
    from pool.common.model import Holder
    from pool.events.bus import EventBus
    from pool.install.environment import TargetEnvironment
    from pool.install.plan import Change
    from pool.install.staging import StagedSet
    from pool.install.transaction import CommitResult
    from pool.system.locks.queue import LockQueue

__all__ = ["DistToInstall", "Installer", "StaleError"]


class StaleError(Exception):
    """A distribution on which the resolution relies was changed or removed meanwhile."""


class DistToInstall(Record, frozen=True, kw_only=True):
    """One distribution to install."""

    result: BuildResult
    """With the wheel unpacked."""
    requested: bool
    """Whether the user requested it, rather than another distribution."""


class Installer:
    """Installs into one environment; belongs to one event loop.

    Args:
        environment: the target.
        bus: the bus of the run.
        locks: queues for the lock of the environment.
        executor: for file work.
        lock_timeout: seconds to wait for the lock; None for no limit.
        may_overwrite: returns whether a project may replace files of other distributions.
    """

    def __init__(
        self,
        environment: TargetEnvironment,
        *,
        bus: EventBus,
        locks: LockQueue,
        executor: Executor,
        lock_timeout: float | None,
        may_overwrite: Callable[[str], bool],
    ) -> None:
        self._environment = environment
        self._bus = bus
        self._locks = locks
        self._executor = executor
        self._lock_timeout = lock_timeout
        self._may_overwrite = may_overwrite
        self._one_set = asyncio.Lock()
        self.installed: dict[NormalizedName, str] = {}
        """The versions that this run has installed."""

    @property
    def path(self) -> Path:
        """The environment's folder."""
        return self._environment.prefix

    async def read_installed(self) -> dict[NormalizedName, InstalledDist]:
        """Return the distributions that the environment has now."""
        return await in_thread(self._executor, self._read_installed)

    def _read_installed(self) -> dict[NormalizedName, InstalledDist]:
        return {
            name: InstalledDist(
                name=name,
                version=one.version,
                metadata=one.metadata,
                from_index=one.direct_url is None and not one.editable,
            )
            for name, one in installed_distributions(self._environment).items()
            if _is_valid(one.version)
        }

    async def install(
        self, dists: Sequence[DistToInstall], relied_on: Mapping[NormalizedName, str]
    ) -> None:
        """Install a set as one transaction.

        Args:
            dists: the set.
            relied_on: the versions in the environment on which the resolution relies.

        Raises:
            StaleError: one of those versions was changed or removed meanwhile.
            PoolError: a file belongs to another distribution; nothing was changed.
            OSError: no space, no permission.
        """
        env = self._environment
        items = [self._wheel_to_install(dist) for dist in dists]
        staged: list[StagedSet] = []
        committed: list[CommitResult] = []
        async with self._one_set:
            try:
                self._bus.emit(
                    EnvironmentStaging(environment=str(self.path), distributions=len(items))
                )
                await in_thread(self._executor, lambda: staged.append(stage(env, items)))
                async with self._hold_lock() as lock:
                    await self._check_unchanged(relied_on)
                    await in_thread(self._executor, lambda: committed.append(commit(staged[0])))
            finally:
                # The thread ends its work even if this task is cancelled: report what it did.
                for one in staged:
                    await in_thread(self._executor, discard, one)
                for transaction in committed:
                    self._emit_changes(transaction, dists, lock.seconds)
        for transaction in committed:
            unmet = await self._unmet_requirements(transaction.changes)
            self._emit_notes((*transaction.notes, *unmet))

    async def recover(self) -> None:
        """Finish or undo the transaction of a killed process, and remove its files."""
        if not (self._environment.prefix / STAGING_DIR).exists():
            return  # Without waiting for the lock: builds can start.
        async with self._hold_lock():
            notes = await in_thread(self._executor, recover, self._environment)
        await in_thread(self._executor, remove_leftovers, self._environment)
        self._emit_notes(notes)

    @asynccontextmanager
    async def _hold_lock(self) -> AsyncIterator[_HeldLock]:
        """Hold the lock of the environment for the length of a block."""
        bus, path = self._bus, self._environment.lock_path
        label = str(self._environment.prefix)

        def emit_holder(holder: Holder | None) -> None:
            bus.emit(LockWaiting(lock=label, holder=holder))

        if (guard := self._locks.try_acquire(path)) is None:
            guard = await self._locks.acquire(path, on_wait=emit_holder, timeout=self._lock_timeout)
        since = bus.elapsed
        bus.emit(LockAcquired(lock=label))
        lock = _HeldLock()
        try:
            yield lock
        finally:
            guard.release()
            lock.seconds = round(bus.elapsed - since, 4)
            bus.emit(LockReleased(lock=label))

    def _wheel_to_install(self, dist: DistToInstall) -> WheelToInstall:
        result = dist.result
        if result.unpacked is None:
            raise AssertionError(f"{result.name} is not unpacked")
        direct = None if result.direct_url is None else dict(result.direct_url)
        return WheelToInstall(
            wheel=result.unpacked,
            requested=dist.requested,
            direct_url=direct,
            overwrites=self._may_overwrite(result.name),
        )

    async def _check_unchanged(self, relied_on: Mapping[NormalizedName, str]) -> None:
        """Raise StaleError unless the environment still has these versions."""
        present = await in_thread(self._executor, installed_distributions, self._environment)
        for name, version in relied_on.items():
            if name not in present or present[name].version != version:
                raise StaleError(name)

    async def _unmet_requirements(self, changes: Sequence[Change]) -> list[str]:
        """Return a line for each requirement of, or on, a changed distribution that is not met."""
        names = {canonicalize_name(change.name) for change in changes}
        environment = self._environment.interpreter.environment

        def check() -> list[str]:
            return unmet_requirements(
                installed_distributions(self._environment), names, environment
            )

        return await in_thread(self._executor, check)

    def _emit_changes(
        self, committed: CommitResult, dists: Sequence[DistToInstall], seconds: float
    ) -> None:
        results = [dist.result for dist in dists]
        editable = {canonicalize_name(one.name) for one in results if one.editable}
        changes = tuple(
            EnvironmentChange(
                name=change.name, old=change.old, new=change.new, editable=change.name in editable
            )
            for change in committed.changes
        )
        for result in results:
            self.installed[canonicalize_name(result.name)] = str(Version(result.version))
        path = str(self._environment.prefix)
        self._bus.emit(EnvironmentChanged(environment=path, changes=changes, locked=seconds))

    def _emit_notes(self, notes: Iterable[str]) -> None:
        for text in notes:
            self._bus.emit(Note(text=text))


class _HeldLock(MutableRecord):
    """How long the lock was held; set when it is released."""

    seconds: float = 0.0


def _is_valid(version: str) -> bool:
    try:
        Version(version)
    except ValueError:
        return False
    return True
