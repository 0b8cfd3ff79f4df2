"""Metadata for the closure of what a user asks for, had as cheaply as each file allows.

Of a wheel, the index may have the metadata alone (PEP 658); of an sdist, its PKG-INFO tells where
it is static (PEP 643). What remains is asked of the sdist's backend, as a build in the pool.
"""

from __future__ import annotations

from email.parser import HeaderParser
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pool.build.job import BuildRequest
from pool.common.once_map import OnceMap
from pool.requirements.request import parse_requirement
from pool.requirements.target import SdistTarget, TreeTarget, WheelTarget
from pool.resolve.manifest import DirectDist
from pool.sources import sdist as sdistfile
from pool.sources import wheel as wheelfile

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.utils import NormalizedName

    from pool.build.context import BuildContext
    from pool.build.job import BuildJob
    from pool.requirements.target import Target
    from pool.run.effective_request import EffectiveRequest
    from pool.run.interfaces import BuildService
    from pool.sources.index.simple_api import IndexFile

__all__ = ["MetadataFetcher", "described", "static_metadata"]

_UNKNOWN = ""
"""Requires nothing, until it is known better."""


class MetadataFetcher:
    """Finds out what the closure of one request needs to know.

    Args:
        kit: for files.
        crew: for builds.
        wishlist: what files must have, and what their backends are told, by name.
    """

    def __init__(
        self,
        kit: BuildContext,
        crew: BuildService,
        wishlist: EffectiveRequest,
    ) -> None:
        self._kit = kit
        self._crew = crew
        self._wishlist = wishlist
        self._described: OnceMap[str, str] = OnceMap()
        self.later: dict[str, IndexFile] = {}
        """Sdists that can tell only when what they are built with is in place."""
        self.pointed_at: dict[str, BuildJob] = {}
        """By URL: what requirements of requirements point at."""

    async def metadata(self, file: IndexFile) -> str:
        """Return the METADATA of a file on an index."""
        if file.kind == "wheel":
            return await self._of_wheel(file)
        return await self._of_sdist(file)

    async def _of_wheel(self, file: IndexFile) -> str:
        if (text := await self._kit.fetcher.index.metadata(file)) is not None:
            return text
        fetched = await self._kit.fetcher.fetch(file, None, self._demanded(file.project))
        facts = await self._kit.in_thread(wheelfile.read, fetched.path)
        return facts.metadata

    async def _of_sdist(self, file: IndexFile) -> str:
        fetched = await self._kit.fetcher.fetch(file, None, self._demanded(file.project))
        static = await self._kit.in_thread(sdistfile.static_metadata, fetched.path)
        if static is not None:
            return static
        if not self._kit.settings.isolates(file.project):
            self.later[file.filename] = file
            return _UNKNOWN
        order = BuildRequest(
            source=file,
            purpose="metadata",
            hashes=self._demanded(file.project),
            config_settings=self._wishlist.config_settings(file.project),
        )
        return await self._described.get(file.filename, lambda: self._crew.metadata_of(order))

    def _demanded(self, name: NormalizedName) -> frozenset[str]:
        return self._wishlist.hashes.get(name, frozenset())

    async def direct(self, requirement: Requirement) -> DirectDist:
        """Return what a requirement with a URL points at, building it."""
        url = requirement.url or ""
        wish = parse_requirement(str(requirement), Path("/"))
        # Where both tell and agree in nothing, it is the user's word that counts.
        demanded = self._demanded(canonicalize_name(requirement.name))
        order = BuildRequest(
            source=wish.target, hashes=wish.hashes & demanded or demanded or wish.hashes
        )
        job = self.pointed_at[url] = self._crew.submit([order])[0]
        built = await self._crew.result_of(job)
        return described(url, built.metadata)


def described(url: str, metadata: str) -> DirectDist:
    """Return what a URL points at, by its metadata."""
    headers = HeaderParser().parsestr(metadata)
    return DirectDist(
        url=url,
        name=canonicalize_name(str(headers["Name"])),
        version=str(headers["Version"]),
        metadata=metadata,
    )


def static_metadata(target: Target) -> str | None:
    """Return what something on this machine says of itself without being built; else None.

    Raises:
        PoolError: it is damaged.
    """
    match target:
        case TreeTarget(path=path):
            return sdistfile.static_tree_metadata(path)
        case SdistTarget(path=path):
            return sdistfile.static_metadata(path)
        case WheelTarget(path=path):
            return wheelfile.read(path).metadata
        case _:
            return None
