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
from typing import TYPE_CHECKING, NamedTuple

from pool.build.frontend.job_flags import user_job_limits
from pool.cache.key import CacheKey
from pool.cache.prune import shared_cache_lock
from pool.cache.resolved_requirements import ResolvedRequirements
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
from pool.requirements.target import SdistTarget, TreeTarget
from pool.scheduling.memory_budget import MemoryBudget
from pool.scheduling.slot import RANK_NEW
from pool.settings import MAX_BUILDS
from pool.sources.fingerprint import fingerprint_file, read_tree
from pool.sources.names import canonicalize_name, parse_sdist_name
from pool.system.interpreter import read_own
from pool.system.locks.tree_lock import TreeLock
from pool.system.memory import read_available

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pool.cache.key import RequirementDigest
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


class _Hit(NamedTuple):
    """A source and its cached wheel."""

    target: TreeTarget | SdistTarget
    config_settings: tuple[str, ...]
    wheel: CachedWheel
    name: str
    version: str | None
    origin: str

    def queued(self, build: BuildId, logs: LogNames) -> BuildQueued:
        """Return the event that announces the build."""
        return BuildQueued(
            build=build,
            name=self.name,
            version=self.version,
            target=self.target.label,
            log=logs.add(self.name, self.version),
            origin=self.origin,
            nested=False,
            config_settings=self.config_settings,
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
    """Tell whether trees and sdists are built for wheelpool's own interpreter, and no more."""
    plain = (
        settings.cache
        and settings.out_dir is not None
        and settings.python is None
        and not (settings.deps or settings.installs_into or settings.copy)
        and not (settings.refresh or settings.upgrade or settings.not_isolated)
    )
    # Jobs that the user has limited are named at the start.
    plain = plain and not user_job_limits(settings.environ)
    # A constraint matters for a name or for its hashes, which trees and sdists here do not have.
    unusual = request.locks or request.require_hashes
    has_markers = any(one.requirement.marker is not None for one in request.constraints)
    simple = plain and not unusual and not has_markers
    return simple and all(map(_is_simple_spec, request.requirements))


def _is_simple_spec(spec: RequirementSpec) -> bool:
    target = spec.target
    if not isinstance(target, TreeTarget | SdistTarget) or target.name is not None:
        return False
    return spec.marker is None and not (spec.hashes or spec.editable)


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
        self._resolved = ResolvedRequirements(
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
        specs: dict[object, RequirementSpec] = {}
        for spec in request.requirements:
            specs.setdefault(spec.target, spec)
        hits = [self._find(spec) for spec in specs.values()]
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
            self._emit_run(bus, writer.path, len(set(request.requirements)), hits)
        except (OSError, _NotCachedError):
            self._discard(writer)
            raise
        finally:
            writer.close()
        return CachedRun(header=header, journal=writer.path, events=events)

    # Looking up

    def _find(self, spec: RequirementSpec) -> _Hit:
        """Return the cached wheel of a source.

        Raises:
            _NotCachedError: there is none.
        """
        target = spec.target
        if isinstance(target, TreeTarget):
            self._lock(target)
            source = self._fingerprint_tree(target.path)
        elif isinstance(target, SdistTarget):
            self._bytes_left -= target.path.stat().st_size
            self._check_size()
            source = f"{fingerprint_file(target.path)}:"
        else:
            raise _NotCachedError
        project = self._cache.read_project(source)
        if project is None:
            raise _NotCachedError
        requires = self._applicable(project.requires)
        wheels = self._resolve(requires)
        name, version = _identify(target, project)
        config_settings = {**self._settings.config_settings, **spec.config_settings}
        key = CacheKey.of(
            source,
            name=name,
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
        if project.name and canonicalize_name(project.name) != canonicalize_name(wheel.name):
            raise _NotCachedError
        return _Hit(
            target=target,
            config_settings=format_settings(config_settings),
            wheel=wheel,
            name=name,
            version=version,
            origin=spec.origin,
        )

    def _applicable(self, requires: Sequence[str]) -> Sequence[str]:
        """Return requirements without what markers exclude."""
        if not any(";" in text for text in requires):
            return requires
        from pool.resolve.resolver import filter_applicable

        return filter_applicable(requires, self._interpreter)

    def _resolve(self, requires: Sequence[str]) -> tuple[RequirementDigest, ...]:
        if (wheels := self._resolved.find(requires)) is None:
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
        start, lock = bus.elapsed, str(hit.target.path)
        bus.emit(BuildStarted(build=build, slot=1))
        if isinstance(hit.target, TreeTarget):
            bus.emit(LockAcquired(build=build, lock=lock))
        bus.emit(BuildPhase(build=build, phase=Phase.LOOKUP))
        if self._settings.out_dir is None:
            raise _NotCachedError
        published = copy_into(hit.wheel.path, self._settings.out_dir)
        if isinstance(hit.target, TreeTarget):
            bus.emit(LockReleased(build=build, lock=lock))
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


def _identify(target: TreeTarget | SdistTarget, project: Project) -> tuple[str, str | None]:
    """Return the name and version of a build, as `pool.build.job.infer_identity` does."""
    if isinstance(target, TreeTarget):
        return project.name or target.path.name, project.version
    if (identity := parse_sdist_name(target.path.name)) is None:
        raise _NotCachedError
    return identity


def _read_interpreter(settings: Settings) -> Interpreter:
    if (found := read_own(settings.cache_dir, settings.environ)) is None:
        raise _NotCachedError
    return found
