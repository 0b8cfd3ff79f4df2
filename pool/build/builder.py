"""What a build does in its tree with a slot: an environment, hooks, a wheel that is checked.

What was built before in just the same way is taken from the cache instead; what several builds
want at the same time is built by one of them.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import partial
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pool.build.cache_lookup import CacheLookup
from pool.build.frontend import build_env as environment
from pool.build.frontend.hooks import HookCall, HookFailedError, MissingHookError
from pool.build.frontend.rerun import rerun_command
from pool.build.job import BuildResult
from pool.build.locking import LockTarget
from pool.build.oom_evidence import OomEvidenceCollector
from pool.build.workspace import copy, publish
from pool.cache.wheel_cache import CachedWheel, Damaged
from pool.common.errors import BackendError, ProjectError
from pool.common.model import Outcome, Phase, WaitFor
from pool.common.redaction import redact_urls
from pool.events.types import BuildPhase, BuildRequirementsResolved, BuildWaiting, Note
from pool.resolve.resolver import applicable
from pool.sources import wheel as wheelfile
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pool.build.context import BuildContext
    from pool.build.frontend.build_env import BuildEnvironment
    from pool.build.frontend.hooks import Hook
    from pool.build.job import BuildJob
    from pool.build.locking import BuildLocks
    from pool.build.source import Source
    from pool.build.workspace import BuildDir
    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.scheduling.slot import Slot
    from pool.sources.pyproject import Project
    from pool.sources.wheel import WheelFacts

__all__ = ["Tree", "WheelBuilder"]

_PHASES: dict[Hook, Phase] = {
    "get_requires_for_build_wheel": Phase.GET_REQUIRES,
    "get_requires_for_build_editable": Phase.GET_REQUIRES,
    "prepare_metadata_for_build_wheel": Phase.METADATA,
    "build_wheel": Phase.BUILD,
    "build_editable": Phase.BUILD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A source tree that nobody else builds in while we do."""

    path: Path
    fds: tuple[int, ...] = ()
    """The descriptors that hold its lock, for hooks to inherit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PreparedEnv:
    """A build environment that is ready."""

    env: BuildEnvironment
    wheels: tuple[UnpackedWheel, ...] = ()
    """All that is in it."""
    extra: tuple[str, ...] = ()
    """What the backend asked for beside the static requirements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelBuilder:
    """What is done in one tree, with a slot."""

    job: BuildJob
    seat: Slot
    place: BuildDir
    kit: BuildContext
    alone: BuildLocks
    source: Source
    tree: Tree
    project: Project

    def phase(self, phase: Phase) -> None:
        """Tell what comes next."""
        self.kit.bus.emit(BuildPhase(build=self.job.id, phase=phase))

    async def build(self) -> BuildResult:
        """Return what the job is for."""
        requires = self._required()
        if not self.kit.settings.isolates(self.job.key):
            return await self._made(await self._on_the_ground(requires))
        wheels = await self._provided(requires)
        if (lookup := await self._lookup(wheels)) is None:
            return await self._made(await self._prepared(requires, wheels))
        if (known := await self._known(lookup, requires, wheels)) is not None:
            return known
        room = await self._prepared(requires, wheels)
        return await (
            self._made(room) if self.job.purpose == "metadata" else self._first(lookup, room)
        )

    async def from_cache(self) -> BuildResult | None:
        """Return the wheel of an earlier build; the tree may be one that is not opened yet."""
        if not self.kit.settings.isolates(self.job.key):
            return None
        requires = self._required()
        wheels = await self._provided(requires)
        lookup = await self._lookup(wheels)
        return await self._known(lookup, requires, wheels) if lookup else None

    def _required(self) -> Sequence[str]:
        """Return the static build requirements; a project of another name is not built."""
        if self.project.name and (other := self._other_than(self.project.name)):
            raise ProjectError(f"it is the source of {self.project.name}, not of {other}")
        return applicable(self.project.requires, self.kit.interpreter)

    def _other_than(self, name: str) -> str | None:
        """Return the name that something should have, if it is not the one it has."""
        for expected in (self.job.expected_name, self.project.name):
            if expected and canonicalize_name(expected) != canonicalize_name(name):
                return expected
        return None

    # The environment

    async def _on_the_ground(self, requires: Sequence[str]) -> _PreparedEnv:
        """Without isolation: what this run provides of the requirements has to be there first."""
        room = _PreparedEnv(env=self.kit.ground.environment)
        await self._in_place(requires)
        extra = await self._asked_for(room.env, requires)
        await self._in_place([*requires, *extra])
        return room

    async def _in_place(self, requires: Sequence[str]) -> None:
        ground = self.kit.ground
        if not ground.is_ready(requires, self.job):
            on = redact_urls("what it is built with: " + ", ".join(requires))
            why = BuildWaiting(build=self.job.id, for_=WaitFor.DEPENDENCY, on=on)
            async with self.seat.released(why):
                await ground.prepare(requires, self.job)

    async def _provided(self, requires: Sequence[str]) -> tuple[UnpackedWheel, ...]:
        """Have the wheels for the environment; leave the slot if they are not at hand."""
        wheels = self.kit.requirements.cached_set(requires)
        if wheels is None:
            on = redact_urls("build requirements: " + ", ".join(requires))
            why = BuildWaiting(build=self.job.id, for_=WaitFor.DOWNLOAD, on=on)
            async with self.seat.released(why):
                wheels = await self.kit.requirements.install_set(requires, self.job)
        return wheels

    async def _prepared(
        self, requires: Sequence[str], wheels: tuple[UnpackedWheel, ...]
    ) -> _PreparedEnv:
        """Make an environment of its own for the build, with all that its backend asks for."""
        self._tell_chosen(wheels)
        self.phase(Phase.ENVIRONMENT)
        env = await self.kit.in_thread(
            environment.create, self.place.environment, self.kit.interpreter, wheels
        )
        if not (extra := await self._asked_for(env, requires)):
            return _PreparedEnv(env=env, wheels=wheels)
        # Resolved anew together with the rest.
        more = await self._provided([*requires, *extra])
        if more != wheels:
            self._tell_chosen(more)
            self.phase(Phase.ENVIRONMENT)
            await self.kit.in_thread(env.replace, more)
        return _PreparedEnv(env=env, wheels=more, extra=extra)

    def _tell_chosen(self, wheels: Sequence[UnpackedWheel]) -> None:
        chosen = tuple(f"{wheel.name} {wheel.version}" for wheel in wheels)
        self.kit.bus.emit(BuildRequirementsResolved(build=self.job.id, requirements=chosen))

    async def _asked_for(self, env: BuildEnvironment, have: Sequence[str]) -> tuple[str, ...]:
        """Return what the backend wants beside the static requirements."""
        hook: Hook = "get_requires_for_build_wheel"
        if self.job.purpose == "editable":
            hook = "get_requires_for_build_editable"
        wanted = applicable(await self._hook(env, hook), self.kit.interpreter)
        return tuple(text for text in wanted if text not in have)

    # What was built before

    async def _lookup(self, wheels: Sequence[UnpackedWheel]) -> CacheLookup | None:
        """Read the source, to see whether it was built before; None where that does not count."""
        if self.kit.cache is None or self.job.purpose == "editable":
            return None
        self.phase(Phase.LOOKUP)
        return await self.kit.in_thread(
            CacheLookup.of, self.kit, self.job, self.source, self.tree.path, wheels
        )

    async def _known(
        self, lookup: CacheLookup, requires: Sequence[str], wheels: tuple[UnpackedWheel, ...]
    ) -> BuildResult | None:
        """Return the wheel of an earlier build that was made in just this way."""
        if (extra := await self.kit.in_thread(lookup.extra)) is None:
            return None
        if more := [text for text in extra if text not in requires]:
            wheels = await self._provided([*requires, *more])
        return await self._again(await self.kit.in_thread(lookup.find, wheels))

    async def _again(self, found: CachedWheel | Damaged | None) -> BuildResult | None:
        """Take the wheel of an earlier build, if there is a good one."""
        if isinstance(found, Damaged):
            text = f"the cached wheel is damaged, so it is built again: {found.why}"
            self.kit.bus.emit(Note(build=self.job.id, text=text))
        if not isinstance(found, CachedWheel):
            return None
        if other := self._other_than(found.name):
            raise BackendError(f"it makes a wheel of {found.name}, not of {other}")
        return await self.kit.in_thread(self._taken_again, found)

    def _taken_again(self, known: CachedWheel) -> BuildResult:
        out_dir = self._out_dir
        wheel = copy(known.path, out_dir) if out_dir else known.path
        return BuildResult(
            name=known.name,
            version=known.version,
            metadata=wheelfile.read(known.path).metadata,
            wheel=None if self.job.purpose == "metadata" else wheel,
            sha256=known.sha256,
            bytes=known.bytes,
            outcome=Outcome.CACHED,
            direct_url=self.source.direct_url,
        )

    @property
    def _out_dir(self) -> Path | None:
        """Where the wheel is published; None where it stays inside."""
        return self.kit.settings.out_dir if self.job.published else None

    async def _first(self, lookup: CacheLookup, room: _PreparedEnv) -> BuildResult:
        """Build what was not built before, unless another process does so just now."""
        path = await self.kit.in_thread(lookup.lock_path)
        label = f"{self.job.title}, as it is built for the cache"
        what = LockTarget(locks=self.kit.file_locks, path=path, label=label)
        async with self.alone.hold(what) as (_, waited):
            if waited or not lookup.fresh:
                found = await self.kit.in_thread(lookup.found_by_now, room.wheels)
                if (built := await self._again(found)) is not None:
                    return built

            def keep(wheel: Path, facts: WheelFacts) -> str:
                return lookup.keep(
                    wheel,
                    facts,
                    wheels=room.wheels,
                    extra=room.extra,
                    seconds=self.seat.active_seconds,
                )

            return await self._made(room, keep)

    # Hooks

    async def _made(
        self, room: _PreparedEnv, keep: Callable[[Path, WheelFacts], str] | None = None
    ) -> BuildResult:
        """Let the backend make what the job is for."""
        if self.job.purpose == "metadata":
            with suppress(MissingHookError):
                name = await self._hook(room.env, "prepare_metadata_for_build_wheel")
                return _described(self.place.wheels / str(name), self.source)
        editable = self.job.purpose == "editable"
        name = await self._hook(room.env, "build_editable" if editable else "build_wheel")
        self.phase(Phase.CHECK)
        built, remark = await self.kit.in_thread(self._checked, self.place.wheels / str(name), keep)
        if remark:
            self.kit.bus.emit(Note(build=self.job.id, text=remark))
        return built

    async def _hook(self, env: BuildEnvironment, hook: Hook) -> str | Sequence[str]:
        """Run one hook with a job of its own."""
        waits = partial(self.phase, Phase.AWAIT_JOB)
        allotment = self.kit.allotment.reserve(self.job, env, self.place, on_wait=waits)
        async with allotment as environ:
            self.phase(_PHASES[hook])
            return await self._watched(env, hook, environ)

    async def _watched(
        self, env: BuildEnvironment, hook: Hook, environ: Mapping[str, str]
    ) -> str | Sequence[str]:
        """Run one hook, with its output and its processes watched."""
        kit, job = self.kit, self.job
        call = HookCall(
            build=job.id,
            tree=self.tree.path,
            python=env.python,
            backend=self.project.backend,
            backend_path=self.project.backend_path,
            hook=hook,
            config_settings=job.order.config_settings,
            output=self.place.wheels,
            log=job.log,
            fds=self.tree.fds,
            environ=environ,
        )
        witness = OomEvidenceCollector(hook)
        try:
            result = await kit.hooks.call(
                call, on_start=partial(kit.watch.hook_started, job.id, job.log)
            )
        except BackendError as problem:
            if isinstance(problem, HookFailedError):
                kit.watch.note_peak(job.id, problem.ended.peak)
            named = witness.named(problem, used=kit.watch.peak(job.id), machine=kit.watch.machine)
            (named or problem).rerun = rerun_command(call)
            if named is not None:
                raise named from problem
            raise
        finally:
            kit.watch.hook_ended(job.id)
        kit.watch.note_peak(job.id, result.peak)
        return result.value

    def _checked(
        self, wheel: Path, keep: Callable[[Path, WheelFacts], str] | None
    ) -> tuple[BuildResult, str]:
        """See that the backend made what it was asked for; keep it, publish it.

        Returns:
            It, and why it could not be kept, if so.

        Raises:
            BackendError: the file is no wheel, or one of another project.
        """
        facts = wheelfile.read(wheel)
        if other := self._other_than(facts.name):
            raise BackendError(f"the backend built a wheel of {facts.name}, not of {other}")
        source = self.job.source
        if isinstance(source, IndexFile) and Version(facts.version) != Version(source.version):
            raise BackendError(
                f"the backend built version {facts.version}, not {source.version} as its sdist says"
            )
        sha256, size = wheelfile.sha256(wheel), wheel.stat().st_size
        remark = keep(wheel, facts) if keep else ""
        built = BuildResult(
            name=facts.name,
            version=facts.version,
            metadata=facts.metadata,
            wheel=publish(wheel, self._out_dir) if self._out_dir else wheel,
            sha256=sha256,
            bytes=size,
            direct_url=self.source.direct_url,
        )
        return built, remark


def _described(info: Path, source: Source) -> BuildResult:
    """Read what a backend says of the wheel it would build."""
    try:
        text = (info / "METADATA").read_text(encoding="utf-8")
        headers = HeaderParser().parsestr(text)
        name, version = str(headers["Name"]), str(Version(headers["Version"]))
    except (OSError, UnicodeDecodeError, InvalidVersion, TypeError) as problem:
        raise BackendError(f"the backend's METADATA cannot be read: {problem}") from problem
    return BuildResult(name=name, version=version, metadata=text, direct_url=source.direct_url)
