"""The index client: which files a project has, and the files themselves, over HTTP or from folders.

All configured indexes and find-links are queried and their files merged, as pip does. An index in
trouble is left out while another place has the project. Pages are cached for some minutes, except
that a project is not there; files (see `file_cache`) and METADATA beside a wheel are cached for
good. Credentials in URLs are used for requests and redacted in messages.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import msgspec
from packaging.utils import canonicalize_name

from pool.common.aio import gather_first_error, in_thread
from pool.common.cache_layout import CacheLayout
from pool.common.errors import HashMismatchError, PackageIndexError, os_error_text
from pool.common.files import atomic_write, open_regular
from pool.common.json import decode_msgpack
from pool.common.pep508 import strict_version
from pool.common.record import Record
from pool.sources.core_metadata import parse_headers
from pool.sources.evidence import Evidence, merge_evidence, observe_paths
from pool.sources.index.file_cache import CachedFile, FileCache, filename_in, verify_file
from pool.sources.index.hashes import ExpectedHashes, HashVerifier
from pool.sources.index.simple_api import (
    HTML,
    JSON,
    MAX_PAGE,
    IndexFile,
    file_url_path,
    parse_filename,
    parse_page,
)
from pool.system.process_limits import allowed_threads, reraise_shortage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from packaging.utils import NormalizedName

    from pool.common.clock import Clock
    from pool.sources.index.download import Progress
    from pool.sources.index.http import HttpClient
    from pool.sources.index.page import Page
    from pool.sources.index.settings import IndexSettings

__all__ = ["CachedFile", "IndexClient", "IndexFile"]

_THREADS = 2
"""Threads for cached pages, the parsing of pages, and hashes: mostly one at a time."""
MAX_PAGE_AGE = 600.0
"""Seconds for which a cached page is used without a request."""
_TROUBLE_SECONDS = 60.0
"""Seconds for which a place that cannot be reached is not tried again."""
_MAX_METADATA = 16 << 20
"""Bytes of a METADATA file in a folder."""
_NOT_MODIFIED = 304
_ACCEPT = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, {HTML};q=0.1"


class _Page(msgspec.Struct, kw_only=True):
    """A cached page."""

    fetched_at: float
    """Seconds since the epoch."""
    etag: str
    files: list[IndexFile]
    """Parsed files: the HTML of a project with thousands of files takes 0.2 s to parse."""


class _Listing(Record, frozen=True, kw_only=True):
    """The files of one place."""

    files: Sequence[IndexFile] = ()
    evidence: Evidence | None = None
    """Their source; None if they may be others the next time."""
    error: PackageIndexError | None = None
    """Why it could not be used; then it has no files."""


class IndexClient:
    """All indexes and find-links; call `aclose` at the end.

    Args:
        settings: the indexes, and how to reach them.
        cache_dir: the folder of cached pages and files.
        clock: the time for the age of pages.
        refreshes: returns whether cached pages of a project are ignored.
        sleep: waits between attempts.
        environ: the environment of the keyring command.
    """

    def __init__(
        self,
        settings: IndexSettings,
        *,
        cache_dir: Path,
        clock: Clock,
        refreshes: Callable[[str], bool] = lambda _: False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._settings = settings
        self._environ = environ or {}
        self._listeners: list[Callable[[str], None]] = []
        self._left_out: set[str] = set()
        """The places that listeners know to be left out."""
        self._unreachable: dict[str, tuple[float, PackageIndexError]] = {}
        """By place: since when it cannot be reached, and why."""
        self.stale_projects: set[str] = set()
        """The projects of which a cached page was used without a request."""
        self.used_metadata: dict[str, str] = {}
        """The METADATA beside wheels that `metadata` returned, by the URL of the wheel."""
        self._evidence: dict[str, Evidence | None] = {}
        """By project: what its files were read from."""
        self._executor = ThreadPoolExecutor(allowed_threads(_THREADS), thread_name_prefix="index")
        cache = CacheLayout(cache_dir)
        # Its name has a number, which changes with the format of `_Page`.
        self._page_dir = cache.index_pages
        self._files = FileCache(
            cache.downloads,
            connect=lambda: self._http,
            clock=clock,
            executor=self._executor,
            on_damage=self._notify,
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

    async def files(self, project: str, *, fresh: bool = False) -> tuple[IndexFile, ...]:
        """Return the files of a project from all places; empty if there are none.

        Of files with the same name the first one is used: from find-links, then from the indexes
        in their order. As in pip, all versions compete, wherever they are.

        Args:
            project: any spelling of its name.
            fresh: whether servers are asked even if a cached page is recent.

        Raises:
            PackageIndexError: no place has the project, and one of them cannot be reached, refuses,
                or has a page that cannot be parsed.
        """
        name = canonicalize_name(project)
        links, indexes = self._settings.find_links, self._settings.indexes
        listings = await gather_first_error(
            *(self._list(link, self._files_from_link(link, name, fresh=fresh)) for link in links),
            *(
                self._list(index, self._files_from_index(index, name, fresh=fresh))
                for index in indexes
            ),
        )
        self._evidence[project] = merge_evidence(listing.evidence for listing in listings)
        merged: dict[str, IndexFile] = {}
        for file in (file for listing in listings for file in listing.files):
            merged.setdefault(file.filename, file)
        errors = [listing.error for listing in listings if listing.error is not None]
        if errors and not merged:
            raise errors[0]
        for place, listing in zip((*links, *indexes), listings, strict=True):
            if listing.error is not None and place not in self._left_out:
                self._left_out.add(place)
                self._notify(f"{listing.error}; it is left out where another index has the project")
        return tuple(merged.values())

    def evidence(self, projects: Iterable[str]) -> Evidence | None:
        """Return what the files of projects were read from; None if they may be others soon.

        Args:
            projects: those that `files` was called with.
        """
        return merge_evidence(self._evidence.get(project) for project in projects)

    def add_listener(self, listener: Callable[[str], None]) -> None:
        """Call a function with sentences for the user: an index is left out, or is waited for."""
        self._listeners.append(listener)
        self._left_out.clear()

    def remove_listener(self, listener: Callable[[str], None]) -> None:
        """Do not call a function any more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def _notify(self, text: str) -> None:
        for listener in self._listeners:
            listener(text)

    async def _list(self, place: str, listing: Coroutine[None, None, _Listing]) -> _Listing:
        """Return the files of one place, or the reason why it cannot be used."""
        now = self._clock.monotonic()
        since, known = self._unreachable.get(place, (now, None))
        if known is not None and now - since < _TROUBLE_SECONDS:
            listing.close()
            return _Listing(error=known)
        try:
            return await listing
        except PackageIndexError as problem:
            reraise_shortage(problem)
            if problem.unreachable:
                self._unreachable[place] = now, problem
            return _Listing(error=problem)

    async def _files_from_link(
        self, link: str, project: NormalizedName, *, fresh: bool
    ) -> _Listing:
        if (path := _local_path(link)) is None:
            return await self._files_from_page(link, project, fresh=fresh)
        return await in_thread(self._executor, _list_at_path, path, project, self._now)

    async def _files_from_index(
        self, index: str, project: NormalizedName, *, fresh: bool
    ) -> _Listing:
        if (path := _local_path(index)) is None:
            return await self._files_from_page(f"{index}/{project}/", project, fresh=fresh)
        return await in_thread(self._executor, _list_local_index, path, project, self._now)

    async def _files_from_page(self, url: str, project: NormalizedName, *, fresh: bool) -> _Listing:
        """Return the files of a page; the server is asked if the cached page is too old."""
        path = self._page_dir / hashlib.sha256(os.fsencode(f"{project} {url}")).hexdigest()
        cached = await in_thread(self._executor, _read_page, path)
        now = self._now
        is_fresh = cached is not None and 0 <= now - cached.fetched_at < MAX_PAGE_AGE
        if cached is not None and is_fresh and not fresh and not self._refreshes(project):
            self.stale_projects.add(project)
            return _list_page(cached)
        headers = {"Accept": _ACCEPT}
        if cached is not None and cached.etag:
            headers["If-None-Match"] = cached.etag
        response = await self._http.get(url, headers)
        if response.status == _NOT_MODIFIED and cached is not None:
            page = msgspec.structs.replace(cached, fetched_at=now)
        elif not response.is_success:
            await in_thread(self._executor, _remove, path)
            return _Listing()
        else:
            files = await in_thread(self._executor, _parse_response, response, project)
            page = _Page(fetched_at=now, etag=response.headers.get("etag", ""), files=files)
        await in_thread(self._executor, _write_page, path, page)
        return _list_page(page)

    @property
    def _now(self) -> float:
        """Seconds since the epoch."""
        return self._clock.now().timestamp()

    # Files

    async def find_cached(
        self, file: IndexFile, required_hashes: frozenset[str] = frozenset()
    ) -> CachedFile | None:
        """Return a cached file with the right hashes; None if it must be fetched."""
        expected = _expected_hashes(file, required_hashes)
        return await self._files.find(expected, recheck=self._refreshes(file.project))

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
        if (path := file.local_path) is not None:
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
        refresh = self._refreshes(_project_in(expected.filename))
        return await self._files.fetch_url(url, expected, on_progress, refresh=refresh)

    async def metadata(self, file: IndexFile) -> str | None:
        """Return a wheel's METADATA if the index serves it beside the wheel (PEP 658, PEP 714).

        None if it does not, or if the hash differs; then the wheel must be read.
        """
        text = await self._metadata_beside(file)
        if text is not None:
            self.used_metadata[file.url] = text
        return text

    async def _metadata_beside(self, file: IndexFile) -> str | None:
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
            return await in_thread(self._executor, _read_regular, path, _MAX_METADATA)
        try:
            response = await self._http.get(url, {})
            return response.read() if response.is_success else b""
        except PackageIndexError:
            return b""  # If the server has a problem, the request for the wheel reports it.

    @cached_property
    def _http(self) -> HttpClient:
        from pool.sources.index.http import HttpClient

        return HttpClient(
            self._settings,
            clock=self._clock,
            sleep=self._sleep,
            on_wait=self._notify,
            environ=self._environ,
        )


def _project_in(filename: str) -> str:
    """Return what is probably the project of a file."""
    name, _, rest = filename.partition("-")
    return name if filename.endswith(".whl") or not rest else filename.rpartition("-")[0]


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
    except OSError as problem:
        raise PackageIndexError(f"{path}: {os_error_text(problem)}") from problem


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
    headers = parse_headers(text)
    return text if _is_of(file, headers["Name"], headers["Version"]) else None


def _is_of(file: IndexFile, name: str | None, version: str | None) -> bool:
    """Return whether a name and a version are those of a file."""
    if name is None or version is None or canonicalize_name(name) != file.project:
        return False
    with suppress(ValueError):
        return strict_version(version) == strict_version(file.version)
    return False


def _local_path(place: str) -> Path | None:
    """Return the path for a path or a file URL; None for a URL on the network."""
    if (path := file_url_path(place)) is not None:
        return path
    return None if "://" in place else Path(place).absolute()


def _files_in_folder(folder: Path, project: NormalizedName) -> list[IndexFile]:
    """Return a project's files in a folder: find-links, or an index without pages."""
    try:
        with os.scandir(folder) as entries:
            listed = [
                file
                for entry in entries
                # A pipe or a device is no file that can be fetched.
                if (file := parse_filename(entry.name, project)) is not None and entry.is_file()
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as problem:
        raise PackageIndexError(f"{folder}: {os_error_text(problem)}") from problem
    return [
        msgspec.structs.replace(file, url=(folder / file.filename).as_uri())
        for file in sorted(listed, key=lambda file: file.filename)
    ]


def _list_page(page: _Page) -> _Listing:
    evidence = Evidence(since=page.fetched_at, until=page.fetched_at + MAX_PAGE_AGE)
    return _Listing(files=page.files, evidence=evidence)


def _list_at_path(path: Path, project: NormalizedName, now: float) -> _Listing:
    """List a folder or a page on disk: find-links."""
    return _list_files(_files_at_path(path, project), (path,), now)


def _list_local_index(path: Path, project: NormalizedName, now: float) -> _Listing:
    files = _files_in_local_index(path, project)
    return _list_files(files, (path / project, path / project / "index.html"), now)


def _list_files(files: Sequence[IndexFile], places: Iterable[Path], now: float) -> _Listing:
    local = (path for file in files if (path := file.local_path) is not None)
    return _Listing(files=files, evidence=observe_paths((*places, *local), now))


def _files_at_path(path: Path, project: NormalizedName) -> list[IndexFile]:
    """Return a project's files in a folder or on a page: find-links."""
    return _files_in_folder(path, project) if path.is_dir() else _files_in_html(path, project)


def _files_in_local_index(path: Path, project: NormalizedName) -> list[IndexFile]:
    page = path / project / "index.html"
    if page.exists():
        return _files_in_html(page, project)
    return _files_in_folder(page.parent, project)


def _files_in_html(page: Path, project: NormalizedName) -> list[IndexFile]:
    try:
        content = _read_bounded(page, MAX_PAGE)
    except OSError as problem:
        raise PackageIndexError(f"{page}: {os_error_text(problem)}") from problem
    return parse_page(content, HTML, page.as_uri(), project)


def _parse_response(response: Page, project: NormalizedName) -> list[IndexFile]:
    """Return the files of a page that the server has sent."""
    content_type = response.headers.get("content-type", HTML)
    return parse_page(response.read(), content_type, response.url, project)


def _read_bounded(path: Path, most: int) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: it is not a regular file, larger than that, or cannot be read.
    """
    with open_regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most >> 20} MB", str(path))
    return content


def _read_page(path: Path) -> _Page | None:
    try:
        return decode_msgpack(_read(path), _Page)
    except ValueError:
        return None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _read_regular(path: Path, most: int) -> bytes:
    try:
        return _read_bounded(path, most)
    except OSError:
        return b""


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _write_page(path: Path, page: _Page) -> None:
    _write(path, msgspec.msgpack.encode(page))


def _write(path: Path, content: bytes) -> None:
    """Write a cached file; a full disk costs only another request later."""
    with suppress(OSError):
        atomic_write(path, content)
