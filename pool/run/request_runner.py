"""Runs one request: from requirements to wheels, or to an environment with all of them installed.

Direct targets are built at once, versions of everything else are resolved together, and the
selected versions are fetched or built. Into an environment they are installed as one transaction,
or not at all. The build requirements of non-isolated builds are installed before that
(`pool.run.shared_env`). Deliberately without requests that need neither dependencies nor an
environment: `pool.run.plain_request` has them.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace
from packaging.version import Version

from pool.build.job import BuildRequest
from pool.common.aio import gather_first_error, in_thread, run_until_first
from pool.common.errors import InstallError, PoolError, system_error
from pool.common.redaction import redact_urls
from pool.events.types import (
    EnvironmentFailed,
    Note,
    ResolveFinished,
    ResolveStarted,
)
from pool.resolve.explain import explain_selection
from pool.resolve.manifest import DirectDist
from pool.run.effective_request import url_of
from pool.run.installer import StaleError
from pool.run.metadata import direct_dist, static_metadata
from pool.run.plain_request import resolve_failed
from pool.run.selection import Provider
from pool.sources.index.simple_api import IndexFile
from pool.system.process_limits import shortage_error, wait_out_shortage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from concurrent.futures import Executor

    from packaging.utils import NormalizedName

    from pool.build.interfaces import BuildService
    from pool.build.job import BuildJob
    from pool.events.bus import EventBus
    from pool.requirements.request import RequirementSpec
    from pool.resolve.manifest import Candidate, InstalledDist
    from pool.resolve.progress import ResolveProgressEvents
    from pool.resolve.resolver import Resolution
    from pool.resolve.service import ResolverService
    from pool.run.effective_request import EffectiveRequest
    from pool.run.installer import Installer
    from pool.run.metadata import MetadataFetcher
    from pool.run.selection import Selection
    from pool.settings import RunSettings
    from pool.system.interpreter import Interpreter

__all__ = ["RequestRunner"]

_MAX_RESOLUTIONS = 5
"""Resolutions of one request, if other processes change the environment meanwhile."""

T = TypeVar("T")


class RequestRunner:
    """One request; belongs to one event loop.

    Args:
        request: the request, for one interpreter.
        settings: the settings of the run.
        interpreter: the target.
        bus: the bus of the run.
        executor: for file work.
        selection: the versions that are selected; filled here.
        resolver: resolves versions.
        progress: emits the progress of resolutions.
        service: builds.
        metadata: the metadata of candidates.
        installer: installs into the environment; None if wheels are requested.
    """

    def __init__(
        self,
        request: EffectiveRequest,
        *,
        settings: RunSettings,
        interpreter: Interpreter,
        bus: EventBus,
        executor: Executor,
        selection: Selection,
        resolver: ResolverService,
        progress: ResolveProgressEvents,
        service: BuildService,
        metadata: MetadataFetcher,
        installer: Installer | None,
    ) -> None:
        self._request = request
        self._settings = settings
        self._interpreter = interpreter
        self._bus = bus
        self._executor = executor
        self._selection = selection
        self._resolver = resolver
        self._progress = progress
        self._service = service
        self._metadata = metadata
        self._installer = installer
        self._directs: dict[RequirementSpec, DirectDist] = {}
        self._unknown_metadata: dict[RequirementSpec, BuildJob] = {}
        """Direct targets whose dependencies are known only when their builds have ended."""

    async def run(self) -> bool:
        """Run the request; return whether it succeeded, apart from builds that failed."""
        try:
            await self._run_request()
        except Exception as problem:
            if (error := _user_error(problem)) is None:
                raise
            self._emit_failure(error)
            return False
        except asyncio.CancelledError:
            if self._installer is not None and not self._is_installed(self._installer):
                self._emit_failure(InstallError("the run was ended"))
            raise
        finally:
            self._selection.close()
        return True

    def _emit_failure(self, problem: PoolError) -> None:
        """Emit that versions cannot be resolved, or that the environment is unchanged."""
        if self._installer is None or not self._selection.rounds:
            self._bus.emit(resolve_failed(problem))
        else:
            failed = EnvironmentFailed(
                environment=str(self._installer.path),
                reference=problem.reference,
                message=redact_urls(str(problem)),
                hint=redact_urls(problem.hint),
            )
            self._bus.emit(failed)

    async def _run_request(self) -> None:
        if self._installer is not None:
            await self._wait_out(self._installer.recover)
        await self._submit_direct_targets()
        for _ in range(_MAX_RESOLUTIONS):
            await self._resolve_all()
            if self._installer is None:
                return
            with suppress(StaleError):
                await self._install(self._installer)
                return
        raise InstallError("other processes have changed the environment again and again")

    # Versions

    async def _submit_direct_targets(self) -> None:
        """Build the direct targets, and learn their dependencies."""
        specs = self._request.direct
        jobs = self._service.submit([self._request.build_request(spec) for spec in specs])
        pairs = zip(specs, jobs, strict=True)
        await gather_first_error(*(self._learn_direct(spec, job) for spec, job in pairs))

    async def _learn_direct(self, spec: RequirementSpec, job: BuildJob) -> None:
        url, name = url_of(spec.target), job.canonical_name
        text = await self._wait_out(lambda: in_thread(self._executor, static_metadata, spec.target))
        if text is None and not self._settings.isolates(name):
            # Its backend may need distributions that this run installs: ask it after that.
            self._unknown_metadata[spec] = job
            version = job.version or "0"
            unknown = DirectDist(
                url=url, name=name, version=version, metadata="", metadata_known=False
            )
            self._add_direct(spec, unknown, job)
        else:
            text = text or (await self._service.result_of(job)).metadata
            self._add_direct(spec, direct_dist(url, text), job)

    def _add_direct(self, spec: RequirementSpec, direct: DirectDist, job: BuildJob) -> None:
        self._directs[spec] = self._resolver.store.directs[direct.url] = direct
        self._selection.providers[direct.name] = Provider(direct.url, job)
        self._selection.requested.add(direct.name)

    async def _resolve_all(self) -> None:
        """Resolve and provide versions until the dependencies of all of them are known."""
        while True:
            await self._resolve()
            self._provide()
            if not (unresolved := self._selection.unresolved):
                return
            # One is enough: another one may be waiting for the dependencies of the first.
            await run_until_first(
                *(self._learn_metadata(name, job) for name, job in unresolved.items())
            )

    async def _resolve(self) -> None:
        selection = self._selection
        kept = await self._wait_out(self._installer.read_installed) if self._installer else {}
        before = {choice.name: choice.version for choice in selection.resolution.candidates}
        manifest = self._request.manifest(self._directs, kept, before)
        self._bus.emit(ResolveStarted(requirements=tuple(map(str, manifest.requirements))))
        self._progress.active = True
        try:
            selection.resolution = await self._wait_out(
                lambda: self._resolver.resolve(manifest, self._metadata)
            )
        finally:
            self._progress.active = False
        selection.resolution = _keep_installed(selection.resolution, kept)
        picked = explain_selection(
            selection.resolution, manifest, self._resolver.store, self._interpreter
        )
        self._bus.emit(ResolveFinished(picked=picked))

    def _provide(self) -> None:
        """Fetch or build each candidate that no build provides yet."""
        selection = self._selection
        choices = selection.resolution.candidates
        new = [choice for choice in choices if self._is_new(choice)]
        jobs = self._service.submit([self._build_request(choice) for choice in new])
        for choice, job in zip(new, jobs, strict=True):
            selection.providers[choice.name] = Provider(_origin(choice), job)
        for choice in choices:
            if (direct_job := selection.direct_jobs.get(_origin(choice))) is not None:
                selection.providers[choice.name] = Provider(_origin(choice), direct_job)
        selection.end_round(self._unresolved())

    def _unresolved(self) -> dict[NormalizedName, BuildJob]:
        postponed, providers = self._metadata.postponed.keys(), self._selection.providers
        names = [one.name for one in self._selection.resolution.candidates if one.name in providers]
        unread = {n: providers[n].job for n in names if providers[n].origin in postponed}
        return unread | {job.canonical_name: job for job in self._unknown_metadata.values()}

    def _is_new(self, choice: Candidate) -> bool:
        provider = self._selection.providers.get(choice.name)
        return isinstance(choice.origin, IndexFile) and (
            provider is None or provider.origin != choice.origin.filename
        )

    def _build_request(self, choice: Candidate) -> BuildRequest:
        if not isinstance(choice.origin, IndexFile):
            raise TypeError(choice.origin)
        return BuildRequest(
            source=choice.origin,
            origin=self._request.origin(choice.name),
            hashes=self._request.hashes.get(choice.name, frozenset()),
            config_settings=self._request.config_settings(choice.name),
        )

    async def _learn_metadata(self, name: NormalizedName, job: BuildJob) -> None:
        """Replace unknown metadata by that of the built wheel."""
        result = await self._service.result_of(job)
        for spec in [spec for spec, one in self._unknown_metadata.items() if one is job]:
            self._add_direct(spec, direct_dist(url_of(spec.target), result.metadata), job)
            del self._unknown_metadata[spec]
        filename = self._selection.providers[name].origin
        if self._metadata.postponed.pop(filename, None):
            self._resolver.store.metadata[filename] = result.metadata

    # The environment

    async def _install(self, installer: Installer) -> None:
        """Install all selected versions that the environment does not have."""
        selection = self._selection
        kept, names = selection.kept_dists, selection.to_install
        await selection.dists_to_install(names, self._service)
        # Build requirements of non-isolated builds were installed meanwhile.
        names = selection.not_installed(names, installer.installed)
        dists = await selection.dists_to_install(names, self._service)
        relied_on = {name: one.version for name, one in kept.items()}
        await self._wait_out(lambda: installer.install(dists, relied_on))

    async def _wait_out(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Attempt again while descriptors or processes are short."""
        text = "too few open files or processes are allowed now; this is attempted again"
        return await wait_out_shortage(attempt, lambda: self._bus.emit(Note(text=text)))

    def _is_installed(self, installer: Installer) -> bool:
        """Return whether all selected versions are installed, and no more can follow."""
        selection = self._selection
        final = selection.rounds and not selection.unresolved
        missing = selection.not_installed(selection.to_install, installer.installed)
        return bool(final and not missing)


def _user_error(problem: Exception) -> PoolError | None:
    """Return the error that the user sees; None for an error of wheelpool's own."""
    if (shortage := shortage_error(problem)) is not None:
        return shortage
    if isinstance(problem, PoolError):
        return problem
    return system_error(problem) if isinstance(problem, OSError) else None


def _keep_installed(
    resolution: Resolution, installed: Mapping[NormalizedName, InstalledDist]
) -> Resolution:
    """Keep installed distributions of the very versions that were selected on an index (-U)."""
    candidates = [
        replace(choice, origin=one)
        if (one := installed.get(choice.name)) is not None
        and one.from_index
        and isinstance(choice.origin, IndexFile)
        and Version(one.version) == choice.version
        else choice
        for choice in resolution.candidates
    ]
    return replace(resolution, candidates=tuple(candidates))


def _origin(choice: Candidate) -> str:
    """Return the file name or URL of a candidate; empty for an installed distribution."""
    match choice.origin:
        case IndexFile(filename=filename):
            return filename
        case DirectDist(url=url):
            return url
        case _:
            return ""
