"""Unpacking of source archives; nothing is written outside of the target folder.

Members that an sdist must not have are refused, and the error names them: paths and links that lead
out of the archive, devices, and sizes of decompression bombs. A failed unpacking leaves nothing.

Files are written by `_TreeWriter`, not by `tarfile`, whose filter asks the file system where
each path leads. That takes as long as all the rest, and misses links behind links in old versions
of Python (CVE-2025-4517). Here it is enough to check names: nothing is ever written through a link,
and links climb only before they descend. Modes are reduced to executable or not. Times are
kept, because build tools compare them with those of generated sources.
"""

# Thousands of files: creating a Path for each takes longer than writing it.
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
    "MAX_BYTES",
    "MAX_RATIO",
    "SUFFIXES",
    "open_decompressed",
    "reraise_damage",
    "unpack",
]

SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
MAX_BYTES = 8 << 30
"""An archive that unpacks to more is refused; the largest sdists have some hundred MB."""
MAX_RATIO, FREE_BYTES = 1000, 256 << 20
"""A higher compression ratio is refused, unless the content has at most this many bytes."""

_CHUNK = 1 << 20
_DAMAGE_ERRORS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    MemoryError,
    # zipfile and tarfile raise these for invalid fields and for formats that they do not support.
    ValueError,
    OverflowError,
    NotImplementedError,
    RuntimeError,
)


def unpack(archive: Path, into: Path) -> Path:
    """Unpack an sdist and return its root folder; ``into`` is created, and removed on failure.

    Raises:
        ArchiveError: the archive is damaged, or has a member that is refused; it is named.
        OSError: no space, no permission, or the archive does not exist.
    """
    into.mkdir(parents=True)
    try:
        with reraise_damage(archive), archive.open("rb") as file:
            tree = _TreeWriter(archive.name, into)
            packed = archive.stat().st_size
            extract = _unzip if archive.name.endswith(".zip") else _untar
            extract(file, tree, _SizeLimit(archive.name, packed))
        return _find_root(archive, into)
    except BaseException:
        remove_tree(into)
        raise


@contextmanager
def reraise_damage(archive: Path) -> Iterator[None]:
    """Turn the errors of a damaged archive into an `ArchiveError`."""
    try:
        yield
    except Exception as problem:
        if isinstance(problem, _DAMAGE_ERRORS) or _is_bz2_error(problem):
            reason = str(problem) or type(problem).__name__
            raise ArchiveError(f"{archive.name}: damaged: {reason}") from problem
        raise


def _is_bz2_error(problem: BaseException) -> bool:
    """Return whether bz2 raised this for invalid data: an OSError without a number."""
    return isinstance(problem, OSError) and problem.errno is None


class _SizeLimit:
    """The limit for the unpacked size of an archive, by its packed size."""

    def __init__(self, archive: str, packed: int) -> None:
        self._archive = archive
        self._max_size = min(MAX_BYTES, max(FREE_BYTES, MAX_RATIO * packed))

    def check(self, unpacked: int) -> None:
        if unpacked > self._max_size:
            raise ArchiveError(
                f"{self._archive}: unpacks to more than is allowed: {unpacked:,} bytes or more"
            )


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _TreeWriter:
    """Writes members into a new folder, and nothing outside of it."""

    def __init__(self, archive: str, root: Path) -> None:
        self._archive = archive
        self._root = str(root)
        self._folders = {""}
        self._files: set[str] = set()
        self._links: set[str] = set()

    def refusal(self, name: str, reason: str) -> ArchiveError:
        """Return the error for a member."""
        return ArchiveError(f"{self._archive}: refused: {name!r} {reason}")

    def add_folder(self, name: str) -> None:
        """Create a folder and its parents."""
        self._make_folder(self._safe_path(name), name)

    def write_file(
        self, name: str, source: _Reader, size: int, *, executable: bool, mtime: float | None
    ) -> None:
        """Write a file; an earlier one of the same name is replaced, as by tar."""
        path = self._prepare_path(name)
        self._files.add(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        mode = 0o777 if executable else 0o666
        with open(os.open(f"{self._root}/{path}", flags, mode), "wb", buffering=0) as target:
            while size > 0:
                chunk = source.read(min(size, _CHUNK))
                if not chunk:
                    raise EOFError(f"{name!r} is truncated")
                size -= len(chunk)
                _write(target, chunk)
            if mtime is not None:
                os.utime(target.fileno(), (mtime, mtime))

    def add_symlink(self, name: str, link: str) -> None:
        """Create a link to a path inside, which need not exist (yet)."""
        path = self._prepare_path(name)
        # Normalized, ".." is only at the start, so other links cannot change the target.
        target = normpath(link)
        if not link or target.startswith("/"):
            raise self.refusal(name, f"is a link to {link!r}, an absolute path")
        if normpath(f"{dirname(path)}/{target}".lstrip("/")).startswith(".."):
            raise self.refusal(name, f"is a link to {link!r}, outside of the archive")
        os.symlink(target, f"{self._root}/{path}")
        self._links.add(path)

    def add_hardlink(self, name: str, link: str) -> None:
        """Create a second name for a file that was written before."""
        target = self._safe_path(link)
        if target not in self._files or target == self._safe_path(name):
            raise self.refusal(name, f"is a link to {link!r}, which is not an earlier file")
        path = self._prepare_path(name)
        self._files.add(path)
        os.link(f"{self._root}/{target}", f"{self._root}/{path}")

    def _safe_path(self, name: str) -> str:
        """Return the path of a member relative to the root, normalized."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/"):
            raise self.refusal(name, "is an absolute path")
        if ".." in parts:
            raise self.refusal(name, "leads out of the archive")
        return "/".join(parts)

    def _prepare_path(self, name: str) -> str:
        """Return the path for a new member: its folder is created, an earlier file removed."""
        path = self._safe_path(name)
        self._make_folder(dirname(path), name)
        if path in self._folders:
            raise self.refusal(name, "is a folder as well")
        if path in self._files:
            self._files.discard(path)
            os.unlink(f"{self._root}/{path}")
        if path in self._links:
            raise self.refusal(name, "is a link as well")
        return path

    def _make_folder(self, folder: str, name: str) -> None:
        if folder in self._folders:
            return
        self._make_folder(dirname(folder), name)
        path = f"{self._root}/{folder}"
        try:
            os.mkdir(path)
        except FileExistsError as problem:
            # The file system decides, so that names that differ only in case are found, too.
            if os.path.islink(path) or not os.path.isdir(path):
                raise self.refusal(name, "goes through a link or a file") from problem
        self._folders.add(folder)


def _write(target: FileIO, chunk: bytes) -> None:
    while chunk:
        chunk = chunk[target.write(chunk) :]


class _ForwardStream:
    """The decompressed content, read once from front to back, with its size checked."""

    def __init__(self, source: _Reader, limit: _SizeLimit) -> None:
        self._source = source
        self._scales = limit
        self._position = 0

    def tell(self) -> int:
        return self._position

    def read(self, size: int) -> bytes:
        data = self._source.read(size)
        self._position += len(data)
        self._scales.check(self._position)
        return data

    def seek(self, position: int) -> None:
        while self._position < position and self.read(min(position - self._position, _CHUNK)):
            pass


def _untar(file: BinaryIO, tree: _TreeWriter, limit: _SizeLimit) -> None:
    with open_decompressed(file) as source:
        stream = _ForwardStream(source, limit)
        with tarfile.open(fileobj=stream, mode="r:") as tar:  # type: ignore[call-overload] # it needs no more than these three methods
            for member in tar:
                _write_member(member, stream, tree)
        # The checksum follows the padding, at the end.
        while stream.read(_CHUNK):
            pass


def open_decompressed(file: BinaryIO) -> BinaryIO | gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile:
    """Open a tar by its content: some plain and bzip2 tars are called .tar.gz."""
    magic = file.read(6)
    file.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.open(file)
    if magic.startswith(b"BZh"):
        return bz2.open(file)
    if magic.startswith(b"\xfd7zXZ\0"):
        return lzma.open(file)
    return file


def _write_member(member: tarfile.TarInfo, stream: _ForwardStream, tree: _TreeWriter) -> None:
    name = member.name
    if member.isdir():
        tree.add_folder(name)
    elif member.issym():
        tree.add_symlink(name, member.linkname)
    elif member.islnk():
        tree.add_hardlink(name, member.linkname)
    elif member.isreg() and not member.issparse():
        stream.seek(member.offset_data)
        executable, mtime = bool(member.mode & 0o100), min(max(member.mtime, 0), 1 << 33)
        tree.write_file(name, stream, member.size, executable=executable, mtime=mtime)
    else:
        raise tree.refusal(
            name, "is a device, a pipe or another member that an sdist must not have"
        )


def _unzip(file: BinaryIO, tree: _TreeWriter, limit: _SizeLimit) -> None:
    with zipfile.ZipFile(file) as zipped:
        members = zipped.infolist()
        limit.check(sum(member.file_size for member in members))
        for member in members:
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise tree.refusal(member.filename, "is a link or a device")
            if member.is_dir():
                tree.add_folder(member.filename)
                continue
            with zipped.open(member) as source:
                executable, mtime = bool(mode & 0o100), _zip_time(member)
                size = member.file_size
                tree.write_file(member.filename, source, size, executable=executable, mtime=mtime)
                # Reading past the end verifies the checksum.
                source.read(1)


def _zip_time(member: zipfile.ZipInfo) -> float | None:
    """Return the time of a member, taken as local since zip has no zones; None if invalid."""
    try:
        return datetime(*member.date_time).astimezone().timestamp()
    except (ValueError, OverflowError):
        return None


def _find_root(archive: Path, into: Path) -> Path:
    """Return the single top-level folder of an sdist (PEP 517, PEP 625)."""
    top = list(into.iterdir())
    if len(top) != 1 or not top[0].is_dir() or top[0].is_symlink():
        raise ArchiveError(f"{archive.name}: not an sdist: it has no single top-level folder")
    return top[0]
