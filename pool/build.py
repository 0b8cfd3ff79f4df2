"""One build's story, from its source to a published wheel, to be read from top to bottom.

The order is the rule: a slot is held only while the build works; the tree is locked before the
first hook touches it and until the wheel is out; whatever else has to be waited for is waited for
outside the slot. Every way out of here leaves no process, no lock and no half-written file.
"""

from __future__ import annotations

import asyncio
import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar, assert_never

from packaging.utils import canonicalize_name, parse_wheel_filename

from pool.backend import environment
from pool.backend.hooks import HookCall
from pool.byhand import by_hand
from pool.errors import BackendError
from pool.events.vocabulary import (
    BuildChose,
    BuildPhase,
    BuildWaiting,
    LockAcquired,
    LockReleased,
    LockWaiting,
)
from pool.job import Built, Job, NestedSdist
from pool.model import Holder, Phase, WaitFor
from pool.sources import archive, candidates, wheelfile
from pool.sources.project import Project, read_project
from pool.sources.resolver import applicable
from pool.sources.target import RequirementTarget, SdistTarget, TreeTarget
from pool.workplace import Place, publish

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from concurrent.futures import Executor
    from pathlib import Path

    from pool.backend.environment import BuildEnvironment
    from pool.backend.hooks import Hook, Hooks
    from pool.backend.interpreter import Interpreter
    from pool.backend.wheelstore import StoredWheel
    from pool.events.bus import Bus
    from pool.limits.treelock import Held, TreeLocks
    from pool.requirements import Fetcher, Requirements
    from pool.seat import Seat
    from pool.settings import Settings
    from pool.sources.index import IndexFile
    from pool.watch import Watch

__all__ = ["Kit", "build"]

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kit:
    """What all builds of one pool share."""

    settings: Settings
    interpreter: Interpreter
    bus: Bus
    fetcher: Fetcher
    requirements: Requirements
    locks: TreeLocks
    hooks: Hooks
    watch: Watch
    executor: Executor

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do blocking file work beside the loop; it is let finish when the build is cancelled."""
        future = asyncio.get_running_loop().run_in_executor(
            self.executor, partial(work, *args, **kwargs)
        )
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """A source tree that nobody else builds in while we do."""

    path: Path
    fds: tuple[int, ...] = ()
    """The descriptors that hold its lock, for hooks to inherit."""


async def build(job: Job, seat: Seat, place: Place, kit: Kit) -> Built:
    """Build one wheel and put it into the job's output directory.

    The seat may be taken when this returns or raises; the caller tells the outcome and gives it
    back.

    Raises:
        PoolError: the build failed, in words.
        OSError: the disk is full, or files cannot be read or written.
    """
    source = await _obtained(job, kit)
    await seat.take()
    async with _opened(source, job, seat, place, kit) as tree:
        project = read_project(tree.path)
        work = _Work(job=job, seat=seat, place=place, kit=kit, tree=tree, project=project)
        name = await work.wheel()
        work.phase(Phase.CHECK)
        out_dir = None if job.nested else kit.settings.out_dir
        return await kit.in_thread(_checked, place.wheels / name, job, project, out_dir)


async def _obtained(job: Job, kit: Kit) -> TreeTarget | SdistTarget:
    """Get an sdist from the index where the target asks for one; no slot is held."""
    match job.source:
        case TreeTarget() | SdistTarget() as local:
            return local
        case NestedSdist(file=file):
            return SdistTarget(path=await _fetched(job, kit, file))
        case RequirementTarget() as target:
            return SdistTarget(path=await _found(job, target, kit))
        case _:
            assert_never(job.source)


async def _found(job: Job, target: RequirementTarget, kit: Kit) -> Path:
    on = f"the index page of {target.parsed.name}"
    kit.bus.emit(BuildWaiting(build=job.id, for_=WaitFor.DOWNLOAD, on=on))
    files = await kit.fetcher.index.files(canonicalize_name(target.parsed.name))
    index = kit.fetcher.index
    file = candidates.best_sdist(target.parsed, files, kit.interpreter.version, index.described)
    return await _fetched(job, kit, file)


async def _fetched(job: Job, kit: Kit, file: IndexFile) -> Path:
    kit.bus.emit(BuildWaiting(build=job.id, for_=WaitFor.DOWNLOAD, on=file.filename))
    kit.bus.emit(BuildPhase(build=job.id, phase=Phase.FETCH))
    fetched = await kit.fetcher.fetch(file, job)
    kit.bus.emit(BuildWaiting(build=job.id, for_=WaitFor.SLOT))
    return fetched.path


@asynccontextmanager
async def _opened(
    source: TreeTarget | SdistTarget, job: Job, seat: Seat, place: Place, kit: Kit
) -> AsyncIterator[_Tree]:
    """Have the source as a tree of our own, or lock the user's."""
    if isinstance(source, SdistTarget):
        kit.bus.emit(BuildPhase(build=job.id, phase=Phase.UNPACK))
        yield _Tree(path=await kit.in_thread(archive.unpack, source.path, place.source))
    elif kit.settings.copy:
        kit.bus.emit(BuildPhase(build=job.id, phase=Phase.UNPACK))
        yield _Tree(path=await kit.in_thread(_copied, source.path, place.source, kit.settings))
    else:
        async with _locked(source.path, job, seat, kit) as held:
            yield _Tree(path=source.path, fds=held.fds)


def _copied(tree: Path, into: Path, settings: Settings) -> Path:
    ours = {settings.out_dir.resolve(), settings.cache_dir.resolve(), settings.state_dir.resolve()}

    def skip(folder: str, names: list[str]) -> list[str]:
        here = tree.__class__(folder).resolve()
        return [name for name in names if here / name in ours]

    shutil.copytree(tree, into, symlinks=True, ignore=skip)
    return into


@asynccontextmanager
async def _locked(tree: Path, job: Job, seat: Seat, kit: Kit) -> AsyncIterator[Held]:
    if (held := kit.locks.try_hold(tree)) is None:
        async with seat.left(BuildWaiting(build=job.id, for_=WaitFor.LOCK, on=str(tree))):
            held = await _awaited(tree, job, kit)
    kit.bus.emit(LockAcquired(build=job.id, lock=str(tree)))
    try:
        yield held
    finally:
        kit.bus.emit(LockReleased(build=job.id, lock=str(tree)))
        held.release()


async def _awaited(tree: Path, job: Job, kit: Kit) -> Held:
    def tell(holder: Holder | None) -> None:
        kit.bus.emit(LockWaiting(build=job.id, lock=str(tree), holder=holder))

    return await kit.locks.acquire(tree, on_wait=tell, timeout=kit.settings.lock_timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What is done in one tree, with a slot."""

    job: Job
    seat: Seat
    place: Place
    kit: Kit
    tree: _Tree
    project: Project

    def phase(self, phase: Phase) -> None:
        self.kit.bus.emit(BuildPhase(build=self.job.id, phase=phase))

    async def wheel(self) -> str:
        """Run the hooks; return the file name of the wheel."""
        requires = applicable(self.project.requires, self.kit.interpreter)
        wheels = await self._provided(requires)
        self.phase(Phase.ENVIRONMENT)
        env = await self.kit.in_thread(
            environment.create, self.place.environment, self.kit.interpreter, wheels
        )
        self.phase(Phase.GET_REQUIRES)
        extra = await self._hook(env, "get_requires_for_build_wheel")
        extra = applicable(extra, self.kit.interpreter)
        if extra := [text for text in extra if text not in requires]:
            await self._extend(env, wheels, [*requires, *extra])
        self.phase(Phase.BUILD)
        return str(await self._hook(env, "build_wheel"))

    async def _provided(self, requires: Sequence[str]) -> tuple[StoredWheel, ...]:
        """Have the wheels for the environment; leave the slot if they are not at hand."""
        wheels = self.kit.requirements.ready(requires)
        if wheels is None:
            on = "build requirements: " + ", ".join(requires)
            why = BuildWaiting(build=self.job.id, for_=WaitFor.DOWNLOAD, on=on)
            async with self.seat.left(why):
                wheels = await self.kit.requirements.provide(requires, self.job)
        chosen = tuple(f"{wheel.name} {wheel.version}" for wheel in wheels)
        self.kit.bus.emit(BuildChose(build=self.job.id, requirements=chosen))
        return wheels

    async def _extend(
        self, env: BuildEnvironment, have: Sequence[StoredWheel], requires: Sequence[str]
    ) -> None:
        """Have what get_requires asked for as well, resolved anew together with the rest."""
        wheels = await self._provided(requires)
        if tuple(wheels) != tuple(have):
            self.phase(Phase.ENVIRONMENT)
            await self.kit.in_thread(env.replace, wheels)

    async def _hook(self, env: BuildEnvironment, hook: Hook) -> str | Sequence[str]:
        """Run one hook, with its output and its processes watched."""
        kit, job = self.kit, self.job
        call = HookCall(
            build=job.id,
            tree=self.tree.path,
            python=env.python,
            backend=self.project.backend,
            backend_path=self.project.backend_path,
            hook=hook,
            config_settings=job.config_settings,
            output=self.place.wheels,
            log=job.log,
            fds=self.tree.fds,
            environ=env.environ(kit.settings.environ),
        )
        try:
            result = await kit.hooks.call(call, on_start=partial(kit.watch.begin, job.id, job.log))
        except BackendError as problem:
            problem.rerun = by_hand(call)
            raise
        finally:
            kit.watch.end(job.id)
        kit.watch.weigh(job.id, result.peak)
        return result.value


def _checked(wheel: Path, job: Job, project: Project, out_dir: Path | None) -> Built:
    """See that the backend made what it was asked for; publish it unless it stays inside.

    Raises:
        BackendError: the file is no wheel, or one of another project.
    """
    facts = wheelfile.read(wheel)
    expected = project.name or _named(job)
    if expected and canonicalize_name(expected) != canonicalize_name(facts.name):
        raise BackendError(f"the backend built a wheel of {facts.name}, not of {expected}")
    parse_wheel_filename(wheel.name)
    sha256, size = wheelfile.sha256(wheel), wheel.stat().st_size
    final = publish(wheel, out_dir) if out_dir else wheel
    return Built(wheel=final, name=facts.name, version=facts.version, sha256=sha256, bytes=size)


def _named(job: Job) -> str | None:
    """The project's name where the user or the resolver asked for one."""
    return None if isinstance(job.source, TreeTarget | SdistTarget) else job.name
