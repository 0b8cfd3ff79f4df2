"""A run whose wheels are all in the cache: complete at once, without an event loop or a process.

It does what the engine does with such a request, in the same order and with the same events: lock
the trees, read the sources, find the wheels, publish them, write the journal. As soon as one source
has no cached wheel, or anything is out of the ordinary, `complete_from_cache` returns None and has
changed nothing that a run would see: the engine takes the request from its start. So this module
decides nothing: it never reports an error, never waits, and never builds.

Deliberately imports little, and never asyncio: that alone takes five times as long as Python's
start. `tests/e2e/test_modules.py` holds what it may load.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pool.build.frontend.job_flags import user_job_limits
from pool.cache.key import CacheKey
from pool.cache.prune import shared_cache_lock
from pool.cache.resolutions import ResolutionCache
from pool.cache.wheel_cache import CachedWheel, WheelCache
from pool.common.errors import PoolError
from pool.common.files import copy_into
from pool.common.model import BuildId, LimitName, Outcome, Phase
from pool.common.redaction import redact_urls
from pool.common.text import format_settings
from pool.engine.caps import Caps, describe_cache_access
from pool.events.bus import EventBus
from pool.events.journal import logs_path, open_run_journal
from pool.events.log_names import LogNames
from pool.events.types import (
    BuildFinished,
    BuildPhase,
    BuildQueued,
    BuildStarted,
    LockAcquired,
    LockReleased,
    Note,
    RunFinished,
    RunStarted,
)
from pool.requirements.target import RequirementTarget, SdistTarget, TreeTarget
from pool.scheduling.memory_budget import MemoryBudget
from pool.scheduling.slot import RANK_NEW
from pool.settings import MAX_BUILDS
from pool.sources.fingerprint import fingerprint_file, read_tree
from pool.sources.names import canonicalize_name, normalize_version, parse_sdist_name
from pool.system.interpreter import read_own
from pool.system.locks.tree_lock import TreeLock
from pool.system.memory import read_available

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pool.build.job import BuildRequest, SourceSpec
    from pool.cache.key import RequirementDigest
    from pool.cache.resolutions import SelectedSdist
    from pool.common.clock import Clock
    from pool.events.journal import JournalWriter
    from pool.events.types import Header, KnownEvent
    from pool.requirements.request import Request, RequirementSpec
    from pool.settings import Settings
    from pool.sources.pyproject import Project
    from pool.system.interpreter import Interpreter

__all__ = ["CachedRun", "complete_from_cache"]

_MAX_BYTES = 64 << 20
"""The most bytes of all sources: more are read by the engine, which can be interrupted."""


class _NotCachedError(Exception):
    """The request needs the engine."""


class CachedRun(NamedTuple):
    """A run that has ended: its journal is written, its wheels are published."""

    header: Header
    journal: Path
    events: Sequence[KnownEvent]


class _Wanted(NamedTuple):
    """A build that is requested."""

    target: SourceSpec
    label: str
    origin: str
    config_settings: Mapping[str, str | list[str]]
    request: BuildRequest | None = None
    """None if the request is of trees and sdists alone: that needs none of the rules for names."""


class _Source(NamedTuple):
    """A source as the cache knows it."""

    fingerprint: str
    name: str
    """That of the build, as `pool.build.job.infer_identity` gives it."""
    version: str | None
    selected: SelectedSdist | None = None
    """The file of an index; None for a direct source."""


class _Hit(NamedTuple):
    """A source and its cached wheel."""

    wanted: _Wanted
    source: _Source
    wheel: CachedWheel

    @property
    def tree(self) -> Path | None:
        """The tree whose lock is held; None for an archive."""
        return self.wanted.target.path if isinstance(self.wanted.target, TreeTarget) else None

    def queued(self, build: BuildId, logs: LogNames) -> BuildQueued:
        """Return the event that announces the build."""
        name, version = self.source.name, self.source.version
        return BuildQueued(
            build=build,
            name=name,
            version=version,
            target=self.wanted.label,
            log=logs.add(name, version),
            origin=self.wanted.origin,
            nested=False,
            config_settings=format_settings(self.wanted.config_settings),
            priority=(RANK_NEW, 0.0, int(build.removeprefix("b"))),
        )


def complete_from_cache(settings: Settings, request: Request, clock: Clock) -> CachedRun | None:
    """Run a request whose wheels are all in the cache; None if it needs the engine."""
    if not _is_simple(settings, request):
        return None
    # The engine finds any error again, and reports it.
    with suppress(_NotCachedError, PoolError, OSError), ExitStack() as stack:
        stack.enter_context(shared_cache_lock(settings.cache_dir))
        return _CachedRequest(settings, clock, stack).run(request)
    return None


def _is_simple(settings: Settings, request: Request) -> bool:
    """Tell whether wheels are built for wheelpool's own interpreter, and no more."""
    plain = (
        settings.cache
        and settings.out_dir is not None
        and settings.python is None
        and not (settings.deps or settings.installs_into or settings.copy)
        and not (settings.refresh or settings.upgrade or settings.not_isolated)
    )
    # Jobs that the user has limited are named at the start.
    plain = plain and not user_job_limits(settings.environ)
    return plain and not request.locks and all(map(_is_simple_spec, request.requirements))


def _is_simple_spec(spec: RequirementSpec) -> bool:
    target = spec.target
    if isinstance(target, RequirementTarget):
        return not spec.files
    if not isinstance(target, TreeTarget | SdistTarget) or target.name is not None:
        return False
    return spec.marker is None and not (spec.hashes or spec.editable)


def _needs_no_rules(request: Request) -> bool:
    """Tell whether no requirement of a request has a version to choose, or a hash."""
    has_markers = any(one.requirement.marker is not None for one in request.constraints)
    named = any(isinstance(spec.target, RequirementTarget) for spec in request.requirements)
    return not (has_markers or named or request.require_hashes)


class _CachedRequest:
    """One attempt to run a request from the cache.

    Args:
        settings: the settings of the pool and of the run.
        clock: the time of events.
        stack: releases the locks of trees at the end.
    """

    def __init__(self, settings: Settings, clock: Clock, stack: ExitStack) -> None:
        self._settings = settings
        self._clock = clock
        self._stack = stack
        self._cache = WheelCache(settings.cache_dir, clock)
        self._interpreter = _read_interpreter(settings)
        self._resolutions = ResolutionCache(
            settings.cache_dir, clock, settings.index, self._interpreter
        )
        folders = (settings.out_dir, settings.cache_dir, settings.state_dir)
        self._own_folders = tuple(folder for folder in folders if folder is not None)
        self._bytes_left = _MAX_BYTES

    def run(self, request: Request) -> CachedRun:
        """Find all wheels, then publish them and write the journal.

        Raises:
            _NotCachedError, PoolError, OSError: the request needs the engine.
        """
        targets, builds = self._wanted(request)
        hits = [self._find(wanted) for wanted in builds]
        if len({hit.wheel.path.name for hit in hits}) < len(hits):
            raise _NotCachedError  # Two builds of one wheel: the engine compares them.
        header, writer = open_run_journal(
            journal=self._settings.journal,
            state_dir=self._settings.state_dir,
            argv=self._settings.argv,
            clock=self._clock,
            python=self._interpreter.version,
        )
        events: list[KnownEvent] = []
        bus = EventBus(self._clock, writer, events.append)
        try:
            self._emit_run(bus, writer.path, targets, hits)
        except (OSError, _NotCachedError):
            self._discard(writer)
            raise
        finally:
            writer.close()
        return CachedRun(header=header, journal=writer.path, events=events)

    # Looking up

    def _wanted(self, request: Request) -> tuple[int, Sequence[_Wanted]]:
        """Return the number of requirements whose markers are true, and their builds, each once."""
        if _needs_no_rules(request):
            return len(set(request.requirements)), self._wanted_directly(request)
        from pool.build.job import source_label
        from pool.run.effective_request import EffectiveRequest

        effective = EffectiveRequest(request, self._settings, self._interpreter)
        builds = [
            _Wanted(one.source, source_label(one.source), one.origin, one.config_settings, one)
            for one in effective.build_requests()
        ]
        return len(effective), builds

    def _wanted_directly(self, request: Request) -> Sequence[_Wanted]:
        specs: dict[object, RequirementSpec] = {}
        for spec in request.requirements:
            specs.setdefault(spec.target, spec)
        common = self._settings.config_settings
        return [
            _Wanted(spec.target, spec.target.label, spec.origin, {**common, **spec.config_settings})
            for spec in specs.values()
        ]

    def _find(self, wanted: _Wanted) -> _Hit:
        """Return the cached wheel of a build.

        Raises:
            _NotCachedError: there is none.
        """
        source = self._read_source(wanted)
        project = self._cache.read_project(source.fingerprint)
        if project is None:
            raise _NotCachedError
        source = _name_tree(wanted.target, source, project)
        wheel = self._find_wheel(source, project, wanted.config_settings)
        if project.name and canonicalize_name(project.name) != canonicalize_name(wheel.name):
            raise _NotCachedError
        if (selected := source.selected) is not None:
            found = (canonicalize_name(wheel.name), normalize_version(wheel.version))
            if found != (selected.project, normalize_version(selected.version)):
                raise _NotCachedError
        return _Hit(wanted, source, wheel)

    def _find_wheel(
        self,
        source: _Source,
        project: Project,
        config_settings: Mapping[str, str | list[str]],
    ) -> CachedWheel:
        requires = self._applicable(project.requires)
        wheels = self._resolve(requires)
        key = CacheKey.of(
            source.fingerprint,
            name=source.name,
            config_settings=config_settings,
            interpreter=self._interpreter,
            wheels=wheels,
            environ=self._settings.environ,
        )
        extra = self._cache.read_hook_requires(key)
        if extra is None:
            raise _NotCachedError
        if more := [text for text in extra if text not in requires]:
            wheels = self._resolve([*requires, *more])
        # The engine reports a damaged entry.
        digest = key.final_digest(wheels)
        wheel = self._cache.find(digest, self._settings.environ, discard=False)
        if not isinstance(wheel, CachedWheel) or not wheel.is_checked:
            raise _NotCachedError
        return wheel

    def _read_source(self, wanted: _Wanted) -> _Source:
        """Return what identifies the source of a build; a tree is locked before it is read."""
        match wanted.target:
            case TreeTarget(path=path) as tree:
                self._lock(tree)
                return _Source(self._fingerprint_tree(path), path.name, None)
            case SdistTarget(path=path):
                if (identity := parse_sdist_name(path.name)) is None:
                    raise _NotCachedError
                return _Source(f"{self._fingerprint_file(path)}:", *identity)
            case RequirementTarget() as named:
                return self._select(named, wanted.request)
            case _:
                raise _NotCachedError

    def _select(self, target: RequirementTarget, request: BuildRequest | None) -> _Source:
        """Return the sdist that the resolver has selected before, by the same rules."""
        from pool.build.job import infer_identity

        name, version = infer_identity(target)
        if request is None or request.manifest is None:
            raise _NotCachedError
        rules = request.manifest.file_rules(canonicalize_name(name))
        selected = None if rules is None else self._resolutions.find_sdist(rules)
        if selected is None:
            raise _NotCachedError
        digest = f"sha256:{selected.sha256}"
        if selected.path is not None:
            content = self._fingerprint_file(Path(selected.path))
            if selected.sha256 is not None and content != digest:
                raise _NotCachedError
            digest = content
        elif selected.sha256 is None:
            raise _NotCachedError
        if request.hashes and digest not in request.hashes:
            raise _NotCachedError
        return _Source(f"{digest}:", name, version, selected)

    def _applicable(self, requires: Sequence[str]) -> Sequence[str]:
        """Return requirements without what markers exclude."""
        if not any(";" in text for text in requires):
            return requires
        from pool.resolve.resolver import filter_applicable

        return filter_applicable(requires, self._interpreter)

    def _resolve(self, requires: Sequence[str]) -> tuple[RequirementDigest, ...]:
        if (wheels := self._resolutions.find_wheels(requires)) is None:
            raise _NotCachedError
        return wheels

    def _lock(self, target: TreeTarget) -> None:
        """Lock a tree until the end of the run; a tree that is locked is the engine's."""
        lock = TreeLock(target.path, self._settings.environ)
        self._stack.callback(lock.close)
        if not lock.lock():
            raise _NotCachedError

    def _fingerprint_tree(self, tree: Path) -> str:
        content = read_tree(tree, self._own_folders, most=self._bytes_left)
        if content is None:
            raise _NotCachedError
        self._bytes_left -= content.size
        self._check_size()
        return content.fingerprint

    def _fingerprint_file(self, path: Path) -> str:
        self._bytes_left -= path.stat().st_size
        self._check_size()
        return fingerprint_file(path)

    def _check_size(self) -> None:
        if self._bytes_left < 0:
            raise _NotCachedError

    # Running

    def _emit_run(self, bus: EventBus, journal: Path, targets: int, hits: Sequence[_Hit]) -> None:
        caps, logs = Caps(self._settings, MAX_BUILDS), logs_path(journal)
        process_start = self._settings.process_start
        started = RunStarted(
            limits=self._limits(caps),
            targets=targets,
            out_dir=str(self._settings.out_dir),
            logs=str(logs),
            startup=0.0 if process_start is None else round(bus.since(process_start), 4),
        )
        bus.emit(started)
        notes = (*caps.notes, *describe_cache_access(self._settings), *self._settings.notes)
        for note in notes:
            bus.emit(Note(text=redact_urls(note)))
        log_names = LogNames(logs)
        builds = {BuildId(f"b{number}"): hit for number, hit in enumerate(hits, 1)}
        for build, hit in builds.items():
            bus.emit(hit.queued(build, log_names))
        for build, hit in builds.items():
            self._emit_build(bus, build, hit)
        bus.emit(RunFinished(exit_code=0, totals={Outcome.CACHED: len(hits)}))
        if bus.journal_error is not None:
            raise bus.journal_error

    def _emit_build(self, bus: EventBus, build: BuildId, hit: _Hit) -> None:
        start, tree = bus.elapsed, hit.tree
        bus.emit(BuildStarted(build=build, slot=1))
        if tree is not None:
            bus.emit(LockAcquired(build=build, lock=str(tree)))
        bus.emit(BuildPhase(build=build, phase=Phase.LOOKUP))
        if self._settings.out_dir is None:
            raise _NotCachedError
        published = copy_into(hit.wheel.path, self._settings.out_dir)
        if tree is not None:
            bus.emit(LockReleased(build=build, lock=str(tree)))
        finished = BuildFinished(
            build=build,
            outcome=Outcome.CACHED,
            seconds=round(bus.elapsed - start, 4),
            version=hit.wheel.version,
            wheel=str(published),
            sha256=hit.wheel.sha256,
            bytes=hit.wheel.bytes,
        )
        bus.emit(finished)

    def _limits(self, caps: Caps) -> dict[LimitName, int]:
        limit = self._settings.memory
        if limit is None:
            return caps.values
        budget = MemoryBudget(limit, read_available().free).current
        return {**caps.values, LimitName.MEMORY: budget}

    def _discard(self, writer: JournalWriter) -> None:
        """Remove the journal of an attempt that failed; the engine writes one of its own."""
        if self._settings.journal is None:
            with suppress(OSError):
                writer.path.unlink()
                logs_path(writer.path).rmdir()
                writer.path.parent.rmdir()


def _name_tree(target: SourceSpec, source: _Source, project: Project) -> _Source:
    """Return the source with the name and version of the project, if it is a tree."""
    if not isinstance(target, TreeTarget):
        return source
    return source._replace(name=project.name or source.name, version=project.version)


def _read_interpreter(settings: Settings) -> Interpreter:
    if (found := read_own(settings.cache_dir, settings.environ)) is None:
        raise _NotCachedError
    return found
