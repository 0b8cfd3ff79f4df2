"""Fetches the source of a build: selects a file on an index, downloads, clones, or checks a path.

No build slot is held meanwhile. A download or a clone holds a slot of the downloads limit.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal, assert_never

from msgspec.structs import replace

from pool.cache.resolutions import SelectedSdist
from pool.common.aio import in_thread
from pool.common.errors import HashMismatchError, TargetError
from pool.common.model import Phase, WaitFor
from pool.common.record import Record
from pool.events.types import BuildPhase, BuildWaiting
from pool.requirements.target import (
    GitTarget,
    RequirementTarget,
    SdistTarget,
    TreeTarget,
    UrlTarget,
    WheelTarget,
)
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from packaging.direct_url import ArchiveInfo, VcsInfo
    from packaging.requirements import Requirement

    from pool.build.context import FetchContext
    from pool.build.job import BuildJob
    from pool.build.workspace import BuildDir
    from pool.resolve.manifest import DirectDist, Manifest

__all__ = ["Source", "SourceTree", "fetch_source"]


class Source(Record, frozen=True, kw_only=True):
    """A fetched source that is not opened yet."""

    kind: Literal["tree", "checkout", "archive", "wheel"]
    """``tree`` is a folder of the user's; the pool owns the others."""
    path: Path
    fingerprint: str = ""
    """Identifies the content; empty for a tree, which is read under its lock."""
    subdirectory: str = ""
    direct_url: Mapping[str, object] | None = None
    """The contents of direct_url.json (PEP 610); None for a source from an index."""
    file: IndexFile | None = None
    """The file that was chosen on an index; None for a direct source."""


class SourceTree(Record, frozen=True, kw_only=True):
    """An opened source tree; no other build uses it at the same time."""

    path: Path
    fds: tuple[int, ...] = ()
    """The descriptors that hold its lock, for hooks to inherit."""


async def fetch_source(job: BuildJob, build_dir: BuildDir, context: FetchContext) -> Source:
    """Fetch the source of a job.

    Raises:
        PoolError: it cannot be fetched, or does not match its hashes.
    """
    if job.request.hashes and isinstance(job.source, TreeTarget | GitTarget):
        raise HashMismatchError(f"{job.source.label}: a hash is demanded, but it is no file")
    match job.source:
        case TreeTarget(path=path):
            info = {"editable": job.purpose == "editable"}
            direct_url = {"url": path.as_uri(), "dir_info": info}
            return Source(kind="tree", path=path, direct_url=direct_url)
        case SdistTarget(path=path) | WheelTarget(path=path):
            return await _verify_local_file(path, job, context)
        case IndexFile() as file:
            return await _fetch_index_file(file, job, context)
        case RequirementTarget():
            return await _fetch_index_file(await _select_file(job, context), job, context)
        case UrlTarget() as target:
            return await _download(target, job, context)
        case GitTarget() as target:
            return await _clone(target, job, build_dir, context)
        case _:
            assert_never(job.source)


def _file_source(
    path: Path,
    sha256: str,
    *,
    url: str = "",
    subdirectory: str = "",
) -> Source:
    return Source(
        kind="wheel" if path.suffix == ".whl" else "archive",
        path=path,
        fingerprint=f"sha256:{sha256}:{subdirectory}",
        subdirectory=subdirectory,
        direct_url=_archive_direct_url(url, sha256, subdirectory) if url else None,
    )


def _archive_direct_url(url: str, sha256: str, subdirectory: str) -> Mapping[str, object]:
    if url.startswith("file:") and not subdirectory:
        # `packaging.direct_url` takes longer to import than a cached build takes.
        info = {"hash": f"sha256={sha256}", "hashes": {"sha256": sha256}}
        return {"url": url, "archive_info": info}
    from packaging.direct_url import ArchiveInfo

    return _direct_url(
        url, archive_info=ArchiveInfo(hashes={"sha256": sha256}), subdirectory=subdirectory or None
    )


def _direct_url(
    url: str,
    *,
    archive_info: ArchiveInfo | None = None,
    vcs_info: VcsInfo | None = None,
    subdirectory: str | None = None,
) -> Mapping[str, object]:

    from packaging.direct_url import DirectUrl

    direct = DirectUrl(
        url=url,
        archive_info=archive_info,
        vcs_info=vcs_info,
        subdirectory=subdirectory,
    )
    # Every reader of the environment can read direct_url.json: no credentials go into it.
    return direct.to_dict(generate_legacy_hash=True, strip_user_password=True)


async def _verify_local_file(path: Path, job: BuildJob, context: FetchContext) -> Source:
    from pool.sources.index.file_cache import verify_file
    from pool.sources.index.hashes import ExpectedHashes

    expected = ExpectedHashes(filename=path.name, required=job.request.hashes)
    file = await in_thread(context.executor, verify_file, path, expected)
    return _file_source(path, file.sha256, url=path.as_uri())


async def _select_file(job: BuildJob, context: FetchContext) -> IndexFile:
    """Select a file for a requirement that is built without its dependencies."""
    on = f"the index page of {job.name}"
    context.bus.emit(BuildWaiting(build=job.id, for_=WaitFor.DOWNLOAD, on=on))
    if job.request.manifest is None:
        raise TypeError(job.request)
    resolution = await context.resolver.resolve(job.request.manifest, _NoMetadata())
    file = resolution.files[0]
    await _remember_sdist(job.request.manifest, file, context)
    return file


async def _remember_sdist(manifest: Manifest, file: IndexFile, context: FetchContext) -> None:
    """Store the selection for later runs (`pool.engine.cached_run`)."""
    cache = context.resolutions
    rules = manifest.file_rules(file.project)
    evidence = context.resolver.evidence([file.project])
    if cache is None or rules is None or evidence is None or file.kind != "sdist":
        return
    sdist = SelectedSdist(
        filename=file.filename,
        project=file.project,
        version=file.version,
        sha256=file.sha256,
        path=None if file.local_path is None else str(file.local_path),
    )
    await in_thread(context.executor, cache.store_sdist, rules, sdist, evidence)


class _NoMetadata:
    """A metadata source that is never used: dependencies are not resolved."""

    async def metadata(self, file: IndexFile) -> str:
        raise AssertionError(file.filename)

    async def direct(self, requirement: Requirement) -> DirectDist:
        raise TargetError(f"{requirement}: a constraint with a URL needs --deps")


async def _fetch_index_file(file: IndexFile, job: BuildJob, context: FetchContext) -> Source:
    _emit_fetch(job, context, file.filename)
    fetched = await context.fetcher.fetch(file, job.id, job.request.hashes)
    return replace(_file_source(fetched.path, fetched.sha256), file=file)


def _emit_fetch(job: BuildJob, context: FetchContext, on: str) -> None:
    context.bus.emit(BuildWaiting(build=job.id, for_=WaitFor.DOWNLOAD, on=on))
    context.bus.emit(BuildPhase(build=job.id, phase=Phase.FETCH))


async def _download(target: UrlTarget, job: BuildJob, context: FetchContext) -> Source:
    _emit_fetch(job, context, target.label)
    fetched = await context.fetcher.fetch_url(target.url, job.id, job.request.hashes)
    return _file_source(
        fetched.path, fetched.sha256, url=target.url, subdirectory=target.subdirectory
    )


async def _clone(
    target: GitTarget, job: BuildJob, build_dir: BuildDir, context: FetchContext
) -> Source:
    _emit_fetch(job, context, target.label)
    async with context.fetcher.gate.slot((job.key, target.label), (0, 0.0, 0), group=job.run):
        checkout = await context.git.checkout(
            target.url, target.reference, build_dir.source, build=job.key, log=job.log
        )
    from packaging.direct_url import VcsInfo

    info = VcsInfo(
        vcs="git", commit_id=checkout.commit, requested_revision=target.reference or None
    )
    tags = hashlib.sha256(checkout.tags.encode()).hexdigest()
    return Source(
        kind="checkout",
        path=checkout.path,
        fingerprint=f"git:{checkout.commit}:{tags}:{target.subdirectory}",
        subdirectory=target.subdirectory,
        direct_url=_direct_url(target.url, vcs_info=info, subdirectory=target.subdirectory or None),
    )
