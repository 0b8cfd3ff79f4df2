"""Wheels for build environments: resolved, fetched or built, and unpacked into the cache.

The resolver does no I/O: it reports missing metadata, and this module supplies it from wheels of
the index and from nested builds of requirements that have no wheel. Each file is fetched once,
however many builds require it. No build slot is held meanwhile.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pool.build.job import BuildRequest
from pool.cache.unpacked_wheels import unpack
from pool.common.aio import in_thread
from pool.common.errors import ChangedWheelError
from pool.common.once_map import OnceMap
from pool.common.record import Record
from pool.events.types import InstallFinished, InstallStarted, Note
from pool.requirements.request import parse_requirement
from pool.resolve.manifest import DirectDist, Manifest
from pool.resolve.provider import without_extras
from pool.resolve.resolver import parse_build_requirements
from pool.sources.identity import chosen_file
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Executor

    from packaging.requirements import Requirement

    from pool.build.interfaces import BuildService
    from pool.build.job import BuildJob
    from pool.cache.resolutions import ResolutionCache
    from pool.cache.unpacked_wheels import UnpackedWheel, UnpackedWheels
    from pool.resolve.manifest import Candidate
    from pool.resolve.service import ResolverService
    from pool.scheduling.gate import Gate
    from pool.sources.index.fetcher import Fetcher
    from pool.sources.wheels.reader import WheelMetadata
    from pool.system.interpreter import Interpreter

__all__ = ["BuildRequirements"]


class BuildRequirements:
    """The build requirements of all builds of one run.

    Args:
        resolver: selects versions.
        fetcher: downloads wheels.
        resolutions: remembers the selected wheels for later runs; None for no cache.
        installs: limits how many wheels are unpacked at once.
        unpacked_wheels: the cache of unpacked wheels.
        run_dir: the folder for unpacked wheels that only this run uses.
        interpreter: for markers, tags and bytecode.
        executor: runs the unpacking.
    """

    def __init__(
        self,
        *,
        resolver: ResolverService,
        fetcher: Fetcher,
        resolutions: ResolutionCache | None,
        installs: Gate,
        unpacked_wheels: UnpackedWheels,
        run_dir: Path,
        interpreter: Interpreter,
        executor: Executor,
    ) -> None:
        self._resolver = resolver
        self._fetcher = fetcher
        self._resolutions = resolutions
        self._installs = installs
        self._unpacked_wheels = unpacked_wheels
        self._run_dir = run_dir
        self._interpreter = interpreter
        self._executor = executor
        self._fetches: OnceMap[str, UnpackedWheel] = OnceMap()
        self._nested: dict[Path, UnpackedWheel] = {}
        """Those that were built, by their folders."""
        self._wheels_of: dict[frozenset[str], tuple[UnpackedWheel, ...]] = {}
        self._suspects = set[Path]()
        """Folders of unpacked wheels that a build may have changed."""

    def cached_wheels(self, requires: Sequence[str]) -> tuple[UnpackedWheel, ...] | None:
        """Return the wheels of a set of requirements if they were fetched before."""
        return self._wheels_of.get(frozenset(requires)) if requires else ()

    def forget(self, wheels: Iterable[UnpackedWheel]) -> None:
        """Compare unpacked wheels with the cache before they are used again: a build changed one.

        Args:
            wheels: those of its environment.
        """
        suspects = [wheel.path for wheel in wheels]
        self._suspects.update(suspects)
        self._unpacked_wheels.forget(suspects)
        self._wheels_of.clear()
        for name, wheel in list(self._fetches.results.items()):
            if wheel.path in suspects:
                del self._fetches.results[name]

    def forget_all(self) -> None:
        """Look for all unpacked wheels again before they are used: the cache was removed."""
        self.forget([*self._fetches.results.values(), *self._nested.values()])

    async def fetch_wheels(
        self, requires: Sequence[str], job: BuildJob, service: BuildService
    ) -> tuple[UnpackedWheel, ...]:
        """Resolve a set of requirements and fetch or build their wheels.

        Args:
            requires: the requirements.
            job: the build that has them.
            service: builds requirements that have no wheel.

        Returns:
            The unpacked wheels, in the order of installation.

        Raises:
            PoolError: the requirements cannot be satisfied, a file cannot be fetched or built, or
                there is a cycle.
        """
        source = _WheelMetadata(self, job, service)
        manifest = Manifest(requirements=parse_build_requirements(requires, self._interpreter))
        resolution = await self._resolver.resolve(manifest, source)
        wheels = tuple([await source.wheel(choice) for choice in resolution.candidates])
        self._wheels_of[frozenset(requires)] = wheels
        if all(_is_wheel(choice) for choice in resolution.candidates):
            await in_thread(self._executor, self._remember, requires, wheels)
        return wheels

    def _remember(self, requires: Sequence[str], wheels: Sequence[UnpackedWheel]) -> None:
        if self._resolutions and (evidence := self._resolver.evidence()) is not None:
            self._resolutions.store_wheels(requires, wheels, evidence)

    async def fetch_wheel(
        self, file: IndexFile, job: BuildJob, service: BuildService
    ) -> UnpackedWheel:
        """Return an index file as an unpacked wheel; a source distribution is built."""
        if file.kind == "sdist":
            return await self._build(BuildRequest(source=file), job, service)
        return await self._fetches.get(file.filename, lambda: self._fetch_and_unpack(file, job))

    async def build_direct(
        self, requirement: Requirement, job: BuildJob, service: BuildService
    ) -> UnpackedWheel:
        """Return the unpacked wheel of a direct reference (``name @ url``), built if needed."""
        spec = parse_requirement(str(requirement), Path("/"))
        request = BuildRequest(source=spec.target, hashes=spec.hashes)
        return await self._build(request, job, service)

    async def _build(
        self, request: BuildRequest, job: BuildJob, service: BuildService
    ) -> UnpackedWheel:
        """Return the unpacked wheel of a nested build.

        Raises:
            ChangedWheelError: another build has changed its files.
        """
        wheel = await service.build_nested(request, job)
        self._nested[wheel.path] = wheel
        if wheel.path in self._suspects:
            find = partial(self._find_unpacked, wheel.path.name)
            if await in_thread(self._executor, find) is None:
                raise ChangedWheelError(wheel.name, wheel.version)
        return wheel

    async def _fetch_and_unpack(self, file: IndexFile, job: BuildJob) -> UnpackedWheel:
        if file.sha256 and (cached := self._find_unpacked(file.sha256)) is not None:
            unpacked = cached
        else:
            fetched = await self._fetcher.fetch(file, job.id)
            unpacked = await self.unpack(fetched.path, fetched.sha256, job)
        chosen_file(file).check(unpacked.name, unpacked.version)
        return unpacked

    def _find_unpacked(self, sha256: str) -> UnpackedWheel | None:
        return self._unpacked_wheels.get(sha256, self._interpreter)

    def read_wheel(self, wheel: Path, sha256: str) -> WheelMetadata:
        """Check a wheel and read its metadata (`UnpackedWheels.read_wheel`); blocks."""
        return self._unpacked_wheels.read_wheel(wheel, sha256, self._interpreter)

    async def unpack(self, wheel: Path, sha256: str, job: BuildJob) -> UnpackedWheel:
        """Unpack, check and compile one wheel into the cache, under the installs limit."""
        if (unpacked := self._find_unpacked(sha256)) is None:
            unpacked = await self._unpack_in_thread(
                wheel, job, partial(self._unpacked_wheels.add, wheel, sha256, self._interpreter)
            )
        self._emit_note(unpacked, job)
        return unpacked

    async def unpack_for_run(self, wheel: Path, job: BuildJob) -> UnpackedWheel:
        """Unpack a wheel that no later run uses; it is removed with the run's folder."""
        into = self._run_dir / job.id
        unpacked = await self._unpack_in_thread(
            wheel, job, partial(unpack, wheel, into, self._interpreter)
        )
        self._emit_note(unpacked, job)
        return unpacked

    def _emit_note(self, unpacked: UnpackedWheel, job: BuildJob) -> None:
        if unpacked.note:
            self._fetcher.bus.emit(Note(build=job.id, text=unpacked.note))

    async def _unpack_in_thread(
        self, wheel: Path, job: BuildJob, unpack: Callable[[], UnpackedWheel]
    ) -> UnpackedWheel:
        bus, name = self._fetcher.bus, wheel.name
        async with self._installs.slot((job.key, name), (0, 0.0, 0), group=job.run):
            bus.emit(InstallStarted(build=job.id, distribution=name, environment="cache"))
            ok = False
            try:
                unpacked = await in_thread(self._executor, unpack)
                ok = True
            finally:
                bus.emit(
                    InstallFinished(build=job.id, distribution=name, environment="cache", ok=ok)
                )
        return unpacked


def _is_wheel(choice: Candidate) -> bool:
    """Return whether a candidate is a wheel whose content cannot change unnoticed."""
    file = choice.origin
    if not isinstance(file, IndexFile) or file.kind != "wheel":
        return False
    return bool(file.sha256) or file.url.startswith("file:")


class _WheelMetadata(Record, frozen=True):
    """The metadata source of one build: reads wheels, as the build needs the whole wheel anyway."""

    requirements: BuildRequirements
    job: BuildJob
    service: BuildService

    async def metadata(self, file: IndexFile) -> str:
        return (await self.requirements.fetch_wheel(file, self.job, self.service)).metadata

    async def direct(self, requirement: Requirement) -> DirectDist:
        wheel = await self.requirements.build_direct(requirement, self.job, self.service)
        return DirectDist(
            url=requirement.url or "",
            name=canonicalize_name(wheel.name),
            version=wheel.version,
            metadata=wheel.metadata,
        )

    async def wheel(self, choice: Candidate) -> UnpackedWheel:
        if isinstance(choice.origin, IndexFile):
            return await self.requirements.fetch_wheel(choice.origin, self.job, self.service)
        return await self.requirements.build_direct(without_extras(choice), self.job, self.service)
