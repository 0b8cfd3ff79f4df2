"""Has a build's source on this machine: looked up, downloaded, cloned, or just there.

Nothing in here holds a slot of the builds; what comes over the network holds one of the downloads.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, assert_never

from packaging.direct_url import ArchiveInfo, DirectUrl, DirInfo, VcsInfo

from pool.common.errors import HashMismatchError, TargetError
from pool.common.model import Phase, WaitFor
from pool.events.types import BuildPhase, BuildWaiting
from pool.requirements.target import (
    GitTarget,
    RequirementTarget,
    SdistTarget,
    TreeTarget,
    UrlTarget,
    WheelTarget,
)
from pool.sources.index.file_cache import checked
from pool.sources.index.hashes import ExpectedHashes
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from packaging.requirements import Requirement

    from pool.build.context import BuildContext
    from pool.build.job import BuildJob
    from pool.build.workspace import BuildDir
    from pool.resolve.manifest import DirectDist
    from pool.sources.index.client import Fetched

__all__ = ["Source", "fetch_source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A source that can be opened."""

    kind: Literal["tree", "checkout", "archive", "wheel"]
    """``tree`` is the user's own; the others are ours."""
    path: Path
    fingerprint: str = ""
    """What it is, by content; empty for a tree, which is read when it is locked."""
    subdirectory: str = ""
    direct_url: Mapping[str, object] | None = None
    """For what came from no index (PEP 610)."""


async def fetch_source(job: BuildJob, place: BuildDir, kit: BuildContext) -> Source:
    """Return a job's source.

    Raises:
        PoolError: it cannot be had, or is not what it has to be.
    """
    if job.order.hashes and isinstance(job.source, TreeTarget | GitTarget):
        raise HashMismatchError(f"{job.source.label}: a hash is demanded, but it is no file")
    match job.source:
        case TreeTarget(path=path):
            info = DirInfo(editable=job.purpose == "editable")
            return Source(kind="tree", path=path, direct_url=_url(path.as_uri(), dir_info=info))
        case SdistTarget(path=path) | WheelTarget(path=path):
            return await _local(path, job)
        case IndexFile() as file:
            fetched = await _fetched(file, job, kit)
            return _file(fetched.path, fetched.sha256)
        case RequirementTarget():
            fetched = await _fetched(await _found(job, kit), job, kit)
            return _file(fetched.path, fetched.sha256)
        case UrlTarget() as target:
            return await _downloaded(target, job, kit)
        case GitTarget() as target:
            return await _cloned(target, job, place, kit)
        case _:
            assert_never(job.source)


def _file(
    path: Path,
    sha256: str,
    *,
    url: str = "",
    subdirectory: str = "",
) -> Source:
    direct = None
    if url:
        info = ArchiveInfo(hashes={"sha256": sha256})
        direct = _url(url, archive_info=info, subdirectory=subdirectory or None)
    return Source(
        kind="wheel" if path.suffix == ".whl" else "archive",
        path=path,
        fingerprint=f"sha256:{sha256}:{subdirectory}",
        subdirectory=subdirectory,
        direct_url=direct,
    )


def _url(
    url: str,
    *,
    dir_info: DirInfo | None = None,
    archive_info: ArchiveInfo | None = None,
    vcs_info: VcsInfo | None = None,
    subdirectory: str | None = None,
) -> Mapping[str, object]:
    direct = DirectUrl(
        url=url,
        dir_info=dir_info,
        archive_info=archive_info,
        vcs_info=vcs_info,
        subdirectory=subdirectory,
    )
    # Whoever reads the environment must not learn the user's credentials.
    return direct.to_dict(generate_legacy_hash=True, strip_user_password=True)


async def _local(path: Path, job: BuildJob) -> Source:
    expected = ExpectedHashes(filename=path.name, demanded=job.order.hashes)
    file = await checked(path, expected)
    return _file(path, file.sha256, url=path.as_uri())


async def _found(job: BuildJob, kit: BuildContext) -> IndexFile:
    """Choose a file for a name alone."""
    on = f"the index page of {job.name}"
    kit.bus.emit(BuildWaiting(build=job.id, for_=WaitFor.DOWNLOAD, on=on))
    if job.order.asked is None:
        raise TypeError(job.order)
    resolution = await kit.search.find(job.order.asked, _Nothing())
    return resolution.files[0]


class _Nothing:
    """Where requirements of requirements do not count, nothing has to be found out."""

    async def metadata(self, file: IndexFile) -> str:
        raise AssertionError(file.filename)

    async def direct(self, requirement: Requirement) -> DirectDist:
        raise TargetError(f"{requirement}: a constraint with a URL needs --deps")


async def _fetched(file: IndexFile, job: BuildJob, kit: BuildContext) -> Fetched:
    _tell(job, kit, file.filename)
    return await kit.fetcher.fetch(file, job, job.order.hashes)


def _tell(job: BuildJob, kit: BuildContext, on: str) -> None:
    kit.bus.emit(BuildWaiting(build=job.id, for_=WaitFor.DOWNLOAD, on=on))
    kit.bus.emit(BuildPhase(build=job.id, phase=Phase.FETCH))


async def _downloaded(target: UrlTarget, job: BuildJob, kit: BuildContext) -> Source:
    _tell(job, kit, target.label)
    fetched = await kit.fetcher.fetch_url(target.url, job, job.order.hashes)
    return _file(fetched.path, fetched.sha256, url=target.url, subdirectory=target.subdirectory)


async def _cloned(target: GitTarget, job: BuildJob, place: BuildDir, kit: BuildContext) -> Source:
    _tell(job, kit, target.label)
    async with kit.fetcher.gate.slot((job.id, target.label), (0, 0.0, 0)):
        checkout = await kit.git.checkout(
            target.url, target.reference, place.source, build=job.id, log=job.log
        )
    info = VcsInfo(
        vcs="git", commit_id=checkout.commit, requested_revision=target.reference or None
    )
    tags = hashlib.sha256(checkout.tags.encode()).hexdigest()
    return Source(
        kind="checkout",
        path=checkout.path,
        fingerprint=f"git:{checkout.commit}:{tags}:{target.subdirectory}",
        subdirectory=target.subdirectory,
        direct_url=_url(target.url, vcs_info=info, subdirectory=target.subdirectory or None),
    )
