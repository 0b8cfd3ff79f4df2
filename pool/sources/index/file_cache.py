"""Files from the network on this machine: by their digest, whole and right, or not at all.

A file on its way lies beside the others under the digest that it has to have, and is locked
while one process writes to it. Another one that wants the same file waits, then finds it, or goes
on where the first one died. Where no digest is known before, each attempt begins anew. Every file
gets its name by renaming.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from pool.common.errors import HashMismatchError, LockError
from pool.common.files import atomic_write
from pool.sources.archive import SUFFIXES
from pool.sources.index.download import Download
from pool.sources.index.hashes import ExpectedHashes, HashVerifier
from pool.system.locks.lock_file import LockFile
from pool.system.locks.queue import LockQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pool.common.clock import Clock
    from pool.common.model import Holder
    from pool.sources.index.download import Progress
    from pool.sources.index.http import HttpClient
    from pool.system.locks.queue import LockGuard

__all__ = ["Fetched", "FileCache", "checked", "filename_in"]

PARTIAL_SECONDS = 7 * 86400.0
"""What nobody has gone on with for so long is removed."""
_PARTIAL, _NOTES, _NEW, _URL = ".part", ".from", ".new-", ".url"
_KNOWN = (*SUFFIXES, ".whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A file on this machine whose digest was compared with what was promised and demanded."""

    path: Path
    sha256: str


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a URL led to; nothing, if that is not known."""

    etag: str = ""
    sha256: str = ""
    filename: str = ""


class FileCache:
    """The files of one cache; belongs to one event loop.

    Args:
        folder: where they are; made when the first comes.
        web: connects when it is called first.
        clock: for the age of what was left behind.
    """

    def __init__(self, folder: Path, *, web: Callable[[], HttpClient], clock: Clock) -> None:
        self._folder = folder
        self._web = web
        self._clock = clock
        self._locks = LockQueue(LockFile)
        self._swept = False

    def find(self, expected: ExpectedHashes) -> Fetched | None:
        """Return a file that is here and known to be right; None where it must be fetched."""
        for sha256 in expected.candidates:
            path = self._place(sha256, expected.filename)
            if not path.exists() and not expected.filename.endswith(_KNOWN):
                # A URL that names no file: it was kept under the name that the server has for it.
                path = next(path.parent.glob("*"), path)
            if path.exists():
                return Fetched(path=path, sha256=sha256)
        return None

    def _place(self, sha256: str, filename: str) -> Path:
        return self._folder / sha256 / filename

    def beside(self, sha256: str | None, suffix: str) -> Path | None:
        """Return where something about a file can be kept; None where its digest is unknown."""
        known = ExpectedHashes(filename="", promised={"sha256": sha256 or ""}).sha256
        return self._folder / f"{known}{suffix}" if known else None

    async def fetch(self, url: str, expected: ExpectedHashes, on_progress: Progress) -> Fetched:
        """Download a file, or wait for the process that does so.

        Raises:
            PackageIndexError: it cannot be had.
            HashMismatchError: it is not what was promised and demanded; it is thrown away.
            OSError: no space, no permission.
        """
        expected.require_possible()
        self._prepare()
        if (sha256 := expected.sha256) is None:
            return await self._fetched_anew(url, expected, on_progress)
        try:
            held = await self._locks.acquire(self._folder / f"{sha256}{_PARTIAL}", on_wait=_nothing)
        except LockError:  # Its file system has no locks: two may fetch the same file there.
            return await self._fetched_anew(url, expected, on_progress)
        try:
            if not _writable(held.fds[0]):  # Another user's, in a cache that is shared.
                return await self._fetched_anew(url, expected, on_progress)
            return await self._fetched_alone(held, sha256, url, expected, on_progress)
        finally:
            held.release()

    async def _fetched_alone(
        self,
        held: LockGuard,
        sha256: str,
        url: str,
        expected: ExpectedHashes,
        on_progress: Progress,
    ) -> Fetched:
        """Fetch what nobody else does just now; what breaks off stays for the next.

        The name of what is locked is ours until we give it away: nothing is removed after that.
        """
        partial = self._folder / f"{sha256}{_PARTIAL}"
        notes = partial.with_suffix(_NOTES)
        download = Download(held.fds[0], expected, on_progress, notes=notes)
        try:
            place = self._place(sha256, expected.filename)
            if place.exists():  # It came while we waited, or another kind of digest is demanded.
                _removed(partial, notes)
                return self.find(expected) or await checked(place, expected)
            await download.reread()
            await self._web().download(url, download)
            notes.unlink(missing_ok=True)
        except BaseException as problem:
            if isinstance(problem, HashMismatchError) or not download.done:
                _removed(partial, notes)
            raise
        return self._kept(partial, sha256, expected.filename)

    async def _fetched_anew(
        self, url: str, expected: ExpectedHashes, on_progress: Progress
    ) -> Fetched:
        with self._new_file() as (temporary, fd):
            sha256 = await self._web().download(url, Download(fd, expected, on_progress))
            return self._kept(temporary, sha256, expected.filename)

    async def fetch_url(self, url: str, expected: ExpectedHashes, on_progress: Progress) -> Fetched:
        """Download what a URL leads to; what is here is asked for only if it is still the same.

        The name is that of the URL, or else the server's. Raises what `fetch` does.
        """
        if (found := self.find(expected)) is not None:
            return found
        if expected.sha256 is not None and expected.filename.endswith(_KNOWN):
            return await self.fetch(url, expected, on_progress)
        self._prepare()
        record = self._folder / f"{hashlib.sha256(url.encode()).hexdigest()}{_URL}"
        known = self._known(record)
        with self._new_file() as (temporary, fd):
            download = Download(fd, expected, on_progress, etag=known.etag)
            if not (sha256 := await self._web().download(url, download)):
                return await checked(self._place(known.sha256, known.filename), expected)
            fetched = self._kept(temporary, sha256, _name(url, download.url, download.said))
        if etag := download.said.get("etag", ""):
            entry = _Known(etag=etag, sha256=sha256, filename=fetched.path.name)
            atomic_write(record, msgspec.msgpack.encode(entry))
        return fetched

    def _known(self, record: Path) -> _Known:
        with suppress(OSError, msgspec.DecodeError):
            known = msgspec.msgpack.decode(record.read_bytes(), type=_Known)
            if self._place(known.sha256, known.filename).exists():
                return known
        return _Known()

    @contextmanager
    def _new_file(self) -> Iterator[tuple[Path, int]]:
        fd, name = tempfile.mkstemp(dir=self._folder, prefix=_NEW)
        try:
            yield Path(name), fd
        finally:
            os.close(fd)
            Path(name).unlink(missing_ok=True)

    def _kept(self, temporary: Path, sha256: str, filename: str) -> Fetched:
        final = self._place(sha256, filename)
        final.parent.mkdir(exist_ok=True)
        temporary.replace(final)
        return Fetched(path=final, sha256=sha256)

    def _prepare(self) -> None:
        """Make the folder, and once in a run remove what was left behind long ago."""
        if self._swept:
            return
        self._swept = True
        self._folder.mkdir(parents=True, exist_ok=True)
        oldest = self._clock.now().timestamp() - PARTIAL_SECONDS
        for path in self._folder.iterdir():
            left = path.name.startswith(_NEW) or path.suffix in (_PARTIAL, _NOTES)
            with suppress(OSError):
                if left and path.stat().st_mtime < oldest:
                    _remove_unlocked(path)


def _writable(fd: int) -> bool:
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


def _remove_unlocked(path: Path) -> None:
    """Remove a file unless somebody writes to it."""
    try:
        lock = LockFile(path)
    except LockError:
        return
    try:
        if lock.lock() and lock.current:
            path.unlink()
    except LockError:
        path.unlink()
    finally:
        lock.close()


async def checked(path: Path, expected: ExpectedHashes) -> Fetched:
    """Take a file where it is; a large one lets others go on while it is read.

    Raises:
        HashMismatchError: it is not what was promised and demanded.
        FileNotFoundError: it is not there.
    """
    digests = HashVerifier(expected)
    with path.open("rb") as source:
        while chunk := source.read(1 << 20):
            digests.update(chunk)
            await asyncio.sleep(0)
    return Fetched(path=path, sha256=digests.checked())


def _name(url: str, landed: str, said: Mapping[str, str]) -> str:
    """Return the name of what a URL led to: the first that says what kind of file it is."""
    message = Message()
    message["Content-Disposition"] = said.get("content-disposition", "")
    names = [filename_in(url), _as_name(message.get_filename("") or ""), filename_in(landed)]
    return next((name for name in names if name.endswith(_KNOWN)), names[0])


def filename_in(url: str) -> str:
    """Return the last part of a URL's path as a file's name."""
    return _as_name(unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2]))


def _as_name(text: str) -> str:
    """Return what a stranger calls a file as a name without a path or a leading dot."""
    return text.rpartition("/")[2].replace("\0", "").lstrip(".") or "download"


def _nothing(holder: Holder | None) -> None:
    """Whoever waits for a file sees that it does not grow."""


def _removed(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
