"""The I/O of resolution: fetches the metadata that the resolver lacks until it has all.

The resolver does no I/O. Missing metadata is fetched here concurrently, and each item once, however
many resolutions need it. The caller supplies the source of metadata: build environments need the
wheels themselves, other resolutions only their metadata.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pool.common.aio import gather_first_error
from pool.common.errors import RequirementError
from pool.common.once_map import OnceMap
from pool.resolve.resolver import KnownMetadata, MissingMetadata, Resolution, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from packaging.requirements import Requirement

    from pool.resolve.manifest import DirectDist, Manifest
    from pool.sources.evidence import Evidence
    from pool.sources.index.client import IndexClient, IndexFile
    from pool.system.interpreter import Interpreter

__all__ = ["MetadataSource", "Pages", "ResolverService"]


class MetadataSource(Protocol):
    """Provides the metadata of distributions."""

    async def metadata(self, file: IndexFile) -> str:
        """Return the METADATA of a file on an index."""
        ...

    async def direct(self, requirement: Requirement) -> DirectDist:
        """Return the distribution behind a requirement with a URL."""
        ...


class Pages:
    """The index pages of a run, each read once.

    Args:
        index: the client that fetches them.
        on_page: called with the number of pages after each new one.
        fresh: whether servers are asked even if there is a recent page in the cache.
    """

    def __init__(
        self, index: IndexClient, on_page: Callable[[int], None], *, fresh: bool = False
    ) -> None:
        self._index = index
        self._on_page = on_page
        self._fresh = fresh
        self._reads: OnceMap[str, None] = OnceMap()
        self.files: dict[str, tuple[IndexFile, ...]] = {}

    @property
    def description(self) -> str:
        """The indexes and find-links, for messages."""
        return self._index.description

    def evidence(self, projects: Iterable[str] | None = None) -> Evidence | None:
        """Return what pages were read from, as `ResolverService.evidence` does."""
        return self._index.evidence(self.files if projects is None else projects)

    async def read(self, project: str) -> None:
        """Read a project's page unless it was read before."""

        async def fetch() -> None:
            self.files[project] = await self._index.files(project, fresh=self._fresh)
            self._on_page(len(self.files))

        await self._reads.get(project, fetch)

    async def reread_stale(self) -> bool:
        """Ask the servers for the pages that came from the cache; return whether one changed."""
        stale = sorted(self._index.stale_projects & self.files.keys())
        self._index.stale_projects.difference_update(stale)
        pages = await gather_first_error(*(self._index.files(one, fresh=True) for one in stale))
        changed = {
            name: page for name, page in zip(stale, pages, strict=True) if page != self.files[name]
        }
        self.files |= changed
        return bool(changed)


class ResolverService:
    """Resolutions for one interpreter; metadata is kept for the whole run.

    The request and build requirements have a service each, which share the pages: the request
    accepts placeholder metadata of an sdist that has none until it is built, builds do not.

    Args:
        pages: the files of projects.
        interpreter: the interpreter for markers and tags.
    """

    def __init__(self, pages: Pages, interpreter: Interpreter) -> None:
        self._pages = pages
        self._interpreter = interpreter
        self.store = KnownMetadata(pages=pages.files)

    def evidence(self, projects: Iterable[str] | None = None) -> Evidence | None:
        """Return what pages were read from; None if they may be others soon.

        Args:
            projects: normalized names whose pages were read; None for all so far.
        """
        return self._pages.evidence(projects)

    async def resolve(self, manifest: Manifest, source: MetadataSource) -> Resolution:
        """Resolve a manifest, fetching metadata as needed.

        Raises:
            PoolError: the requirements conflict, or metadata cannot be fetched.
        """
        while True:
            try:
                result = resolve(manifest, self.store, self._interpreter, self._pages.description)
            except RequirementError:
                # A version may have been published since a cached page was read.
                if not await self._pages.reread_stale():
                    raise
                continue
            if not isinstance(result, MissingMetadata):
                return result
            await self._fetch_missing(result, source)

    async def _fetch_missing(self, missing: MissingMetadata, source: MetadataSource) -> None:
        await gather_first_error(
            *(self._pages.read(project) for project in missing.pages),
            *(self._fetch_metadata(file, source) for file in missing.metadata),
            *(self._fetch_direct(requirement, source) for requirement in missing.directs),
        )

    async def _fetch_metadata(self, file: IndexFile, source: MetadataSource) -> None:
        self.store.metadata[file.filename] = await source.metadata(file)

    async def _fetch_direct(self, requirement: Requirement, source: MetadataSource) -> None:
        self.store.directs[requirement.url or ""] = await source.direct(requirement)
