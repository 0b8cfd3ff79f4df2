"""Wheels for build environments: resolved, fetched or built, unpacked into the store.

The resolver does no I/O. It answers with what it misses, and this module gets that: pages and
wheels from the index, and wheels that exist nowhere yet from nested builds. Everything is asked
for once, however many builds want it; nobody who waits in here holds a slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from packaging.utils import canonicalize_name

from pool.build.context import in_thread
from pool.build.job import BuildRequest
from pool.cache.unpacked_wheels import unpack
from pool.common.once_map import OnceMap
from pool.events.types import InstallFinished, InstallStarted
from pool.requirements.request import parse_requirement
from pool.resolve.manifest import DirectDist, Manifest
from pool.resolve.provider import bare
from pool.resolve.resolver import build_needs
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from packaging.requirements import Requirement

    from pool.build.job import BuildJob
    from pool.cache.unpacked_wheels import UnpackedWheel, UnpackedWheels
    from pool.resolve.manifest import Candidate
    from pool.resolve.service import ResolverService
    from pool.scheduling.gate import Gate
    from pool.sources.index.fetcher import Fetcher
    from pool.system.interpreter import Interpreter

__all__ = ["BuildRequirements", "Nested"]


class Nested(Protocol):
    """Builds a requirement that exists only as source, in the same pool."""

    async def __call__(self, order: BuildRequest, by: BuildJob) -> UnpackedWheel:
        """Return the unpacked wheel; raises PoolError where it cannot be had."""
        ...


class BuildRequirements:
    """What build environments are made of; one for the whole pool."""

    def __init__(
        self,
        *,
        search: ResolverService,
        fetcher: Fetcher,
        installs: Gate,
        store: UnpackedWheels,
        beside: Path,
        interpreter: Interpreter,
        executor: Executor,
        nested: Nested,
    ) -> None:
        self._search = search
        self._fetcher = fetcher
        self._installs = installs
        self._store = store
        self._beside = beside
        self._interpreter = interpreter
        self._executor = executor
        self._nested = nested
        self._wheels: OnceMap[str, UnpackedWheel] = OnceMap()
        self._ready: dict[frozenset[str], tuple[UnpackedWheel, ...]] = {}

    def cached_set(self, requires: Sequence[str]) -> tuple[UnpackedWheel, ...] | None:
        """Return the wheels for a set of requirements if they are at hand already."""
        return self._ready.get(frozenset(requires)) if requires else ()

    async def install_set(
        self, requires: Sequence[str], job: BuildJob
    ) -> tuple[UnpackedWheel, ...]:
        """Return the wheels for a set of requirements, in the order of installation.

        Raises:
            PoolError: a requirement nobody can satisfy, a file that cannot be had, a cycle.
        """
        finder = _Finder(self, job)
        asked = Manifest(needs=build_needs(requires, self._interpreter))
        resolution = await self._search.find(asked, finder)
        wheels = tuple([await finder.wheel(choice) for choice in resolution.choices])
        self._ready[frozenset(requires)] = wheels
        return wheels

    async def wheel(self, file: IndexFile, job: BuildJob) -> UnpackedWheel:
        """Return a file of an index unpacked: fetched, or built by the pool."""
        if file.kind == "sdist":
            return await self._nested(BuildRequest(source=file), job)
        return await self._wheels.get(file.filename, lambda: self._unpacked(file, job))

    async def pointed_at(self, requirement: Requirement, job: BuildJob) -> UnpackedWheel:
        """Return what a requirement with a URL points at, built by the pool."""
        wish = parse_requirement(str(requirement), Path("/"))
        return await self._nested(BuildRequest(source=wish.target, hashes=wish.hashes), job)

    async def _unpacked(self, file: IndexFile, job: BuildJob) -> UnpackedWheel:
        if file.sha256 and (known := self._stored(file.sha256)) is not None:
            return known
        fetched = await self._fetcher.fetch(file, job)
        return await self.unpack(fetched.path, fetched.sha256, job)

    def _stored(self, sha256: str) -> UnpackedWheel | None:
        return self._store.get(sha256, self._interpreter)

    async def unpack(self, wheel: Path, sha256: str, job: BuildJob) -> UnpackedWheel:
        """Unpack, check and compile one wheel into the store, under the installs cap."""
        if (known := self._stored(sha256)) is not None:
            return known
        return await self._told(
            wheel, job, partial(self._store.add, wheel, sha256, self._interpreter)
        )

    async def unpack_beside(self, wheel: Path, job: BuildJob) -> UnpackedWheel:
        """Unpack a wheel that nobody will want again, for as long as the run goes on."""
        into = self._beside / job.id
        return await self._told(wheel, job, partial(unpack, wheel, into, self._interpreter))

    async def _told(
        self, wheel: Path, job: BuildJob, work: Callable[[], UnpackedWheel]
    ) -> UnpackedWheel:
        bus, name = self._fetcher.bus, wheel.name
        async with self._installs.slot((job.id, name), (0, 0.0, 0)):
            bus.emit(InstallStarted(build=job.id, distribution=name, environment="cache"))
            ok = False
            try:
                stored = await in_thread(self._executor, work)
                ok = True
            finally:
                bus.emit(
                    InstallFinished(build=job.id, distribution=name, environment="cache", ok=ok)
                )
        return stored


@dataclass(frozen=True, slots=True)
class _Finder:
    """Finds things out for one build: metadata is read in wheels that it will need anyway."""

    requirements: BuildRequirements
    job: BuildJob

    async def metadata(self, file: IndexFile) -> str:
        return (await self.requirements.wheel(file, self.job)).metadata

    async def direct(self, requirement: Requirement) -> DirectDist:
        wheel = await self.requirements.pointed_at(requirement, self.job)
        return DirectDist(
            url=requirement.url or "",
            name=canonicalize_name(wheel.name),
            version=wheel.version,
            metadata=wheel.metadata,
        )

    async def wheel(self, choice: Candidate) -> UnpackedWheel:
        if isinstance(choice.origin, IndexFile):
            return await self.requirements.wheel(choice.origin, self.job)
        return await self.requirements.pointed_at(bare(choice), self.job)
