"""The walk of one build, from its source to a published wheel.

The steps: fetch the source, acquire a slot, look for a cached wheel, lock or unpack the tree,
build. A slot is held only while the build works; all waiting happens without it. A user's tree is
locked from before the first hook until the wheel is published. Every exit from here, exceptions
and cancellation included, leaves no process, no lock and no partial file.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name, parse_wheel_filename

from pool.build.builder import WheelBuilder
from pool.build.job import BuildResult
from pool.build.locking import BuildLocks, LockTarget
from pool.build.source import SourceTree, fetch_source
from pool.common.errors import EnvironmentChangedError, ProjectError
from pool.common.model import Outcome, Phase, WaitFor
from pool.common.once_map import Lazy
from pool.common.text import clean_line
from pool.events.types import BuildPhase, BuildWaiting, Note
from pool.requirements.target import RequirementTarget
from pool.sources.identity import chosen_file
from pool.sources.pyproject import read_project
from pool.sources.wheels import reader as wheelfile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from pool.build.context import BuildContext
    from pool.build.frontend.environments.isolated import Environments
    from pool.build.interfaces import BuildService
    from pool.build.job import BuildJob
    from pool.build.source import Source
    from pool.build.workspace import BuildDir
    from pool.scheduling.slot import Slot
    from pool.sources.pyproject import Project
    from pool.sources.wheels.reader import WheelMetadata

    _ReadWheel: TypeAlias = Callable[[Path, str], WheelMetadata]
    """Reads a wheel with this digest."""

__all__ = ["run_build"]


async def run_build(
    job: BuildJob, slot: Slot, build_dir: BuildDir, context: BuildContext, service: BuildService
) -> BuildResult:
    """Build one wheel, or reuse a cached one, and publish it in the output folder.

    The slot may be held when this returns or raises. The caller emits the outcome and then
    releases it.

    Args:
        job: the build.
        slot: not held yet.
        build_dir: the build's own folder, empty.
        context: the parts of the run.
        service: builds what this build depends on.

    Raises:
        PoolError: the build failed, with a message for the user.
        OSError: the disk is full, or files cannot be read or written.
    """
    run = partial(_run_build, job, slot, build_dir, context, service)
    try:
        return await run(is_repeated=False)
    except EnvironmentChangedError as problem:
        text = (
            "its build environment was changed while other builds used it"
            f" ({problem}): it is built again in one of its own"
        )
        context.bus.emit(Note(build=job.id, text=text))
    # Nothing that was made in the changed environment is used.
    context.bus.emit(BuildWaiting(build=job.id, for_=WaitFor.SLOT))
    slot.release()
    await context.in_thread(build_dir.discard)
    await context.in_thread(build_dir.make)
    return await run(is_repeated=True)


async def _run_build(
    job: BuildJob,
    slot: Slot,
    build_dir: BuildDir,
    context: BuildContext,
    service: BuildService,
    *,
    is_repeated: bool,
) -> BuildResult:
    source = await fetch_source(job, build_dir, context.fetch)
    if source.kind == "wheel":
        if context.settings.installs_into:  # It is unpacked next, or was before.
            read: _ReadWheel = context.env.requirements.read_wheel
        else:
            read = _read_wheel
        return await context.in_thread(_use_wheel, source, job, context, read)
    if source.kind != "tree":
        # The download has ended: from here on the build waits for a slot.
        context.bus.emit(BuildWaiting(build=job.id, for_=WaitFor.SLOT))
    await slot.acquire()
    locks = BuildLocks(job=job, slot=slot, bus=context.bus, timeout=context.settings.lock_timeout)
    builder = partial(
        WheelBuilder,
        job=job,
        slot=slot,
        build_dir=build_dir,
        context=context,
        locks=locks,
        source=source,
        service=service,
    )

    def create_environments(project: Project) -> Environments:
        from pool.build.frontend.environments.isolated import Environments

        return Environments(
            job, build_dir, context, backend=project.backend, is_repeated=is_repeated
        )

    cached_project = _cached_project(source, context)
    if cached_project is not None:
        # The archive is unpacked, or the checkout read, only if there is no cached wheel.
        unopened = SourceTree(path=build_dir.source)
        unused = Lazy(partial(create_environments, cached_project))
        result = await builder(
            tree=unopened, project=cached_project, lazy_environments=unused
        ).from_cache()
        if result is not None:
            return result
    async with _open_tree(source, job, build_dir, context, locks) as tree:
        project = await context.in_thread(read_project, tree.path)
        if context.cache.wheels and source.fingerprint and cached_project is None:
            context.cache.wheels.store_project(source.fingerprint, project)
        environments = Lazy(partial(create_environments, project))
        try:
            return await builder(tree=tree, project=project, lazy_environments=environments).build()
        finally:
            if environments.existing is not None:
                environments.existing.release()


def _read_wheel(wheel: Path, _sha256: str) -> WheelMetadata:
    return wheelfile.read_wheel(wheel)


def _use_wheel(
    source: Source, job: BuildJob, context: BuildContext, read: _ReadWheel
) -> BuildResult:
    """Return a fetched wheel as the result; nothing is built.

    Raises:
        PoolError: the file is no wheel, one of another project, for another platform, or has other
            requirements than those that were resolved.
    """
    sha256 = source.fingerprint.split(":")[1]
    facts = read(source.path, sha256)
    expected = job.expected_name
    if expected and canonicalize_name(expected) != canonicalize_name(facts.name):
        raise ProjectError(f"{source.path.name} is a wheel of {facts.name}, not of {expected}")
    if source.file is not None:
        chosen = chosen_file(source.file)
        chosen.check(facts.name, facts.version)
        listed = context.fetch.fetcher.index.used_metadata.get(source.file.url)
        chosen.check_requirements(listed, facts.metadata)
    tags = parse_wheel_filename(source.path.name)[3]
    if tags.isdisjoint(context.env.interpreter.tags):
        python = context.env.interpreter.version
        raise ProjectError(f"{source.path.name} is not for this platform and Python {python}")
    notes = ["wheel only"] if isinstance(job.source, RequirementTarget) else []
    wheel = source.path
    if context.settings.out_dir and job.published:
        wheel, note = context.published.copy(wheel, context.settings.out_dir, job, sha256)
        notes.append(note)
    return BuildResult(
        name=facts.name,
        version=facts.version,
        metadata=facts.metadata,
        wheel=wheel,
        sha256=sha256,
        bytes=source.path.stat().st_size,
        outcome=Outcome.FETCHED,
        note="; ".join(filter(None, notes)),
        direct_url=source.direct_url,
    )


def _cached_project(source: Source, context: BuildContext) -> Project | None:
    """Return the pyproject.toml of an unopened source, if an earlier run has cached it."""
    if context.cache.wheels is None or not source.fingerprint:
        return None
    return context.cache.wheels.read_project(source.fingerprint)


@asynccontextmanager
async def _open_tree(
    source: Source, job: BuildJob, build_dir: BuildDir, context: BuildContext, locks: BuildLocks
) -> AsyncIterator[SourceTree]:
    """Unpack or copy the source into the build folder, or lock the user's tree."""
    if source.kind == "tree" and not (context.settings.copy and job.purpose != "editable"):
        queue = context.cache.tree_locks
        target = LockTarget(locks=queue, path=source.path, label=str(source.path))
        async with locks.hold(target) as (lock, _):
            yield SourceTree(path=source.path, fds=lock.fds)
        return
    context.bus.emit(BuildPhase(build=job.id, phase=Phase.UNPACK))
    match source.kind:
        case "archive":
            from pool.sources.archives import archive

            root = await context.in_thread(
                archive.unpack, source.path, build_dir.source, source.subdirectory
            )
        case "tree":
            root = build_dir.source
            from pool.sources.tree_copy import copy_tree

            skipped = await context.in_thread(copy_tree, source.path, root, context.own_folders)
            if skipped:
                context.bus.emit(Note(build=job.id, text=_skipped_text(skipped)))
        case _:
            root = source.path
    yield SourceTree(path=_subdirectory(root, source.subdirectory))


def _subdirectory(root: Path, subdirectory: str) -> Path:
    tree = root / subdirectory
    if not tree.resolve().is_relative_to(root.resolve()) or not tree.is_dir():
        raise ProjectError(f"there is no folder {subdirectory!r} in the source")
    return tree


def _skipped_text(skipped: Sequence[str]) -> str:
    """Return the note about what is no part of a copied tree."""
    more = f" and {len(skipped) - 3} more" if len(skipped) > 3 else ""
    listed = ", ".join(clean_line(os.fsencode(name)) for name in skipped[:3])
    return f"not copied, as pipes, sockets and devices are no sources: {listed}{more}"
