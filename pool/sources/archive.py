"""Source archives, unpacked with nothing written outside of the folder given.

What an archive has no business to contain is refused by name: paths and links that lead out,
devices, sizes that only a bomb has. A failed unpacking leaves nothing behind.

Files are written by `_Tree`, not by `tarfile`: its filter asks the file system where each path
leads, which takes as long as all the rest, and misses links behind links where Python is old
(CVE-2025-4517). Here it is enough to look at names: nothing is ever written through a link,
and links climb only before they descend. Modes are reduced to "executable or not"; times are
kept, since generated sources are judged by them.
"""

# Thousands of files: a Path for each costs more than writing it.
# ruff: noqa: PTH102, PTH108, PTH112, PTH114, PTH123, PTH211
from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from datetime import datetime
from posixpath import dirname, normpath
from typing import TYPE_CHECKING, Protocol

from pool.common.errors import ArchiveError
from pool.common.files import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO
    from pathlib import Path
    from typing import BinaryIO

__all__ = [
    "FREE_BYTES",
    "MOST_BYTES",
    "MOST_RATIO",
    "SUFFIXES",
    "damage_named",
    "decompressed",
    "unpack",
]

SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
MOST_BYTES = 8 << 30
"""An archive that unpacks to more is refused; the largest sdists have some hundred megabytes."""
MOST_RATIO, FREE_BYTES = 1000, 256 << 20
"""One that grows by more than this ratio is refused, unless it stays small all the same."""

_CHUNK = 1 << 20
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    MemoryError,
    # What zipfile and tarfile raise for fields that make no sense, and for what they cannot read.
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)


def unpack(archive: Path, into: Path) -> Path:
    """Unpack an sdist and return its project's folder; ``into`` is made, and removed on failure.

    Raises:
        ArchiveError: it is damaged, or has what it must not have; the message names the member.
        OSError: no space, no permission, or the archive is gone.
    """
    into.mkdir(parents=True)
    try:
        with damage_named(archive), archive.open("rb") as file:
            tree = _Tree(archive.name, into)
            packed = archive.stat().st_size
            unpacked = _unzip if archive.name.endswith(".zip") else _untar
            unpacked(file, tree, _Scales(archive.name, packed))
        return _root(archive, into)
    except BaseException:
        remove_tree(into)
        raise


@contextmanager
def damage_named(archive: Path) -> Iterator[None]:
    """Turn all that an archive raises when it is damaged into an `ArchiveError`."""
    try:
        yield
    except Exception as problem:
        if isinstance(problem, _DAMAGED) or _of_bz2(problem):
            reason = str(problem) or type(problem).__name__
            raise ArchiveError(f"{archive.name}: damaged: {reason}") from problem
        raise


def _of_bz2(problem: BaseException) -> bool:
    """Bad bzip2 data is an OSError without a number."""
    return isinstance(problem, OSError) and problem.errno is None


class _Scales:
    """Weighs what comes out of an archive against what it is."""

    def __init__(self, archive: str, packed: int) -> None:
        self._archive = archive
        self._most = min(MOST_BYTES, max(FREE_BYTES, MOST_RATIO * packed))

    def weigh(self, unpacked: int) -> None:
        if unpacked > self._most:
            raise ArchiveError(
                f"{self._archive}: unpacks to absurdly much: {unpacked:,} bytes and more"
            )


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Tree:
    """A new folder that is filled, and nothing outside of it."""

    def __init__(self, archive: str, root: Path) -> None:
        self._archive = archive
        self._root = str(root)
        self._folders = {""}
        self._files: set[str] = set()
        self._links: set[str] = set()

    def refused(self, name: str, reason: str) -> ArchiveError:
        """Return the error for a member."""
        return ArchiveError(f"{self._archive}: refused: {name!r} {reason}")

    def folder(self, name: str) -> None:
        """Make a folder and those above it."""
        self._make(self._place(name), name)

    def file(
        self, name: str, source: _Reader, size: int, *, executable: bool, mtime: float | None
    ) -> None:
        """Write a file; one of the same name is replaced, as with tar."""
        place = self._new(name)
        self._files.add(place)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        mode = 0o777 if executable else 0o666
        with open(os.open(f"{self._root}/{place}", flags, mode), "wb", buffering=0) as target:
            while size > 0:
                chunk = source.read(min(size, _CHUNK))
                if not chunk:
                    raise EOFError(f"{name!r} breaks off")
                size -= len(chunk)
                _write(target, chunk)
            if mtime is not None:
                os.utime(target.fileno(), (mtime, mtime))

    def symlink(self, name: str, link: str) -> None:
        """Make a link to something inside, which need not be there (yet)."""
        place = self._new(name)
        # Without "..", but for leading ones, no other link can bend the way back.
        target = normpath(link)
        if not link or target.startswith("/"):
            raise self.refused(name, f"is a link to {link!r}, an absolute path")
        if normpath(f"{dirname(place)}/{target}".lstrip("/")).startswith(".."):
            raise self.refused(name, f"is a link to {link!r}, outside of the archive")
        os.symlink(target, f"{self._root}/{place}")
        self._links.add(place)

    def hardlink(self, name: str, link: str) -> None:
        """Make a second name for a file that was written before."""
        target = self._place(link)
        if target not in self._files or target == self._place(name):
            raise self.refused(name, f"is a link to {link!r}, which is no file before it")
        place = self._new(name)
        self._files.add(place)
        os.link(f"{self._root}/{target}", f"{self._root}/{place}")

    def _place(self, name: str) -> str:
        """Return the path of a member below the root, without oddities."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/"):
            raise self.refused(name, "is an absolute path")
        if ".." in parts:
            raise self.refused(name, "leads out of the archive")
        return "/".join(parts)

    def _new(self, name: str) -> str:
        """Return the path for something new; its folder is made, what had its name is gone."""
        place = self._place(name)
        self._make(dirname(place), name)
        if place in self._folders:
            raise self.refused(name, "is a folder as well")
        if place in self._files:
            self._files.discard(place)
            os.unlink(f"{self._root}/{place}")
        if place in self._links:
            raise self.refused(name, "is a link as well")
        return place

    def _make(self, folder: str, name: str) -> None:
        if folder in self._folders:
            return
        self._make(dirname(folder), name)
        path = f"{self._root}/{folder}"
        try:
            os.mkdir(path)
        except FileExistsError as problem:
            # Asked of the file system, so that it also holds where names ignore case.
            if os.path.islink(path) or not os.path.isdir(path):
                raise self.refused(name, "goes through a link or a file") from problem
        self._folders.add(folder)


def _write(target: FileIO, chunk: bytes) -> None:
    while chunk:
        chunk = chunk[target.write(chunk) :]


class _Stream:
    """What a compressed file unpacks to: read once from front to back, and weighed."""

    def __init__(self, source: _Reader, scales: _Scales) -> None:
        self._source = source
        self._scales = scales
        self._at = 0

    def tell(self) -> int:
        return self._at

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self._at += len(data)
        self._scales.weigh(self._at)
        return data

    def seek(self, position: int) -> None:
        while self._at < position and self.read(min(position - self._at, _CHUNK)):
            pass


def _untar(file: BinaryIO, tree: _Tree, scales: _Scales) -> None:
    with decompressed(file) as source:
        stream = _Stream(source, scales)
        with tarfile.open(fileobj=stream, mode="r:") as tar:  # type: ignore[call-overload] # it needs no more than these three methods
            for member in tar:
                _put(member, stream, tree)
        # The checksum is at the very end, behind the padding.
        while stream.read(_CHUNK):
            pass


def decompressed(file: BinaryIO) -> BinaryIO | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile:
    """Open a tar by its content: there are plain and bzip2 tars that are called .tar.gz."""
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(file)
    if magic.startswith(b"BZh"):
        return bz2.open(file)
    if magic.startswith(b"\xfd7zXZ\0"):
        return lzma.open(file)
    return file


def _put(member: tarfile.TarInfo, stream: _Stream, tree: _Tree) -> None:
    name = member.name
    if member.isdir():
        tree.folder(name)
    elif member.issym():
        tree.symlink(name, member.linkname)
    elif member.islnk():
        tree.hardlink(name, member.linkname)
    elif member.isreg() and not member.issparse():
        stream.seek(member.offset_data)
        executable, mtime = bool(member.mode & 0o100), min(max(member.mtime, 0), 1 << 33)
        tree.file(name, stream, member.size, executable=executable, mtime=mtime)
    else:
        raise tree.refused(name, "is a device, a pipe or another thing that no sdist has")


def _unzip(file: BinaryIO, tree: _Tree, scales: _Scales) -> None:
    with zipfile.ZipFile(file) as zipped:
        members = zipped.infolist()
        scales.weigh(sum(member.file_size for member in members))
        for member in members:
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise tree.refused(member.filename, "is a link or a device")
            if member.is_dir():
                tree.folder(member.filename)
                continue
            with zipped.open(member) as source:
                executable, mtime = bool(mode & 0o100), _zip_time(member)
                size = member.file_size
                tree.file(member.filename, source, size, executable=executable, mtime=mtime)
                # Reading on at the end compares the checksum.
                source.read(1)


def _zip_time(member: zipfile.ZipInfo) -> float | None:
    """Return the time of a member, which a zip has in nobody's time zone; None for nonsense."""
    try:
        return datetime(*member.date_time).astimezone().timestamp()
    except (ValueError, OverflowError):
        return None


def _root(archive: Path, into: Path) -> Path:
    """Return the one folder that an sdist has at its top (PEP 517, PEP 625)."""
    top = list(into.iterdir())
    if len(top) != 1 or not top[0].is_dir() or top[0].is_symlink():
        raise ArchiveError(f"{archive.name}: not an sdist: it has no single folder at its top")
    return top[0]
