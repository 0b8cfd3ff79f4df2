"""Fetches the metadata of the candidates of a request, as cheaply as each file allows.

For a wheel, the index may have the metadata alone (PEP 658). A source distribution may have static
metadata in its PKG-INFO (PEP 643). For all others a build in the pool makes the metadata.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pool.build.job import BuildRequest
from pool.common.aio import in_thread
from pool.common.once_map import OnceMap
from pool.requirements.request import parse_requirement
from pool.requirements.target import SdistTarget, TreeTarget, WheelTarget
from pool.resolve.manifest import DirectDist
from pool.sources import sdist as sdistfile
from pool.sources.core_metadata import parse_headers
from pool.sources.identity import chosen_file
from pool.sources.wheels import reader as wheelfile

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from packaging.requirements import Requirement
    from packaging.utils import NormalizedName

    from pool.build.interfaces import BuildService
    from pool.requirements.target import Target
    from pool.run.effective_request import EffectiveRequest
    from pool.run.selection import Selection
    from pool.sources.index.fetcher import Fetcher
    from pool.sources.index.simple_api import IndexFile
    from pool.sources.wheels.reader import WheelMetadata

__all__ = ["MetadataFetcher", "direct_dist", "static_metadata"]

_UNKNOWN = ""
"""METADATA without dependencies, until the build has made the real one."""


class MetadataFetcher:
    """The metadata source of one request.

    Args:
        fetcher: downloads files.
        executor: reads files.
        read_wheel: checks and reads a wheel with this digest.
        service: builds metadata and direct references.
        request: the hashes and config settings of names.
        selection: the builds of direct references are recorded there.
        isolates: returns whether a project is built in an environment of its own.
    """

    def __init__(
        self,
        *,
        fetcher: Fetcher,
        executor: Executor,
        read_wheel: Callable[[Path, str], WheelMetadata],
        service: BuildService,
        request: EffectiveRequest,
        selection: Selection,
        isolates: Callable[[str], bool],
    ) -> None:
        self._fetcher = fetcher
        self._executor = executor
        self._read_wheel = read_wheel
        self._service = service
        self._request = request
        self._selection = selection
        self._isolates = isolates
        self._built: OnceMap[str, str] = OnceMap()
        self.postponed: dict[str, IndexFile] = {}
        """Source distributions without isolation: their build requirements may not be installed
        yet, so their metadata is known only after the build."""

    async def metadata(self, file: IndexFile) -> str:
        """Return the METADATA of a file on an index."""
        if file.kind == "wheel":
            text = await self._wheel_metadata(file)
        else:
            text = await self._sdist_metadata(file)
        if text != _UNKNOWN:
            chosen_file(file).check_metadata(text)
        return text

    async def _wheel_metadata(self, file: IndexFile) -> str:
        if (text := await self._fetcher.index.metadata(file)) is not None:
            return text
        fetched = await self._fetcher.fetch(file, None, self._hashes(file.project))
        facts = await in_thread(self._executor, self._read_wheel, fetched.path, fetched.sha256)
        return facts.metadata

    async def _sdist_metadata(self, file: IndexFile) -> str:
        fetched = await self._fetcher.fetch(file, None, self._hashes(file.project))
        static = await in_thread(self._executor, sdistfile.read_static_metadata, fetched.path)
        if static is not None:
            return static
        if not self._isolates(file.project):
            self.postponed[file.filename] = file
            return _UNKNOWN
        request = BuildRequest(
            source=file,
            purpose="metadata",
            hashes=self._hashes(file.project),
            config_settings=self._request.config_settings(file.project),
        )
        return await self._built.get(file.filename, lambda: self._service.build_metadata(request))

    def _hashes(self, name: NormalizedName) -> frozenset[str]:
        return self._request.hashes.get(name, frozenset())

    async def direct(self, requirement: Requirement) -> DirectDist:
        """Return what a direct reference (``name @ url``) of a dependency is, by building it."""
        url = requirement.url or ""
        spec = parse_requirement(str(requirement), Path("/"))
        # If the hashes of the URL and of the user have none in common, the user's count.
        required = self._hashes(canonicalize_name(requirement.name))
        hashes = spec.hashes & required or required or spec.hashes
        (job,) = self._service.submit([BuildRequest(source=spec.target, hashes=hashes)])
        self._selection.direct_jobs[url] = job
        result = await self._service.result_of(job)
        return direct_dist(url, result.metadata)


def direct_dist(url: str, metadata: str) -> DirectDist:
    """Return the distribution of a direct reference, as its METADATA describes it."""
    headers = parse_headers(metadata)
    return DirectDist(
        url=url,
        name=canonicalize_name(str(headers["Name"])),
        version=str(headers["Version"]),
        metadata=metadata,
    )


def static_metadata(target: Target) -> str | None:
    """Return the METADATA of a local target that needs no build; None if there is none.

    Raises:
        PoolError: the target is damaged.
    """
    match target:
        case TreeTarget(path=path):
            return sdistfile.read_static_tree_metadata(path)
        case SdistTarget(path=path):
            return sdistfile.read_static_metadata(path)
        case WheelTarget(path=path):
            return wheelfile.read_wheel(path).metadata
        case _:
            return None
