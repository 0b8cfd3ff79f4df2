"""The environment that a run installs into: what it has, and how more is put into it.

Whatever takes time is done before the environment's lock is taken; under it, files are only put
in place, all of a set in one go. It is the lock that uv takes, and nothing is written without it.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pool.events.types import (
    EnvironmentChange,
    EnvironmentChanged,
    LockAcquired,
    LockReleased,
    LockWaiting,
    Note,
)
from pool.install.check import unmet_requirements
from pool.install.installed import installed_distributions
from pool.install.layout import WheelToInstall
from pool.install.staging import STAGING_DIR, discard, stage
from pool.install.transaction import commit, recover, remove_leftovers
from pool.resolve.manifest import InstalledDist

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from pathlib import Path

    from packaging.utils import NormalizedName

    from pool.build.context import BuildContext
    from pool.build.job import BuildResult
    from pool.common.model import Holder
    from pool.install.environment import TargetEnvironment
    from pool.install.plan import Change
    from pool.install.staging import StagedSet
    from pool.install.transaction import CommitResult

__all__ = ["DistToInstall", "Installer", "StaleError"]


class StaleError(Exception):
    """What the environment had when it was looked at is not there any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistToInstall:
    """One distribution to put in place."""

    built: BuildResult
    requested: bool
    """Whether the user named it."""


class Installer:
    """Puts distributions into one environment, set by set."""

    def __init__(self, environment: TargetEnvironment, kit: BuildContext) -> None:
        self._environment = environment
        self._kit = kit
        self._turn = asyncio.Lock()
        self.placed: dict[NormalizedName, str] = {}
        """What this run has put there, and of which version."""

    @property
    def path(self) -> Path:
        """The environment's folder."""
        return self._environment.prefix

    async def kept(self) -> dict[NormalizedName, InstalledDist]:
        """Return what is there now."""
        return await self._kit.in_thread(self._kept)

    def _kept(self) -> dict[NormalizedName, InstalledDist]:
        return {
            name: InstalledDist(name=name, version=one.version, metadata=one.metadata)
            for name, one in installed_distributions(self._environment).items()
            if _readable(one.version)
        }

    async def install(
        self, pieces: Sequence[DistToInstall], counted_on: Mapping[NormalizedName, str]
    ) -> None:
        """Put a set in place, whole or not at all.

        Args:
            pieces: what, with their wheels unpacked.
            counted_on: versions that were there and that the set relies on.

        Raises:
            StaleError: one of those is gone, or of another version, by now.
            PoolError: a file belongs to another distribution; nothing was touched.
            OSError: no space, no permission.
        """
        kit, env = self._kit, self._environment
        items = [_item(piece) for piece in pieces]
        staged: list[StagedSet] = []
        committed: list[CommitResult] = []
        async with self._turn:
            try:
                await kit.in_thread(lambda: staged.append(stage(env, items)))
                async with self._alone() as locked:
                    await self._compare(counted_on)
                    await kit.in_thread(lambda: committed.append(commit(staged[0])))
            finally:
                # A thread comes to its end though we are cancelled: what it did, it did.
                for left in staged:
                    await kit.in_thread(discard, left)
                for done in committed:
                    self._tell(done, pieces, locked.seconds)
        for done in committed:
            self._remark((*done.notes, *await self._missing(done.changes)))

    async def recover(self) -> None:
        """Finish what a killed process began here, and remove what it left; say so."""
        if not (self._environment.prefix / STAGING_DIR).exists():
            return  # Nobody is waited for then: builds can begin.
        async with self._alone():
            notes = await self._kit.in_thread(recover, self._environment)
        await self._kit.in_thread(remove_leftovers, self._environment)
        self._remark(notes)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[_Locked]:
        """Hold the environment's lock."""
        kit, path = self._kit, self._environment.lock_path
        label = str(self._environment.prefix)

        def tell(holder: Holder | None) -> None:
            kit.bus.emit(LockWaiting(lock=label, holder=holder))

        if (held := kit.file_locks.try_hold(path)) is None:
            patience = kit.settings.lock_timeout
            held = await kit.file_locks.acquire(path, on_wait=tell, timeout=patience)
        since = kit.bus.elapsed
        kit.bus.emit(LockAcquired(lock=label))
        locked = _Locked()
        try:
            yield locked
        finally:
            held.release()
            locked.seconds = round(kit.bus.elapsed - since, 4)
            kit.bus.emit(LockReleased(lock=label))

    async def _compare(self, counted_on: Mapping[NormalizedName, str]) -> None:
        """See that what was counted on is still so."""
        there = await self._kit.in_thread(installed_distributions, self._environment)
        for name, version in counted_on.items():
            if name not in there or there[name].version != version:
                raise StaleError(name)

    async def _missing(self, changes: Sequence[Change]) -> list[str]:
        """Say which requirements are not met now, as far as what changed is concerned."""
        names = {canonicalize_name(change.name) for change in changes}
        environment = self._environment.interpreter.environment

        def look() -> list[str]:
            return unmet_requirements(
                installed_distributions(self._environment), names, environment
            )

        return await self._kit.in_thread(look)

    def _tell(
        self, committed: CommitResult, pieces: Sequence[DistToInstall], seconds: float
    ) -> None:
        editable = {canonicalize_name(one.built.name) for one in pieces if one.built.editable}
        changes = tuple(
            EnvironmentChange(
                name=change.name, old=change.old, new=change.new, editable=change.name in editable
            )
            for change in committed.changes
        )
        for built in (piece.built for piece in pieces):
            self.placed[canonicalize_name(built.name)] = str(Version(built.version))
        path = str(self._environment.prefix)
        self._kit.bus.emit(EnvironmentChanged(environment=path, changes=changes, locked=seconds))

    def _remark(self, notes: Iterable[str]) -> None:
        for text in notes:
            self._kit.bus.emit(Note(text=text))


@dataclass(slots=True)
class _Locked:
    """How long the environment was ours; known afterwards."""

    seconds: float = 0.0


def _item(piece: DistToInstall) -> WheelToInstall:
    built = piece.built
    if built.unpacked is None:
        raise AssertionError(f"{built.name} is not unpacked")
    direct = None if built.direct_url is None else dict(built.direct_url)
    return WheelToInstall(wheel=built.unpacked, requested=piece.requested, direct_url=direct)


def _readable(version: str) -> bool:
    try:
        Version(version)
    except InvalidVersion:
        return False
    return True
