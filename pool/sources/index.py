"""Package indexes over HTTP and in folders: which files there are, and the files themselves.

All configured places are asked and their answers merged, as pip does. Pages are kept for some
minutes, files for good, by their digest; a file is in the cache whole and right, or not at all.
Credentials in URLs are used for requests and masked in every message.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

import msgspec
from packaging.utils import canonicalize_name

from pool.errors import HashMismatchError, PackageIndexError
from pool.sources.page import HTML, JSON, IndexFile, file_of, parse_page

if TYPE_CHECKING:
    from collections.abc import (
        AsyncIterator,
        Awaitable,
        Callable,
        Coroutine,
        Iterable,
        Sequence,
    )

    import httpx

    from pool.clock import Clock
    from pool.sources.pipconfig import IndexSettings
    from pool.sources.web import Web

T = TypeVar("T")

__all__ = ["Fetched", "IndexFile", "PackageIndex"]

PAGE_SECONDS = 600.0
"""How long a page is taken from the cache without asking."""
_ACCEPT = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, {HTML};q=0.1"


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
        # The number changes with what is kept of a page.
        self._pages = cache_dir / "pages-1"
        self._files = cache_dir / "files"
        self._clock = clock
        self._sleep = sleep

    @property
    def described(self) -> str:
        """The places asked, for messages."""
        return self._settings.described

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
        project = canonicalize_name(project)
        places = [self._linked(link, project) for link in self._settings.find_links]
        places += [self._indexed(index, project) for index in self._settings.indexes]
        merged: dict[str, IndexFile] = {}
        for listed in await _all(places):
            for file in listed:
                merged.setdefault(file.filename, file)
        return tuple(merged.values())

    async def _linked(self, link: str, project: str) -> Sequence[IndexFile]:
        if (path := _local(link)) is None:
            return await self._page(link, project)
        return _in_folder(path, project) if path.is_dir() else _in_page(path, project)

    async def _indexed(self, index: str, project: str) -> Sequence[IndexFile]:
        if (path := _local(index)) is None:
            return await self._page(f"{index}/{project}/", project)
        page = path / project / "index.html"
        return _in_page(page, project) if page.is_file() else _in_folder(page.parent, project)

    async def _page(self, url: str, project: str) -> Sequence[IndexFile]:
        """Return what a page lists, asking the server when what is known is too old."""
        place = self._pages / hashlib.sha256(f"{project} {url}".encode()).hexdigest()
        known = _read_page(place)
        now = self._clock.now().timestamp()
        if known is not None and 0 <= now - known.at < PAGE_SECONDS:
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
        _write_page(place, page)
        return page.files

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
            return await _checked_local(file, path)

        async def receive(chunks: AsyncIterator[bytes], total: int | None) -> Fetched:
            return await self._received(file, chunks, total or file.size, on_progress)

        return await self._web.download(file.url, receive)

    async def _received(
        self,
        file: IndexFile,
        chunks: AsyncIterator[bytes],
        total: int | None,
        on_progress: Callable[[int, int | None], None],
    ) -> Fetched:
        temporary, fd = self._new_file()
        try:
            with os.fdopen(fd, "wb") as target:
                digests, done = _Digests(file), 0
                async for chunk in chunks:
                    digests.update(chunk)
                    target.write(chunk)
                    done += len(chunk)
                    on_progress(done, total)
            return self._kept(temporary, digests.checked(), file.filename)
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

    @cached_property
    def _web(self) -> Web:
        from pool.sources.web import Web  # noqa: PLC0415 - 70 ms, paid by those who go online

        return Web(self._settings, clock=self._clock, sleep=self._sleep)


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


async def _checked_local(file: IndexFile, path: Path) -> Fetched:
    """Take a file where it is; a large one lets others go on while it is read."""
    digests = _Digests(file)
    try:
        with path.open("rb") as source:
            while chunk := source.read(1 << 20):
                digests.update(chunk)
                await asyncio.sleep(0)
    except FileNotFoundError as problem:
        raise PackageIndexError(f"{path}: listed by its index, but not there") from problem
    return Fetched(path=path, sha256=digests.checked())


async def _all(questions: Iterable[Coroutine[None, None, T]]) -> list[T]:
    """Ask side by side; the first trouble ends the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(question) for question in questions]
    except ExceptionGroup as troubles:
        raise troubles.exceptions[0] from None
    return [task.result() for task in tasks]


def _local(place: str) -> Path | None:
    """Return the path for a path or a file URL; None for what is on the network."""
    if place.startswith("file:"):
        return Path(url2pathname(urlsplit(place).path))
    return None if "://" in place else Path(place).absolute()


def _in_folder(folder: Path, project: str) -> list[IndexFile]:
    """Return a project's files in a folder: find-links, or an index without pages."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - a tenth of the time in a large wheelhouse
    except (FileNotFoundError, NotADirectoryError):
        return []
    files = [file for name in names if (file := file_of(name, project)) is not None]
    return [msgspec.structs.replace(file, url=(folder / file.filename).as_uri()) for file in files]


def _in_page(page: Path, project: str) -> list[IndexFile]:
    try:
        return parse_page(page.read_bytes(), HTML, page.as_uri(), project)
    except FileNotFoundError as problem:
        raise PackageIndexError(f"{page}: no such file or directory") from problem


def _listed(answer: httpx.Response, project: str) -> list[IndexFile]:
    if answer.status_code in (404, 410):
        return []
    content_type = answer.headers.get("content-type", HTML)
    return parse_page(answer.content, content_type, str(answer.url), project)


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
