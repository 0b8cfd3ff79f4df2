"""The cache of downloaded files: each under its sha256, complete and verified.

A download is written beside the cached files, named after its expected sha256, and is locked while
a process writes to it. Another process that wants the same file waits and then finds it, or resumes
where the first one stopped. Without an expected hash each attempt starts anew. Files enter the
cache by renaming. Before a cached file is used, its digest is compared, or it is the same file with
the same size and time as when that was done; a damaged file is removed and fetched again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import tempfile
from contextlib import contextmanager, suppress
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from pool.common.aio import in_thread
from pool.common.errors import HashMismatchError, LockError
from pool.common.files import atomic_write, open_regular
from pool.common.json import decode_msgpack
from pool.common.record import Record
from pool.sources.archives import SUFFIXES
from pool.sources.index.download import Download
from pool.sources.index.hashes import ExpectedHashes, HashVerifier
from pool.system.locks.lock_file import LockFile
from pool.system.locks.queue import LockQueue
from pool.system.process_limits import reraise_shortage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor

    from pool.common.clock import Clock
    from pool.common.model import Holder
    from pool.sources.index.download import Progress
    from pool.sources.index.http import HttpClient
    from pool.system.locks.queue import LockGuard

__all__ = ["CachedFile", "FileCache", "filename_in", "verify_file"]

MAX_PARTIAL_AGE = 7 * 86400.0
"""Seconds after which an unfinished download is removed."""
_PARTIAL, _VALIDATOR, _NEW, _URL = ".part", ".from", ".new-", ".url"
_CHECKED = ".checked"
"""Beside a cached file: its status when its digest was compared."""
_FILE_SUFFIXES = (*SUFFIXES, ".whl")


class CachedFile(Record, frozen=True, kw_only=True):
    """A local file whose hashes were compared with the expected ones."""

    path: Path
    sha256: str


class _Status(msgspec.Struct, frozen=True, kw_only=True):
    """The status of a file whose digest was compared."""

    filename: str
    inode: int
    size: int
    mtime: int
    """Nanoseconds."""


class _UrlRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The file that a URL led to; empty if that is not known."""

    etag: str = ""
    sha256: str = ""
    filename: str = ""


class FileCache:
    """The files of one cache; belongs to one event loop.

    Args:
        folder: the folder of the files; created with the first one.
        connect: returns the HTTP client, creating it if needed.
        clock: the time for the age of unfinished downloads.
        executor: the threads that hash files.
        on_damage: called with a sentence about a cached file that is removed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        connect: Callable[[], HttpClient],
        clock: Clock,
        executor: Executor,
        on_damage: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._on_damage = on_damage
        self._folder = folder
        self._connect = connect
        self._clock = clock
        self._executor = executor
        self._locks = LockQueue(LockFile)
        self._swept = False

    async def find(self, expected: ExpectedHashes, *, recheck: bool = False) -> CachedFile | None:
        """Return a cached file that has the expected hashes; None if it must be fetched.

        Args:
            expected: the expected hashes.
            recheck: whether the digest is compared even if the file has not changed since.
        """
        for sha256 in expected.acceptable_sha256:
            path = self._path(sha256, expected.filename)
            if not path.exists() and not expected.filename.endswith(_FILE_SUFFIXES):
                # The URL has no file name: the file is cached under the name that the server sent.
                path = next(path.parent.glob("[!.]*"), path)
            if await self._is_intact(path, sha256, recheck=recheck):
                return CachedFile(path=path, sha256=sha256)
        return None

    async def _is_intact(self, path: Path, sha256: str, *, recheck: bool = False) -> bool:
        """Return whether a cached file is there with its digest; a damaged one is removed."""
        status = _read_status(path)
        record = path.with_name(_CHECKED)
        if status is None:
            return False
        if not recheck and status == _read_record(record):
            return True
        try:
            found = await self._verify(path, ExpectedHashes(filename=path.name))
        except OSError as problem:
            reraise_shortage(problem)
            return False
        if found.sha256 != sha256:
            self._on_damage(f"{path}: the cached file is damaged; it is removed and fetched again")
            _remove(path, record)
            return False
        _write_record(record, status)
        return True

    def _path(self, sha256: str, filename: str) -> Path:
        return self._folder / sha256 / filename

    def sidecar(self, sha256: str | None, suffix: str) -> Path | None:
        """Return the path for data about a file; None if its sha256 is unknown."""
        valid = ExpectedHashes(filename="", promised={"sha256": sha256 or ""}).sha256
        return self._folder / f"{valid}{suffix}" if valid else None

    async def fetch(self, url: str, expected: ExpectedHashes, on_progress: Progress) -> CachedFile:
        """Download a file, or wait for another process that does.

        Raises:
            PackageIndexError: the file cannot be downloaded.
            HashMismatchError: the file does not have the expected hashes; it is deleted.
            OSError: no space, no permission.
        """
        expected.check_consistent()
        self._prepare()
        if (sha256 := expected.sha256) is None:
            return await self._download_unlocked(url, expected, on_progress)
        try:
            lock = await self._locks.acquire(
                self._folder / f"{sha256}{_PARTIAL}", on_wait=_ignore_holder
            )
        except LockError:  # The file system has no locks: two processes may fetch the same file.
            return await self._download_unlocked(url, expected, on_progress)
        try:
            if not _writable(lock.fds[0]):  # The file of another user, in a shared cache.
                return await self._download_unlocked(url, expected, on_progress)
            return await self._download_locked(lock, sha256, url, expected, on_progress)
        finally:
            lock.release()

    async def _download_locked(
        self,
        lock: LockGuard,
        sha256: str,
        url: str,
        expected: ExpectedHashes,
        on_progress: Progress,
    ) -> CachedFile:
        """Download a file under its lock; an unfinished download stays for the next attempt.

        The locked path is this process's until it is renamed: nothing is removed after that.
        """
        partial = self._folder / f"{sha256}{_PARTIAL}"
        validator = partial.with_suffix(_VALIDATOR)
        download = Download(lock.fds[0], expected, on_progress, validator_path=validator)
        try:
            path = self._path(sha256, expected.filename)
            # Downloaded while this waited, or other hashes are required.
            if await self._is_intact(path, sha256):
                _remove(partial, validator)
                return await self.find(expected) or await self._verify(path, expected)
            await in_thread(self._executor, download.hash_existing)
            await self._connect().download(url, download)
            validator.unlink(missing_ok=True)
        except BaseException as problem:
            if isinstance(problem, HashMismatchError) or not download.received:
                _remove(partial, validator)
            raise
        return self._store(partial, sha256, expected.filename)

    async def _download_unlocked(
        self, url: str, expected: ExpectedHashes, on_progress: Progress
    ) -> CachedFile:
        with self._temporary_file() as (temporary, fd):
            sha256 = await self._connect().download(url, Download(fd, expected, on_progress))
            return self._store(temporary, sha256, expected.filename)

    async def fetch_url(
        self,
        url: str,
        expected: ExpectedHashes,
        on_progress: Progress,
        *,
        refresh: bool = False,
    ) -> CachedFile:
        """Download the file at a URL; a cached one is revalidated by its ETag.

        The file name is that of the URL, or the server's. Raises what `fetch` does.

        Args:
            url: any.
            expected: the expected hashes.
            on_progress: as for `fetch`.
            refresh: whether a cached file is ignored unless its digest is expected.
        """
        if (found := await self.find(expected, recheck=refresh)) is not None:
            return found
        if expected.sha256 is not None and expected.filename.endswith(_FILE_SUFFIXES):
            return await self.fetch(url, expected, on_progress)
        self._prepare()
        record_path = self._folder / f"{hashlib.sha256(os.fsencode(url)).hexdigest()}{_URL}"
        record = _UrlRecord() if refresh else await self._read_url_record(record_path)
        with self._temporary_file() as (temporary, fd):
            download = Download(fd, expected, on_progress, etag=record.etag)
            if not (sha256 := await self._connect().download(url, download)):
                return await self._verify(self._path(record.sha256, record.filename), expected)
            fetched = self._store(
                temporary, sha256, _choose_filename(url, download.url, download.response_headers)
            )
        if etag := download.response_headers.get("etag", ""):
            entry = _UrlRecord(etag=etag, sha256=sha256, filename=fetched.path.name)
            atomic_write(record_path, msgspec.msgpack.encode(entry))
        return fetched

    async def _verify(self, path: Path, expected: ExpectedHashes) -> CachedFile:
        return await in_thread(self._executor, verify_file, path, expected)

    async def _read_url_record(self, path: Path) -> _UrlRecord:
        with suppress(OSError, ValueError):
            content = await in_thread(self._executor, path.read_bytes)
            record = decode_msgpack(content, _UrlRecord)
            file = self._path(record.sha256, record.filename)
            if await self._is_intact(file, record.sha256):
                return record
        return _UrlRecord()

    @contextmanager
    def _temporary_file(self) -> Iterator[tuple[Path, int]]:
        fd, name = tempfile.mkstemp(dir=self._folder, prefix=_NEW)
        try:
            yield Path(name), fd
        finally:
            os.close(fd)
            Path(name).unlink(missing_ok=True)

    def _store(self, temporary: Path, sha256: str, filename: str) -> CachedFile:
        final = self._path(sha256, filename)
        final.parent.mkdir(exist_ok=True)
        temporary.replace(final)
        if (status := _read_status(final)) is not None:
            _write_record(final.with_name(_CHECKED), status)
        return CachedFile(path=final, sha256=sha256)

    def _prepare(self) -> None:
        """Create the folder and, once in a run, remove old unfinished downloads."""
        if self._swept:
            return
        self._swept = True
        self._folder.mkdir(parents=True, exist_ok=True)
        oldest = self._clock.now().timestamp() - MAX_PARTIAL_AGE
        for path in self._folder.iterdir():
            unfinished = path.name.startswith(_NEW) or path.suffix in (_PARTIAL, _VALIDATOR)
            with suppress(OSError):
                if unfinished and path.stat().st_mtime < oldest:
                    _remove_unlocked(path)


def _read_status(path: Path) -> _Status | None:
    """Return the status of a regular file; None for anything else."""
    try:
        status = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return _Status(
        filename=path.name,
        inode=status.st_ino,
        size=status.st_size,
        mtime=status.st_mtime_ns,
    )


def _read_record(path: Path) -> _Status | None:
    with suppress(OSError, ValueError):
        return decode_msgpack(path.read_bytes(), _Status)
    return None


def _write_record(path: Path, status: _Status) -> None:
    with suppress(OSError):  # The digest is compared again then.
        atomic_write(path, msgspec.msgpack.encode(status))


def _writable(fd: int) -> bool:
    return fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


def _remove_unlocked(path: Path) -> None:
    """Remove a file unless a process writes to it."""
    try:
        lock = LockFile(path)
    except LockError:
        return
    try:
        if lock.lock() and lock.is_current:
            path.unlink()
    except LockError:
        path.unlink()
    finally:
        lock.close()


def verify_file(path: Path, expected: ExpectedHashes) -> CachedFile:
    """Hash a file where it is; blocks while it is read.

    Raises:
        HashMismatchError: the file does not have the expected hashes.
        FileNotFoundError: there is no such file.
    """
    verifier = HashVerifier(expected)
    with open_regular(path) as source:
        while chunk := source.read(1 << 20):
            verifier.update(chunk)
    return CachedFile(path=path, sha256=verifier.verify())


def _choose_filename(url: str, final_url: str, headers: Mapping[str, str]) -> str:
    """Return the name for a download: the first of three that has a known suffix."""
    message = Message()
    message["Content-Disposition"] = headers.get("content-disposition", "")
    names = [
        filename_in(url),
        _safe_filename(message.get_filename("") or ""),
        filename_in(final_url),
    ]
    return next((name for name in names if name.endswith(_FILE_SUFFIXES)), names[0])


def filename_in(url: str) -> str:
    """Return the last part of a URL's path as a file name."""
    return _safe_filename(unquote(urlsplit(url).path.rstrip("/").rpartition("/")[2]))


def _safe_filename(text: str) -> str:
    """Return an untrusted file name without path and leading dots."""
    return text.rpartition("/")[2].replace("\0", "").lstrip(".") or "download"


def _ignore_holder(holder: Holder | None) -> None:
    """Ignore the holder: the waiting build shows that its download does not grow."""


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
