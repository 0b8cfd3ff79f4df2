"""Wheels for build environments: resolved, fetched or built, unpacked into the store.

The resolver does no I/O. It answers with what it misses, and this module gets that: pages and
wheels from the index, and wheels that exist nowhere yet from nested builds. Everything is asked
for once, however many builds want it; nobody who waits in here holds a slot.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pool.events.vocabulary import (
    DownloadFinished,
    DownloadProgress,
    DownloadStarted,
    InstallFinished,
    InstallStarted,
)
from pool.once import Once
from pool.sources.resolver import Facts, Missing, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from pool.backend.interpreter import Interpreter
    from pool.backend.wheelstore import StoredWheel, WheelStore
    from pool.events.bus import Bus
    from pool.job import Job
    from pool.limits.gate import Gate
    from pool.sources.index import Fetched, IndexFile, PackageIndex

__all__ = ["Fetcher", "Nested", "Requirements"]

_PROGRESS_SECONDS = 0.25


class Nested(Protocol):
    """Builds a requirement that exists only as an sdist, in the same pool."""

    async def __call__(self, file: IndexFile, by: Job) -> StoredWheel:
        """Return the unpacked wheel; raises PoolError where it cannot be had."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """Files from the index, under the downloads cap, with their events."""

    index: PackageIndex
    gate: Gate
    bus: Bus

    async def fetch(self, file: IndexFile, job: Job) -> Fetched:
        """Download a file, or find it in the cache; its digest is right when this returns."""
        if (cached := self.index.cached(file)) is not None:
            return cached
        async with self.gate.slot((job.id, file.filename), (0, 0.0, 0)):
            self.bus.emit(DownloadStarted(build=job.id, file=file.filename, total=file.size))
            seen = _Progress(self.bus, job, file)
            ok = False
            try:
                fetched = await self.index.fetch(file, seen)
                ok = True
            finally:
                self.bus.emit(
                    DownloadFinished(build=job.id, file=file.filename, bytes=seen.bytes, ok=ok)
                )
        return fetched


@dataclass(slots=True)
class _Progress:
    """Tells of a download at most a few times a second."""

    bus: Bus
    job: Job
    file: IndexFile
    bytes: int = 0
    told: float = field(default=float("-inf"))

    def __call__(self, done: int, total: int | None) -> None:
        self.bytes = done
        if (now := self.bus.elapsed) - self.told >= _PROGRESS_SECONDS:
            self.told = now
            name = self.file.filename
            self.bus.emit(DownloadProgress(build=self.job.id, file=name, bytes=done, total=total))


class Requirements:
    """What build environments are made of; one for the whole pool."""

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        installs: Gate,
        store: WheelStore,
        interpreter: Interpreter,
        executor: Executor,
        nested: Nested,
    ) -> None:
        self._fetcher = fetcher
        self._installs = installs
        self._store = store
        self._interpreter = interpreter
        self._executor = executor
        self._nested = nested
        self._facts = Facts()
        self._wheels: Once[str, StoredWheel] = Once()
        self._pages: Once[str, None] = Once()
        self._ready: dict[frozenset[str], tuple[StoredWheel, ...]] = {}

    def ready(self, requires: Sequence[str]) -> tuple[StoredWheel, ...] | None:
        """Return the wheels for a set of requirements if they are at hand already."""
        return self._ready.get(frozenset(requires)) if requires else ()

    async def provide(self, requires: Sequence[str], job: Job) -> tuple[StoredWheel, ...]:
        """Return the wheels for a set of requirements, in the order of installation.

        Raises:
            PoolError: a requirement nobody can satisfy, a file that cannot be had, a cycle.
        """
        where = self._fetcher.index.described
        while isinstance(
            answer := resolve(requires, self._facts, self._interpreter, where), Missing
        ):
            await self._find_out(answer, job)
        wheels = tuple([await self._wheel(file, job) for file in answer.files])
        self._ready[frozenset(requires)] = wheels
        return wheels

    async def _find_out(self, missing: Missing, job: Job) -> None:
        """Get the facts that a resolution lacks, all at once."""
        try:
            async with asyncio.TaskGroup() as group:
                for project in missing.pages:
                    group.create_task(self._page(project))
                for file in missing.metadata:
                    group.create_task(self._metadata(file, job))
        except ExceptionGroup as problems:
            raise problems.exceptions[0] from None

    async def _page(self, project: str) -> None:
        async def ask() -> None:
            self._facts.pages[project] = await self._fetcher.index.files(project)

        await self._pages.get(project, ask)

    async def _metadata(self, file: IndexFile, job: Job) -> None:
        self._facts.metadata[file.filename] = (await self._wheel(file, job)).metadata

    async def _wheel(self, file: IndexFile, job: Job) -> StoredWheel:
        if file.kind == "sdist":
            return await self._nested(file, job)
        return await self._wheels.get(file.filename, lambda: self._unpacked(file, job))

    async def _unpacked(self, file: IndexFile, job: Job) -> StoredWheel:
        if file.sha256 and (known := self._stored(file.sha256)) is not None:
            return known
        fetched = await self._fetcher.fetch(file, job)
        return await self.unpack(fetched.path, fetched.sha256, job)

    def _stored(self, sha256: str) -> StoredWheel | None:
        return self._store.get(sha256, self._interpreter)

    async def unpack(self, wheel: Path, sha256: str, job: Job) -> StoredWheel:
        """Unpack, check and compile one wheel into the store, under the installs cap."""
        if (known := self._stored(sha256)) is not None:
            return known
        name = wheel.name
        async with self._installs.slot((job.id, name), (0, 0.0, 0)):
            bus = self._fetcher.bus
            bus.emit(InstallStarted(build=job.id, distribution=name, environment="cache"))
            ok = False
            try:
                stored = await asyncio.get_running_loop().run_in_executor(
                    self._executor, self._store.add, wheel, sha256, self._interpreter
                )
                ok = True
            finally:
                bus.emit(
                    InstallFinished(build=job.id, distribution=name, environment="cache", ok=ok)
                )
        return stored
