"""Finds versions that go together: gives the resolver the facts it misses until it has all.

The resolver does no I/O; here is the I/O, all that is missing at once, everything asked for once
however many want it. How metadata is had is a matter of who asks: build environments need the
wheels themselves, closures no more than their metadata.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pool.common.aio import gather_first_error
from pool.common.once_map import OnceMap
from pool.resolve.resolver import KnownMetadata, MissingMetadata, Resolution, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from packaging.requirements import Requirement

    from pool.resolve.manifest import DirectDist, Manifest
    from pool.sources.index.client import IndexClient, IndexFile
    from pool.system.interpreter import Interpreter

__all__ = ["MetadataSource", "Pages", "ResolverService"]


class MetadataSource(Protocol):
    """Finds out what only files and sources tell."""

    async def metadata(self, file: IndexFile) -> str:
        """Return the METADATA of a file on an index."""
        ...

    async def direct(self, requirement: Requirement) -> DirectDist:
        """Return what a requirement with a URL points at."""
        ...


class Pages:
    """The index pages of a run, each read once.

    Args:
        index: where they come from.
        on_page: told how many are known whenever there is one more.
    """

    def __init__(self, index: IndexClient, on_page: Callable[[int], None]) -> None:
        self._index = index
        self._on_page = on_page
        self._asked: OnceMap[str, None] = OnceMap()
        self.known: dict[str, tuple[IndexFile, ...]] = {}

    @property
    def described(self) -> str:
        """The places asked, for messages."""
        return self._index.described

    async def read(self, project: str) -> None:
        """See that a project's page is known."""

        async def ask() -> None:
            self.known[project] = await self._index.files(project)
            self._on_page(len(self.known))

        await self._asked.get(project, ask)


class ResolverService:
    """Resolutions for one interpreter, on facts that are kept for the whole run.

    What is asked for and what builds are made with are searched for apart: of an sdist that can
    tell what it requires only later, the first is content with not knowing. Pages are shared.

    Args:
        pages: which files there are.
        interpreter: whose markers and tags count.
    """

    def __init__(self, pages: Pages, interpreter: Interpreter) -> None:
        self._pages = pages
        self._interpreter = interpreter
        self.facts = KnownMetadata(pages=pages.known)

    async def find(self, asked: Manifest, finder: MetadataSource) -> Resolution:
        """Return versions for all that is asked.

        Raises:
            PoolError: nothing goes together, or something cannot be found out.
        """
        where = self._pages.described
        while isinstance(
            answer := resolve(asked, self.facts, self._interpreter, where), MissingMetadata
        ):
            await self._find_out(answer, finder)
        return answer

    async def _find_out(self, missing: MissingMetadata, finder: MetadataSource) -> None:
        await gather_first_error(
            *(self._pages.read(project) for project in missing.pages),
            *(self._metadata(file, finder) for file in missing.metadata),
            *(self._direct(requirement, finder) for requirement in missing.directs),
        )

    async def _metadata(self, file: IndexFile, finder: MetadataSource) -> None:
        self.facts.metadata[file.filename] = await finder.metadata(file)

    async def _direct(self, requirement: Requirement, finder: MetadataSource) -> None:
        self.facts.directs[requirement.url or ""] = await finder.direct(requirement)
