"""Package indexes over HTTP and in folders: which files there are, and the files themselves.

All configured places are asked and their answers merged, as pip does. Pages are kept for some
minutes, files for good (see `filecache`), and so is metadata that lies beside a wheel.
Credentials in URLs are used for requests and masked in every message.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import suppress
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

import msgspec
from packaging.utils import canonicalize_name

from pool.common.aio import gather_first_error
from pool.common.errors import HashMismatchError, PackageIndexError
from pool.common.files import atomic_write
from pool.sources.index.file_cache import Fetched, FileCache, checked, filename_in
from pool.sources.index.hashes import ExpectedHashes, HashVerifier
from pool.sources.index.simple_api import HTML, JSON, IndexFile, file_of, parse_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import httpx
    from packaging.utils import NormalizedName

    from pool.common.clock import Clock
    from pool.sources.index.download import Progress
    from pool.sources.index.http import HttpClient
    from pool.sources.index.settings import IndexSettings

__all__ = ["Fetched", "IndexClient", "IndexFile"]

PAGE_SECONDS = 600.0
"""How long a page is taken from the cache without asking."""
_ACCEPT = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, {HTML};q=0.1"


class _Page(msgspec.Struct, kw_only=True):
    """A page in the cache."""

    at: float
    """Seconds since the epoch."""
    etag: str
    files: list[IndexFile]
    """Parsed: reading the HTML of a project with thousands of files again takes 0.2 s."""


class IndexClient:
    """All the places that packages come from; `aclose` it at the end.

    Args:
        settings: which places, and how to reach them.
        cache_dir: where pages and files are kept.
        clock: for the age of pages.
        refreshes: tells of which projects pages that were kept do not count.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        settings: IndexSettings,
        *,
        cache_dir: Path,
        clock: Clock,
        refreshes: Callable[[str], bool] = lambda _: False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        # The number changes with what is kept of a page.
        self._pages = cache_dir / "pages-2"
        self._files = FileCache(cache_dir / "files", web=lambda: self._web, clock=clock)
        self._clock = clock
        self._refreshes = refreshes
        self._sleep = sleep

    @property
    def description(self) -> str:
        """The places asked, for messages."""
        return self._settings.description

    async def aclose(self) -> None:
        """Close the connections."""
        if "_web" in self.__dict__:
            await self._web.aclose()

    async def files(self, project: str) -> tuple[IndexFile, ...]:
        """Return all files of a project, from all places; empty where none has it.

        Of two files with one name the first counts: from find-links, then from the indexes in
        their order. As with pip, the best version counts wherever it is.

        Raises:
            PackageIndexError: a place does not answer, or answers nonsense.
        """
        name = canonicalize_name(project)
        places = [self._linked(link, name) for link in self._settings.find_links]
        places += [self._indexed(index, name) for index in self._settings.indexes]
        merged: dict[str, IndexFile] = {}
        for listed in await gather_first_error(*places):
            for file in listed:
                merged.setdefault(file.filename, file)
        return tuple(merged.values())

    async def _linked(self, link: str, project: NormalizedName) -> Sequence[IndexFile]:
        if (path := _local(link)) is None:
            return await self._page(link, project)
        return _in_folder(path, project) if path.is_dir() else _in_page(path, project)

    async def _indexed(self, index: str, project: NormalizedName) -> Sequence[IndexFile]:
        if (path := _local(index)) is None:
            return await self._page(f"{index}/{project}/", project)
        page = path / project / "index.html"
        return _in_page(page, project) if page.is_file() else _in_folder(page.parent, project)

    async def _page(self, url: str, project: NormalizedName) -> Sequence[IndexFile]:
        """Return what a page lists, asking the server when what is known is too old."""
        place = self._pages / hashlib.sha256(f"{project} {url}".encode()).hexdigest()
        known = _read_page(place)
        now = self._clock.now().timestamp()
        young = known is not None and 0 <= now - known.at < PAGE_SECONDS
        if known is not None and young and not self._refreshes(project):
            return known.files
        headers = {"Accept": _ACCEPT}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        answer = await self._web.get(url, headers)
        if answer.status_code == 304 and known is not None:
            page = msgspec.structs.replace(known, at=now)
        else:
            etag = answer.headers.get("etag", "")
            page = _Page(at=now, etag=etag, files=_listed(answer, project))
        _write(place, msgspec.msgpack.encode(page))
        return page.files

    # Files

    def find_cached(
        self, file: IndexFile, required_hashes: frozenset[str] = frozenset()
    ) -> Fetched | None:
        """Return a file that is here already and right; None where it must be fetched."""
        return self._files.find(_expected(file, required_hashes))

    async def fetch(
        self,
        file: IndexFile,
        on_progress: Progress,
        *,
        required_hashes: frozenset[str] = frozenset(),
    ) -> Fetched:
        """Get a file into the cache, going on where an earlier attempt or run broke off.

        Args:
            file: one that was listed.
            on_progress: told the bytes that are there, and in all.
            required_hashes: ``sha256:<digest>`` and the like; the file must have one of them, if
                there are any.

        Raises:
            PackageIndexError: it cannot be had.
            HashMismatchError: it is not what was promised and demanded; it is thrown away.
            OSError: no space, no permission.
        """
        expected = _expected(file, required_hashes)
        if (path := _local(file.url)) is not None:
            return await _checked_local(path, expected, "listed by its index, but not there")
        return await self._files.fetch(file.url, expected, on_progress)

    async def fetch_url(
        self, url: str, *, on_progress: Progress, required_hashes: frozenset[str] = frozenset()
    ) -> Fetched:
        """Get what a URL leads to; one that is here is asked for only if it is still the same.

        Raises what `fetch` does.
        """
        expected = ExpectedHashes(filename=filename_in(url), required=required_hashes)
        if (path := _local(url)) is not None:
            return await _checked_local(path, expected, "no such file")
        return await self._files.fetch_url(url, expected, on_progress)

    async def metadata(self, file: IndexFile) -> str | None:
        """Return a wheel's METADATA where the index has it beside the wheel (PEP 658, PEP 714).

        None where it does not, or where that is not what it promised: the wheel itself tells.
        """
        if file.metadata_hashes is None:
            return None
        place = self._files.beside(file.sha256, ".metadata")
        if place and (text := _metadata_in(_read(place), file)) is not None:
            return text
        body = await self._metadata_beside(file)
        text = _metadata_in(body, file)
        if place and text is not None:
            _write(place, body)
        return text

    async def _metadata_beside(self, file: IndexFile) -> bytes:
        parts = urlsplit(file.url)
        url = urlunsplit(parts._replace(path=f"{parts.path}.metadata"))
        if (path := _local(url)) is not None:
            return _read(path)
        try:
            answer = await self._web.get(url, {})
        except PackageIndexError:
            return b""  # If it is more than that, asking for the wheel will tell.
        return answer.content if answer.is_success else b""

    @cached_property
    def _web(self) -> HttpClient:
        from pool.sources.index.http import HttpClient  # noqa: PLC0415 - 70 ms, paid by those who go online

        return HttpClient(self._settings, clock=self._clock, sleep=self._sleep)


def _expected(file: IndexFile, demanded: frozenset[str]) -> ExpectedHashes:
    return ExpectedHashes(
        filename=file.filename, promised=file.hashes, required=demanded, size=file.size
    )


async def _checked_local(path: Path, expected: ExpectedHashes, missing: str) -> Fetched:
    try:
        return await checked(path, expected)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as problem:
        raise PackageIndexError(f"{path}: {missing}") from problem


def _metadata_in(body: bytes, file: IndexFile) -> str | None:
    """Return a METADATA file as text; None for anything else, an error page for one."""
    try:
        digests = HashVerifier(
            ExpectedHashes(filename=file.filename, promised=file.metadata_hashes or {})
        )
        digests.update(body)
        digests.checked()
        text = body.decode("utf-8")
    except (HashMismatchError, UnicodeDecodeError):
        return None
    name = HeaderParser().parsestr(text)["Name"]
    return text if name is not None and canonicalize_name(name) == file.project else None


def _local(place: str) -> Path | None:
    """Return the path for a path or a file URL; None for what is on the network."""
    if place.startswith("file:"):
        return Path(url2pathname(urlsplit(place).path))
    return None if "://" in place else Path(place).absolute()


def _in_folder(folder: Path, project: NormalizedName) -> list[IndexFile]:
    """Return a project's files in a folder: find-links, or an index without pages."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - a tenth of the time in a large wheelhouse
    except (FileNotFoundError, NotADirectoryError):
        return []
    files = [file for name in names if (file := file_of(name, project)) is not None]
    return [msgspec.structs.replace(file, url=(folder / file.filename).as_uri()) for file in files]


def _in_page(page: Path, project: NormalizedName) -> list[IndexFile]:
    try:
        return parse_page(page.read_bytes(), HTML, page.as_uri(), project)
    except FileNotFoundError as problem:
        raise PackageIndexError(f"{page}: no such file or directory") from problem


def _listed(answer: httpx.Response, project: NormalizedName) -> list[IndexFile]:
    if not answer.is_success:
        return []
    content_type = answer.headers.get("content-type", HTML)
    return parse_page(answer.content, content_type, str(answer.url), project)


def _read_page(place: Path) -> _Page | None:
    try:
        return msgspec.msgpack.decode(_read(place), type=_Page)
    except msgspec.DecodeError:
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _write(place: Path, content: bytes) -> None:
    """Keep what was asked for; a full disk costs nothing but the next request."""
    with suppress(OSError):
        atomic_write(place, content)
