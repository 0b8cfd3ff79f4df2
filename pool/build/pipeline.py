"""One build's story, from its source to a published wheel, to be read from top to bottom.

The order is the rule: a slot is held only while the build works; the tree is locked before the
first hook touches it and until the wheel is out; whatever else has to be waited for is waited for
outside the slot. Every way out of here leaves no process, no lock and no half-written file.
"""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name, parse_wheel_filename

from pool.build.builder import Tree, WheelBuilder
from pool.build.job import BuildResult
from pool.build.locking import BuildLocks, LockTarget
from pool.build.source import fetch_source
from pool.build.workspace import copy
from pool.common.errors import ProjectError
from pool.common.model import Outcome, Phase, WaitFor
from pool.events.types import BuildPhase, BuildWaiting
from pool.requirements.target import RequirementTarget
from pool.sources import archive
from pool.sources import wheel as wheelfile
from pool.sources.pyproject import read_project

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pool.build.context import BuildContext
    from pool.build.job import BuildJob
    from pool.build.source import Source
    from pool.build.workspace import BuildDir
    from pool.scheduling.slot import Slot
    from pool.settings import Settings

__all__ = ["run_build"]


async def run_build(job: BuildJob, seat: Slot, place: BuildDir, kit: BuildContext) -> BuildResult:
    """Build one wheel and put it into the run's output folder, or find it built already.

    The seat may be taken when this returns or raises; the caller tells the outcome and gives it
    back.

    Raises:
        PoolError: the build failed, in words.
        OSError: the disk is full, or files cannot be read or written.
    """
    source = await fetch_source(job, place, kit)
    if source.kind == "wheel":
        return await kit.in_thread(_taken, source, job, kit)
    if source.kind != "tree":
        # What was fetched waits for a slot now, not for a download any more.
        kit.bus.emit(BuildWaiting(build=job.id, for_=WaitFor.SLOT))
    await seat.acquire()
    alone = BuildLocks(job=job, seat=seat, bus=kit.bus, patience=kit.settings.lock_timeout)
    work = partial(
        WheelBuilder, job=job, seat=seat, place=place, kit=kit, alone=alone, source=source
    )
    known = kit.cache.project(source.fingerprint) if kit.cache and source.fingerprint else None
    if known is not None:
        unopened = work(tree=Tree(path=place.source), project=known)
        if (built := await unopened.from_cache()) is not None:
            return built
    async with _opened(source, job, place, kit, alone) as tree:
        project = read_project(tree.path)
        if kit.cache and source.fingerprint and known is None:
            kit.cache.note_project(source.fingerprint, project)
        return await work(tree=tree, project=project).build()


def _taken(source: Source, job: BuildJob, kit: BuildContext) -> BuildResult:
    """Take a wheel that exists as it is.

    Raises:
        PoolError: it is no wheel, one of another project, or for other machines.
    """
    facts = wheelfile.read(source.path)
    expected = job.expected_name
    if expected and canonicalize_name(expected) != canonicalize_name(facts.name):
        raise ProjectError(f"{source.path.name} is a wheel of {facts.name}, not of {expected}")
    tags = parse_wheel_filename(source.path.name)[3]
    if tags.isdisjoint(kit.interpreter.tags):
        raise ProjectError(
            f"{source.path.name} is not for this platform and Python {kit.interpreter.version}"
        )
    out_dir = kit.settings.out_dir if job.published else None
    return BuildResult(
        name=facts.name,
        version=facts.version,
        metadata=facts.metadata,
        wheel=copy(source.path, out_dir) if out_dir else source.path,
        sha256=source.fingerprint.split(":")[1],
        bytes=source.path.stat().st_size,
        outcome=Outcome.FETCHED,
        remark="there is no sdist" if isinstance(job.source, RequirementTarget) else "",
        direct_url=source.direct_url,
    )


@asynccontextmanager
async def _opened(
    source: Source, job: BuildJob, place: BuildDir, kit: BuildContext, alone: BuildLocks
) -> AsyncIterator[Tree]:
    """Have the source as a tree of our own, or lock the user's."""
    if source.kind == "tree" and not (kit.settings.copy and job.purpose != "editable"):
        what = LockTarget(locks=kit.locks, path=source.path, label=str(source.path))
        async with alone.hold(what) as (held, _):
            yield Tree(path=source.path, fds=held.fds)
        return
    kit.bus.emit(BuildPhase(build=job.id, phase=Phase.UNPACK))
    match source.kind:
        case "archive":
            root = await kit.in_thread(archive.unpack, source.path, place.source)
        case "tree":
            root = await kit.in_thread(_copied, source.path, place.source, kit.settings)
        case _:
            root = source.path
    yield Tree(path=_below(root, source.subdirectory))


def _below(root: Path, subdirectory: str) -> Path:
    tree = root / subdirectory
    if not tree.resolve().is_relative_to(root.resolve()) or not tree.is_dir():
        raise ProjectError(f"there is no folder {subdirectory!r} in the source")
    return tree


def _copied(tree: Path, into: Path, settings: Settings) -> Path:
    ours = {folder.resolve() for folder in settings.folders}

    def skip(folder: str, names: list[str]) -> list[str]:
        here = tree.__class__(folder).resolve()
        return [name for name in names if here / name in ours]

    shutil.copytree(tree, into, symlinks=True, ignore=skip)
    return into
