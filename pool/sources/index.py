"""Package indexes over HTTP and in folders: which files there are, and the files themselves.

All configured places are asked and their answers merged, as pip does. Pages are kept for some
minutes, files for good, by their digest; a file is in the cache whole and right, or not at all.
Credentials in URLs are used for requests and masked in every message.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

import msgspec
from packaging.utils import canonicalize_name

from pool.errors import HashMismatchError, PackageIndexError
from pool.sources.page import HTML, JSON, IndexFile, file_of, parse_page
from pool.sources.secret import masked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    import httpx

    from pool.clock import Clock
    from pool.sources.pipconfig import IndexSettings

T = TypeVar("T")

__all__ = ["Fetched", "IndexFile", "PackageIndex"]

PAGE_SECONDS = 600.0
"""How long a page is taken from the cache without asking."""
ATTEMPTS = 5
_ACCEPT = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, {HTML};q=0.1"
_RETRIED = frozenset((408, 429, 500, 502, 503, 504))
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file on this machine whose digest was compared with what the index promised."""

    path: Path
    sha256: str


class _Page(msgspec.Struct, kw_only=True):
    """A page in the cache."""

    at: float
    """Seconds since the epoch."""
    etag: str
    files: list[IndexFile]
    """Parsed: reading the HTML of a project with thousands of files again takes 0.2 s."""


class PackageIndex:
    """All the places that packages come from; `aclose` it at the end.

    Args:
        settings: which places, and how to reach them.
        cache_dir: where pages and files are kept.
        clock: for the age of pages.
        sleep: waits between attempts.
    """

    def __init__(
        self,
        settings: IndexSettings,
        *,
        cache_dir: Path,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._pages = cache_dir / "pages"
        self._files = cache_dir / "files"
        self._clock = clock
        self._sleep = sleep
        self._client: httpx.AsyncClient | None = None

    @property
    def described(self) -> str:
        """The places asked, for messages."""
        return self._settings.described

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def files(self, project: str) -> tuple[IndexFile, ...]:
        """Return all files of a project, from all places; empty where none has it.

        Raises:
            PackageIndexError: a place does not answer, or answers nonsense.
        """
        project = canonicalize_name(project)
        urls = [f"{index}/{project}/" for index in self._settings.indexes]
        pages = await asyncio.gather(*[self._page(_as_url(url), project) for url in urls])
        links = await asyncio.gather(
            *[self._linked(link, project) for link in self._settings.find_links]
        )
        # A local file of the same name goes before one on the network: same name, same file.
        merged = {file.filename: file for listed in (*pages, *links) for file in listed}
        return tuple(merged.values())

    async def _linked(self, link: str, project: str) -> list[IndexFile]:
        url = _as_url(link)
        if (path := _local(url)) is not None and path.is_dir():
            return list(_in_folder(path, project))
        return await self._page(url, project)

    async def _page(self, url: str, project: str) -> list[IndexFile]:
        if (path := _local(url)) is not None:
            page = path / "index.html" if path.is_dir() else path
            if page.is_file():
                return parse_page(page.read_bytes(), HTML, url, project)
            return list(_in_folder(path, project))
        return (await self._cached_page(url, project)).files

    # Pages over HTTP

    async def _cached_page(self, url: str, project: str) -> _Page:
        """Return a page, asked for again when it is too old; 404 is an empty one."""
        place = self._pages / hashlib.sha256(url.encode()).hexdigest()
        known = _read_page(place)
        now = self._clock.now().timestamp()
        if known is not None and 0 <= now - known.at < PAGE_SECONDS:
            return known
        headers = {"Accept": _ACCEPT}
        if known is not None and known.etag:
            headers["If-None-Match"] = known.etag
        answer = await self._retried(url, lambda: self._get(url, headers))
        if answer.status_code == 304 and known is not None:
            page = msgspec.structs.replace(known, at=now)
        else:
            etag = answer.headers.get("etag", "")
            page = _Page(at=now, etag=etag, files=_listed(answer, project))
        _write_page(place, page)
        return page

    async def _get(self, url: str, headers: dict[str, str]) -> httpx.Response:
        return await self._http().get(url, headers=headers)

    # Files

    def cached(self, file: IndexFile) -> Fetched | None:
        """Return a file that is here already; None where it must be fetched."""
        if file.sha256 is None:
            return None
        place = self._files / file.sha256 / file.filename
        return Fetched(path=place, sha256=file.sha256) if place.exists() else None

    async def fetch(
        self, file: IndexFile, on_progress: Callable[[int, int | None], None]
    ) -> Fetched:
        """Get a file into the cache; ``on_progress`` is told the bytes so far, and in all.

        Raises:
            PackageIndexError: it cannot be had.
            HashMismatchError: it is not what the index promised; it is thrown away.
            OSError: no space, no permission.
        """
        if (path := _local(file.url)) is not None:
            return self._checked_local(file, path)
        return await self._retried(file.url, lambda: self._download(file, on_progress))

    def _checked_local(self, file: IndexFile, path: Path) -> Fetched:
        digests = _Digests(file)
        try:
            with path.open("rb") as source:
                while chunk := source.read(1 << 20):
                    digests.update(chunk)
        except FileNotFoundError as problem:
            raise PackageIndexError(f"{path}: listed by its index, but not there") from problem
        return Fetched(path=path, sha256=digests.checked())

    async def _download(
        self, file: IndexFile, on_progress: Callable[[int, int | None], None]
    ) -> Fetched:
        temporary, fd = self._new_file()
        try:
            with os.fdopen(fd, "wb") as target:
                digests = _Digests(file)
                async for chunk in self._chunks(file, on_progress):
                    digests.update(chunk)
                    target.write(chunk)
            sha256 = digests.checked()
            return self._kept(temporary, sha256, file.filename)
        finally:
            temporary.unlink(missing_ok=True)

    def _new_file(self) -> tuple[Path, int]:
        self._files.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=self._files, prefix=".new-")
        return Path(name), fd

    def _kept(self, temporary: Path, sha256: str, filename: str) -> Fetched:
        final = self._files / sha256 / filename
        final.parent.mkdir(exist_ok=True)
        temporary.replace(final)
        return Fetched(path=final, sha256=sha256)

    async def _chunks(
        self, file: IndexFile, on_progress: Callable[[int, int | None], None]
    ) -> AsyncIterator[bytes]:
        # identity: a mirror that compresses on the way would change length and digest.
        headers = {"Accept-Encoding": "identity"}
        async with self._http().stream("GET", file.url, headers=headers) as answer:
            if answer.status_code != 200:
                answer.raise_for_status()
                raise PackageIndexError(f"{masked(file.url)}: answered {answer.status_code}")
            total = (
                int(answer.headers["content-length"])
                if "content-length" in answer.headers
                else file.size
            )
            done = 0
            async for chunk in answer.aiter_raw(1 << 16):
                done += len(chunk)
                on_progress(done, total)
                yield chunk

    # HTTP

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = _client(self._settings)
        return self._client

    async def _retried(self, url: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer that is no passing trouble, or too often."""
        import httpx  # noqa: PLC0415 - 70 ms, paid by those who go online

        for attempt in range(1, ATTEMPTS + 1):
            pause = min(0.5 * 2.0 ** (attempt - 1), _LONGEST_PAUSE)
            try:
                answer = await ask()
                if not isinstance(answer, httpx.Response) or answer.status_code in (304, 404, 410):
                    return answer
                answer.raise_for_status()
            except httpx.HTTPStatusError as problem:
                if problem.response.status_code not in _RETRIED or attempt == ATTEMPTS:
                    raise _refused(url, problem.response) from problem
                pause = _asked_pause(problem.response) or pause
            except httpx.TransportError as problem:
                if attempt == ATTEMPTS:
                    raise _unreachable(url, problem) from problem
            except httpx.InvalidURL as problem:
                raise PackageIndexError(f"{masked(url)}: not a URL: {problem}") from problem
            else:
                return answer
            await self._sleep(pause)
        raise AssertionError("the last attempt returns or raises")


def _listed(answer: httpx.Response, project: str) -> list[IndexFile]:
    if answer.status_code in (404, 410):
        return []
    content_type = answer.headers.get("content-type", HTML)
    return parse_page(answer.content, content_type, str(answer.url), project)


def _client(settings: IndexSettings) -> httpx.AsyncClient:
    import httpx  # noqa: PLC0415 - 70 ms, paid by those who go online

    trusted = {host.partition(":")[0] for host in settings.trusted_hosts}
    hosts = {urlsplit(url).hostname for url in settings.indexes}
    context: ssl.SSLContext | bool = ssl.create_default_context(cafile=settings.cert)
    if trusted & hosts:
        # As with pip: whoever is trusted is not asked for a certificate.
        context = False
    return httpx.AsyncClient(
        verify=context,
        proxy=settings.proxy,
        timeout=settings.timeout,
        follow_redirects=True,
        auth=_netrc(),
        limits=httpx.Limits(max_connections=64, max_keepalive_connections=32),
    )


def _netrc() -> httpx.NetRCAuth | None:
    import httpx  # noqa: PLC0415 - 70 ms, paid by those who go online

    with suppress(OSError, ValueError):
        return httpx.NetRCAuth()
    return None


def _refused(url: str, response: httpx.Response) -> PackageIndexError:
    hint = {
        401: "it wants a user and a password: in the URL, or in ~/.netrc",
        403: "it wants other credentials, or forbids this file",
    }.get(response.status_code, "")
    reason = f"{response.status_code} {response.reason_phrase}".strip()
    return PackageIndexError(f"{masked(url)}: the server answered {reason}", hint=hint)


def _unreachable(url: str, problem: Exception) -> PackageIndexError:
    return PackageIndexError(
        f"{masked(url)}: cannot be reached: {masked(str(problem)) or type(problem).__name__}",
        hint="check the network and --index-url; --no-index with --find-links works offline",
    )


def _asked_pause(response: httpx.Response) -> float | None:
    """Return the seconds that a server asks to wait, within reason."""
    with suppress(ValueError):
        return min(float(response.headers.get("retry-after", "")), _LONGEST_PAUSE)
    return None


class _Digests:
    """The digests of a file as it comes in: ours, and those that were promised."""

    def __init__(self, file: IndexFile) -> None:
        self._file = file
        promised = [name for name in file.hashes if name in hashlib.algorithms_available]
        self._digests = {name: hashlib.new(name) for name in {*promised, "sha256"}}

    def update(self, chunk: bytes) -> None:
        for digest in self._digests.values():
            digest.update(chunk)

    def checked(self) -> str:
        """Return the sha256, after all that was promised came true."""
        for name, digest in self._digests.items():
            promised = self._file.hashes.get(name)
            if promised not in (None, digest.hexdigest()):
                raise HashMismatchError(
                    f"{self._file.filename}: its {name} is {digest.hexdigest()},"
                    f" the index promised {promised}",
                    hint="it was damaged or replaced on its way; it is not used",
                )
        return self._digests["sha256"].hexdigest()


def _as_url(place: str) -> str:
    """Return a URL for a URL or a path."""
    return place if "://" in place else Path(place).absolute().as_uri()


def _local(url: str) -> Path | None:
    parts = urlsplit(url)
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None


def _in_folder(folder: Path, project: str) -> Iterable[IndexFile]:
    """Yield a project's files in a folder: find-links, or an index without pages."""
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in sorted(folder.iterdir()):
            if (file := file_of(path.name, project)) is not None:
                yield msgspec.structs.replace(file, url=path.absolute().as_uri())


def _read_page(place: Path) -> _Page | None:
    try:
        return msgspec.msgpack.decode(place.read_bytes(), type=_Page)
    except (OSError, msgspec.DecodeError):
        return None


def _write_page(place: Path, page: _Page) -> None:
    """Keep a page; a full disk costs nothing but the next request."""
    with suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f".{place.name}.{os.getpid()}.{id(page)}")
        try:
            temporary.write_bytes(msgspec.msgpack.encode(page))
            temporary.replace(place)
        finally:
            temporary.unlink(missing_ok=True)
