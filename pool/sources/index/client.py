"""The index client: which files a project has, and the files themselves, over HTTP or from folders.

All configured indexes and find-links are queried and their files merged, as pip does. Pages are
cached for some minutes; files (see `file_cache`) and METADATA beside a wheel are cached for good.
Credentials in URLs are used for requests and redacted in messages.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

import msgspec
from packaging.utils import canonicalize_name

from pool.common.aio import gather_first_error, in_thread
from pool.common.cache_layout import CacheLayout
from pool.common.errors import HashMismatchError, PackageIndexError
from pool.common.files import atomic_write
from pool.sources.index.file_cache import CachedFile, FileCache, filename_in, verify_file
from pool.sources.index.hashes import ExpectedHashes, HashVerifier
from pool.sources.index.simple_api import HTML, JSON, IndexFile, parse_filename, parse_page

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from concurrent.futures import Executor

    import httpx
    from packaging.utils import NormalizedName

    from pool.common.clock import Clock
    from pool.sources.index.download import Progress
    from pool.sources.index.http import HttpClient
    from pool.sources.index.settings import IndexSettings

__all__ = ["CachedFile", "IndexClient", "IndexFile"]

_THREADS = 2
"""Threads for cached pages, the parsing of pages, and hashes: mostly one at a time."""
MAX_PAGE_AGE = 600.0
"""Seconds for which a cached page is used without a request."""
_ACCEPT = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, {HTML};q=0.1"


class _Page(msgspec.Struct, kw_only=True):
    """A cached page."""

    fetched_at: float
    """Seconds since the epoch."""
    etag: str
    files: list[IndexFile]
    """Parsed files: the HTML of a project with thousands of files takes 0.2 s to parse."""


class IndexClient:
    """All indexes and find-links; call `aclose` at the end.

    Args:
        settings: the indexes, and how to reach them.
        cache_dir: the folder of cached pages and files.
        clock: the time for the age of pages.
        refreshes: returns whether cached pages of a project are ignored.
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
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="index")
        cache = CacheLayout(cache_dir)
        # Its name has a number, which changes with the format of `_Page`.
        self._page_dir = cache.index_pages
        self._files = FileCache(
            cache.downloads,
            connect=lambda: self._http,
            clock=clock,
            executor=self._executor,
        )
        self._clock = clock
        self._refreshes = refreshes
        self._sleep = sleep

    @property
    def description(self) -> str:
        """The indexes and find-links, for messages."""
        return self._settings.description

    async def aclose(self) -> None:
        """Close the connections and end the threads."""
        if "_http" in self.__dict__:
            await self._http.aclose()
        self._executor.shutdown()

    async def files(self, project: str) -> tuple[IndexFile, ...]:
        """Return the files of a project from all places; empty if there are none.

        Of files with the same name the first one is used: from find-links, then from the indexes
        in their order. As in pip, all versions compete, wherever they are.

        Raises:
            PackageIndexError: an index cannot be reached, or its page cannot be parsed.
        """
        name = canonicalize_name(project)
        places = [self._files_from_link(link, name) for link in self._settings.find_links]
        places += [self._files_from_index(index, name) for index in self._settings.indexes]
        merged: dict[str, IndexFile] = {}
        for listed in await gather_first_error(*places):
            for file in listed:
                merged.setdefault(file.filename, file)
        return tuple(merged.values())

    async def _files_from_link(self, link: str, project: NormalizedName) -> Sequence[IndexFile]:
        if (path := _local_path(link)) is None:
            return await self._files_from_page(link, project)
        return _files_in_folder(path, project) if path.is_dir() else _files_in_html(path, project)

    async def _files_from_index(self, index: str, project: NormalizedName) -> Sequence[IndexFile]:
        if (path := _local_path(index)) is None:
            return await self._files_from_page(f"{index}/{project}/", project)
        page = path / project / "index.html"
        return (
            _files_in_html(page, project)
            if page.is_file()
            else _files_in_folder(page.parent, project)
        )

    async def _files_from_page(self, url: str, project: NormalizedName) -> Sequence[IndexFile]:
        """Return the files of a page; the server is asked if the cached page is too old."""
        path = self._page_dir / hashlib.sha256(os.fsencode(f"{project} {url}")).hexdigest()
        cached = await in_thread(self._executor, _read_page, path)
        now = self._clock.now().timestamp()
        is_fresh = cached is not None and 0 <= now - cached.fetched_at < MAX_PAGE_AGE
        if cached is not None and is_fresh and not self._refreshes(project):
            return cached.files
        headers = {"Accept": _ACCEPT}
        if cached is not None and cached.etag:
            headers["If-None-Match"] = cached.etag
        response = await self._http.get(url, headers)
        if response.status_code == 304 and cached is not None:
            page = msgspec.structs.replace(cached, fetched_at=now)
        else:
            files = await in_thread(self._executor, _parse_response, response, project)
            page = _Page(fetched_at=now, etag=response.headers.get("etag", ""), files=files)
        await in_thread(self._executor, _write_page, path, page)
        return page.files

    # Files

    def find_cached(
        self, file: IndexFile, required_hashes: frozenset[str] = frozenset()
    ) -> CachedFile | None:
        """Return a cached file with the right hashes; None if it must be fetched."""
        return self._files.find(_expected_hashes(file, required_hashes))

    async def fetch(
        self,
        file: IndexFile,
        on_progress: Progress,
        *,
        required_hashes: frozenset[str] = frozenset(),
    ) -> CachedFile:
        """Download a file into the cache, resuming where an earlier attempt or run stopped.

        Args:
            file: a file that `files` returned.
            on_progress: called with the bytes received, and the size.
            required_hashes: ``sha256:<digest>`` and the like; the file must have one of them, if
                there are any.

        Raises:
            PackageIndexError: the file cannot be downloaded.
            HashMismatchError: the file does not have the listed or required hashes; it is deleted.
            OSError: no space, no permission.
        """
        expected = _expected_hashes(file, required_hashes)
        if (path := _local_path(file.url)) is not None:
            return await _verify_local(
                self._executor, path, expected, "listed by its index, but not there"
            )
        return await self._files.fetch(file.url, expected, on_progress)

    async def fetch_url(
        self, url: str, *, on_progress: Progress, required_hashes: frozenset[str] = frozenset()
    ) -> CachedFile:
        """Download the file at a URL; a cached one is revalidated by its ETag.

        Raises what `fetch` does.
        """
        expected = ExpectedHashes(filename=filename_in(url), required=required_hashes)
        if (path := _local_path(url)) is not None:
            return await _verify_local(self._executor, path, expected, "no such file")
        return await self._files.fetch_url(url, expected, on_progress)

    async def metadata(self, file: IndexFile) -> str | None:
        """Return a wheel's METADATA if the index serves it beside the wheel (PEP 658, PEP 714).

        None if it does not, or if the hash differs; then the wheel must be read.
        """
        if file.metadata_hashes is None:
            return None
        path = self._files.sidecar(file.sha256, ".metadata")
        if path:
            cached = await in_thread(self._executor, _read, path)
            if (text := _parse_metadata(cached, file)) is not None:
                return text
        body = await self._download_metadata(file)
        text = _parse_metadata(body, file)
        if path and text is not None:
            await in_thread(self._executor, _write, path, body)
        return text

    async def _download_metadata(self, file: IndexFile) -> bytes:
        parts = urlsplit(file.url)
        url = urlunsplit(parts._replace(path=f"{parts.path}.metadata"))
        if (path := _local_path(url)) is not None:
            return _read(path)
        try:
            response = await self._http.get(url, {})
        except PackageIndexError:
            return b""  # If the server has a problem, the request for the wheel reports it.
        return response.content if response.is_success else b""

    @cached_property
    def _http(self) -> HttpClient:
        from pool.sources.index.http import HttpClient  # noqa: PLC0415 - 70 ms, only needed online

        return HttpClient(self._settings, clock=self._clock, sleep=self._sleep)


def _expected_hashes(file: IndexFile, demanded: frozenset[str]) -> ExpectedHashes:
    return ExpectedHashes(
        filename=file.filename, promised=file.hashes, required=demanded, size=file.size
    )


async def _verify_local(
    executor: Executor, path: Path, expected: ExpectedHashes, missing: str
) -> CachedFile:
    try:
        return await in_thread(executor, verify_file, path, expected)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as problem:
        raise PackageIndexError(f"{path}: {missing}") from problem


def _parse_metadata(body: bytes, file: IndexFile) -> str | None:
    """Return METADATA as text; None for anything else, such as an error page."""
    try:
        verifier = HashVerifier(
            ExpectedHashes(filename=file.filename, promised=file.metadata_hashes or {})
        )
        verifier.update(body)
        verifier.verify()
        text = body.decode("utf-8")
    except (HashMismatchError, UnicodeDecodeError):
        return None
    name = HeaderParser().parsestr(text)["Name"]
    return text if name is not None and canonicalize_name(name) == file.project else None


def _local_path(place: str) -> Path | None:
    """Return the path for a path or a file URL; None for a URL on the network."""
    if place.startswith("file:"):
        return Path(url2pathname(urlsplit(place).path))
    return None if "://" in place else Path(place).absolute()


def _files_in_folder(folder: Path, project: NormalizedName) -> list[IndexFile]:
    """Return a project's files in a folder: find-links, or an index without pages."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - a tenth of the time in a large wheelhouse
    except (FileNotFoundError, NotADirectoryError):
        return []
    files = [file for name in names if (file := parse_filename(name, project)) is not None]
    return [msgspec.structs.replace(file, url=(folder / file.filename).as_uri()) for file in files]


def _files_in_html(page: Path, project: NormalizedName) -> list[IndexFile]:
    try:
        return parse_page(page.read_bytes(), HTML, page.as_uri(), project)
    except FileNotFoundError as problem:
        raise PackageIndexError(f"{page}: no such file or directory") from problem


def _parse_response(response: httpx.Response, project: NormalizedName) -> list[IndexFile]:
    """Return the files of a page; none if the index does not have it, which is cached as well."""
    if not response.is_success:
        return []
    content_type = response.headers.get("content-type", HTML)
    return parse_page(response.content, content_type, str(response.url), project)


def _read_page(path: Path) -> _Page | None:
    try:
        return msgspec.msgpack.decode(_read(path), type=_Page)
    except msgspec.DecodeError:
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _write_page(path: Path, page: _Page) -> None:
    _write(path, msgspec.msgpack.encode(page))


def _write(path: Path, content: bytes) -> None:
    """Write a cached file; a full disk costs only another request later."""
    with suppress(OSError):
        atomic_write(path, content)
