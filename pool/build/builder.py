"""Builds the wheel of one source tree with a slot: environment, hooks, check, cache.

A wheel that an earlier build made from the same source in the same environment is taken from the
cache. If several processes build the same wheel for the cache at once, one of them builds it and
the others wait. Deliberately without opening the source: `pool.build.pipeline` does that.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from pool.build.cache_lookup import CacheLookup
from pool.build.job import BuildResult
from pool.build.locking import LockTarget
from pool.cache.wheel_cache import CachedWheel, DamagedWheel
from pool.common.errors import (
    ArchiveError,
    BackendError,
    ChangedWheelError,
    ProjectError,
    os_error_text,
)
from pool.common.files import hash_file, open_regular
from pool.common.model import Outcome, Phase, WaitFor
from pool.common.record import Record
from pool.common.redaction import redact_urls
from pool.events.types import BuildPhase, BuildRequirementsResolved, BuildWaiting, Note
from pool.sources.core_metadata import parse_headers
from pool.sources.identity import ChosenDist, chosen_file
from pool.sources.wheels import reader as wheelfile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from pool.build.backend import Backend
    from pool.build.context import BuildContext
    from pool.build.frontend.build_env import BuildEnvironment
    from pool.build.frontend.environments.isolated import Environments
    from pool.build.frontend.read_recording import ReadRecord, ReadRecording
    from pool.build.interfaces import BuildService
    from pool.build.job import BuildJob
    from pool.build.locking import BuildLocks
    from pool.build.source import Source, SourceTree
    from pool.build.workspace import BuildDir
    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.common.once_map import Lazy
    from pool.scheduling.slot import Slot
    from pool.sources.pyproject import Project
    from pool.sources.wheels.reader import WheelMetadata

    _Store: TypeAlias = Callable[[Path, WheelMetadata, ReadRecord], str]
    """Stores a wheel in the cache; returns the reason if it could not be stored."""

__all__ = ["WheelBuilder"]

_MAX_METADATA = 16 << 20


class _PreparedEnv(Record, frozen=True, kw_only=True):
    """A build environment that has all build requirements."""

    env: BuildEnvironment
    wheels: tuple[UnpackedWheel, ...] = ()
    """Its contents; empty for the shared environment."""
    extra: tuple[str, ...] = ()
    """The requirements of get_requires_for_build_* that are not static ones."""


class WheelBuilder(Record, frozen=True, kw_only=True):
    """Builds one tree; the slot is held except where a method waits."""

    job: BuildJob
    slot: Slot
    build_dir: BuildDir
    context: BuildContext
    locks: BuildLocks
    source: Source
    tree: SourceTree
    project: Project
    service: BuildService
    """For the builds that this one depends on."""
    lazy_environments: Lazy[Environments]

    async def build(self) -> BuildResult:
        """Build the job's wheel or metadata, or take the wheel from the cache.

        Raises:
            PoolError: the build failed, with a message for the user.
        """
        requires = self._static_requires()
        if not self.context.settings.isolates(self.job.canonical_name):
            return await self._run_backend(await self._prepare_shared_env(requires))
        wheels = await self._fetch_wheels(requires)
        if (lookup := await self._create_lookup(wheels)) is None:
            return await self._run_backend(await self._create_env(requires, wheels))
        if (cached := await self._find_cached(lookup, requires, wheels)) is not None:
            return cached
        prepared = await self._create_env(requires, wheels)
        if self.job.purpose == "metadata":
            return await self._run_backend(prepared)
        return await self._build_for_cache(lookup, prepared)

    async def from_cache(self) -> BuildResult | None:
        """Return the cached wheel, or None; works before the tree is opened."""
        if not self.context.settings.isolates(self.job.canonical_name):
            return None
        requires = self._static_requires()
        wheels = await self._fetch_wheels(requires)
        lookup = await self._create_lookup(wheels)
        return await self._find_cached(lookup, requires, wheels) if lookup else None

    def _emit_phase(self, phase: Phase) -> None:
        self.context.bus.emit(BuildPhase(build=self.job.id, phase=phase))

    def _static_requires(self) -> Sequence[str]:
        """Return ``build-system.requires`` without what markers exclude.

        Raises:
            ProjectError: the tree is the source of another project.
        """
        expected, name = self.job.expected_name, self.project.name
        if expected and name and canonicalize_name(expected) != canonicalize_name(name):
            raise ProjectError(f"it is the source of {name}, not of {expected}")
        return self._applicable(self.project.requires)

    def _applicable(self, requires: Sequence[str]) -> Sequence[str]:
        """Return requirements without what markers exclude."""
        if not requires:
            return ()
        from pool.resolve.resolver import filter_applicable

        return filter_applicable(requires, self.context.env.interpreter)

    @property
    def _chosen(self) -> ChosenDist:
        """The name and version that the wheel or the metadata must have."""
        if self.source.file is not None:
            return chosen_file(self.source.file)
        name = self.job.expected_name or self.project.name
        return ChosenDist(label=self.job.title, name=name)

    # The build environment

    @property
    def _environments(self) -> Environments:
        return self.lazy_environments.get()

    async def _prepare_shared_env(self, requires: Sequence[str]) -> _PreparedEnv:
        """Return the shared environment (--no-build-isolation) with this run's part in place."""
        prepared = _PreparedEnv(env=self.context.env.shared.environment)
        await self._await_shared_env(requires)
        extra = await self._extra_requires(prepared.env, requires)
        await self._await_shared_env([*requires, *extra])
        return prepared

    async def _await_shared_env(self, requires: Sequence[str]) -> None:
        """Wait without the slot until the shared environment has what this run installs there."""
        shared_env = self.context.env.shared
        if not shared_env.is_ready(requires, self.job):
            on = redact_urls("the installation of its build requirements: " + ", ".join(requires))
            waiting = BuildWaiting(build=self.job.id, for_=WaitFor.DEPENDENCY, on=on)
            async with self.slot.released(waiting):
                await shared_env.prepare(requires, self.job, self.service)

    async def _fetch_wheels(self, requires: Sequence[str]) -> tuple[UnpackedWheel, ...]:
        """Return the wheels of the build requirements; release the slot to get missing ones."""
        if not requires:
            return ()
        wheels = self.context.env.requirements.cached_wheels(requires)
        if wheels is None:
            on = redact_urls("build requirements: " + ", ".join(requires))
            waiting = BuildWaiting(build=self.job.id, for_=WaitFor.DOWNLOAD, on=on)
            async with self.slot.released(waiting):
                wheels = await self.context.env.requirements.fetch_wheels(
                    requires, self.job, self.service
                )
        return wheels

    async def _create_env(
        self, requires: Sequence[str], wheels: tuple[UnpackedWheel, ...]
    ) -> _PreparedEnv:
        """Create an isolated environment with the static and the backend's own requirements."""
        self._emit_resolved(wheels)
        self._emit_phase(Phase.ENVIRONMENT)
        planned = self._environments.plan(wheels, self._recording)
        self._backend.prepare(planned, self.context.settings.environ)
        env, wheels = await self._make_env(requires, wheels)
        if not (extra := await self._extra_requires(env, requires)):
            return _PreparedEnv(env=env, wheels=wheels)
        # All requirements are resolved together: an extra one may exclude a version chosen before.
        all_wheels = await self._fetch_wheels([*requires, *extra])
        if all_wheels != wheels:
            self._emit_resolved(all_wheels)
            self._emit_phase(Phase.ENVIRONMENT)
            env, all_wheels = await self._make_env([*requires, *extra], all_wheels)
        return _PreparedEnv(env=env, wheels=all_wheels, extra=extra)

    async def _make_env(
        self, requires: Sequence[str], wheels: tuple[UnpackedWheel, ...]
    ) -> tuple[BuildEnvironment, tuple[UnpackedWheel, ...]]:
        """Make an environment; wheels that a build has changed meanwhile are unpacked anew."""
        try:
            return await self._environments.create(wheels, self._recording), wheels
        except ChangedWheelError:
            self.context.env.requirements.forget(wheels)
        wheels = await self._fetch_wheels(requires)
        return await self._environments.create(wheels, self._recording), wheels

    def _emit_resolved(self, wheels: Sequence[UnpackedWheel]) -> None:
        pins = tuple(f"{wheel.name} {wheel.version}" for wheel in wheels)
        self.context.bus.emit(BuildRequirementsResolved(build=self.job.id, requirements=pins))

    async def _extra_requires(
        self, env: BuildEnvironment, requires: Sequence[str]
    ) -> tuple[str, ...]:
        """Return the requirements that the backend adds to the static ones."""
        hook = self._backend.get_requires(env)
        wanted = self._applicable(await self._environments.run(env, hook, is_last=False))
        return tuple(text for text in wanted if text not in requires)

    # The cache

    async def _create_lookup(self, wheels: Sequence[UnpackedWheel]) -> CacheLookup | None:
        """Read the source for the cache key; None if the result is not cacheable."""
        if self.context.cache.wheels is None or self.job.purpose == "editable":
            return None
        self._emit_phase(Phase.LOOKUP)
        return await self.context.in_thread(
            CacheLookup.create, self.context, self.job, self.source, self.tree.path, wheels
        )

    async def _find_cached(
        self, lookup: CacheLookup, requires: Sequence[str], wheels: tuple[UnpackedWheel, ...]
    ) -> BuildResult | None:
        """Return the wheel that an earlier build made from the same source and requirements."""
        if (extra := await self.context.in_thread(lookup.extra_requires)) is None:
            return None
        if more := [text for text in extra if text not in requires]:
            wheels = await self._fetch_wheels([*requires, *more])
        found = await self.context.in_thread(lookup.find, wheels)
        return await self._use_cached(found, lookup)

    async def _use_cached(
        self, found: CachedWheel | DamagedWheel | None, lookup: CacheLookup
    ) -> BuildResult | None:
        """Return the result of a cache hit; None for a miss or a damaged wheel."""
        if isinstance(found, DamagedWheel):
            text = f"the cached wheel is damaged, so it is built again: {found.reason}"
            self.context.bus.emit(Note(build=self.job.id, text=text))
        if not isinstance(found, CachedWheel):
            return None
        self._chosen.check(found.name, found.version)
        try:
            return await self.context.in_thread(self._cached_result, found, lookup)
        except ArchiveError as problem:
            text = f"the cached wheel cannot be used, so it is built again: {problem}"
            self.context.bus.emit(Note(build=self.job.id, text=text))
            return None

    def _cached_result(self, cached: CachedWheel, lookup: CacheLookup) -> BuildResult:
        """Publish a cached wheel; blocks."""
        lookup.store_project(self.project)
        facts, out_dir = wheelfile.read_wheel(cached.path), self._out_dir
        self._chosen.check(facts.name, facts.version)
        wheel, note = cached.path, ""
        if out_dir:
            published = self.context.published
            wheel, note = published.copy(cached.path, out_dir, self.job, cached.sha256)
        return BuildResult(
            name=cached.name,
            version=cached.version,
            metadata=facts.metadata,
            wheel=None if self.job.purpose == "metadata" else wheel,
            sha256=cached.sha256,
            bytes=cached.bytes,
            outcome=Outcome.CACHED,
            note=note,
            direct_url=self.source.direct_url,
        )

    @property
    def _out_dir(self) -> Path | None:
        """The folder in which the wheel is published; None if it is not."""
        return self.context.settings.out_dir if self.job.published else None

    async def _build_for_cache(self, lookup: CacheLookup, prepared: _PreparedEnv) -> BuildResult:
        """Build and store the wheel; if another process builds it now, wait and use its wheel."""
        self._emit_phase(Phase.LOOKUP)
        path = await self.context.in_thread(lookup.lock_path)
        label = f"the cache entry of {self.job.title}"
        target = LockTarget(locks=self.context.cache.file_locks, path=path, label=label)
        async with self.locks.hold(target) as (_, waited):
            if waited or not lookup.refresh:
                found = await self.context.in_thread(lookup.find_after_wait, prepared.wheels)
                if (cached := await self._use_cached(found, lookup)) is not None:
                    return cached

            def store(wheel: Path, facts: WheelMetadata, record: ReadRecord) -> str:
                return lookup.store(
                    wheel,
                    facts,
                    project=self.project,
                    record=record,
                    wheels=prepared.wheels,
                    extra=prepared.extra,
                    seconds=self.slot.active_seconds,
                )

            return await self._run_backend(prepared, store)

    # The backend

    @property
    def _recording(self) -> ReadRecording:
        from pool.build.frontend.read_recording import ReadRecording

        return ReadRecording(
            log=self.build_dir.reads,
            tree=self.tree.path,
            skipped=(self.build_dir.root, *self.context.cache_folders),
        )

    @property
    def _backend(self) -> Backend:
        from pool.build.backend import Backend

        return Backend(
            job=self.job,
            build_dir=self.build_dir,
            context=self.context.hooks,
            tree=self.tree,
            project=self.project,
        )

    async def _run_backend(
        self, prepared: _PreparedEnv, store: _Store | None = None
    ) -> BuildResult:
        """Let the backend make the wheel, or only the metadata if that is the job's purpose."""
        if self.job.purpose == "metadata":
            from pool.build.frontend.hooks import MissingHookError

            with suppress(MissingHookError):
                hook = self._backend.prepare_metadata(prepared.env)
                info = await self._environments.run(prepared.env, hook, is_last=True)
                return await self.context.in_thread(self._read_metadata, info)
        hook = self._backend.build(prepared.env)
        wheel = await self._environments.run(prepared.env, hook, is_last=True)
        self._emit_phase(Phase.CHECK)
        own = (self.build_dir.root, *([prepared.env.path] if prepared.env.isolated else []))
        result, note = await self.context.in_thread(self._finish_wheel, wheel, store, own)
        if note:
            self.context.bus.emit(Note(build=self.job.id, text=note))
        return result

    def _finish_wheel(
        self, wheel: Path, store: _Store | None, own_folders: Sequence[Path]
    ) -> tuple[BuildResult, str]:
        """Check the backend's wheel, store it in the cache and publish it; blocks.

        Args:
            wheel: the file.
            store: stores it; None if it is not cached.
            own_folders: the folders of the build, which it must not need later.

        Returns:
            The result, and the reason if the wheel could not be stored.

        Raises:
            PoolError: the file is no wheel, or one of another project or version.
        """
        from pool.sources.wheels.built import check_built_wheel

        # A wheel that is unpacked next is compared with its RECORD then.
        facts, record_note = check_built_wheel(wheel, compare_record=bool(self._out_dir))
        self._chosen.check(facts.name, facts.version)
        sha256, size = hash_file(wheel), wheel.stat().st_size
        cache_note = self._keep_wheel(wheel, facts, store)
        notes = [record_note, cache_note, self._editable_problem(wheel, own_folders)]
        if self._out_dir:
            wheel, note = self.context.published.move(wheel, self._out_dir, self.job, sha256)
            notes.append(note)
        result = BuildResult(
            name=facts.name,
            version=facts.version,
            metadata=facts.metadata,
            wheel=wheel,
            sha256=sha256,
            bytes=size,
            direct_url=self.source.direct_url,
        )
        return result, "; ".join(filter(None, notes))

    def _editable_problem(self, wheel: Path, own_folders: Sequence[Path]) -> str:
        """Return why an editable wheel will not work; empty if nothing is known."""
        if self.job.purpose != "editable":
            return ""
        from pool.sources.wheels.built import find_path

        found = (find_path(wheel, folder) for folder in own_folders)
        if not (member := next(filter(None, found), None)):
            return ""
        return (
            f"its file {member} names the build environment, which is removed, so its import may"
            " fail; install its build requirements, then use --no-build-isolation-package"
            f" {self.job.name}"
        )

    def _keep_wheel(self, wheel: Path, facts: WheelMetadata, store: _Store | None) -> str:
        """Store a wheel in the cache; return why it is not stored, or what is wrong with it."""
        try:
            record = self._recording.read()
        except OSError as problem:
            return f"not kept in the cache: {os_error_text(problem)}"
        if note := self._repository_problem(record):
            return note
        return store(wheel, facts, record) if store else ""

    def _repository_problem(self, record: ReadRecord) -> str:
        """Return why what git says of the source is not to be relied on; empty if it is."""
        if "git" not in record.programs:
            return ""
        from pool.sources.git_state import find_refused_repository

        refused = find_refused_repository(self.tree.path, self.context.settings.environ)
        if refused is None:
            return ""
        return (
            f"not kept in the cache, and its version may be wrong: git refuses {refused}, which"
            f" belongs to another user; run git config --global --add safe.directory {refused}"
        )

    def _read_metadata(self, info: Path) -> BuildResult:
        """Return the METADATA that prepare_metadata_for_build_wheel wrote as a result; blocks."""
        try:
            with open_regular(info / "METADATA") as file:
                text = file.read(_MAX_METADATA).decode("utf-8")
            headers = parse_headers(text)
            name, version = str(headers["Name"]).strip(), Version(str(headers["Version"]))
            wheelfile.check_info_dir(info.name, canonicalize_name(name), version)
        except (OSError, ValueError, ArchiveError) as problem:
            reason = os_error_text(problem) if isinstance(problem, OSError) else problem
            raise BackendError(f"the backend's METADATA cannot be used: {reason}") from problem
        self._chosen.check(name, str(version))
        return BuildResult(
            name=name, version=str(version), metadata=text, direct_url=self.source.direct_url
        )
