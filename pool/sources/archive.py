"""Source archives, unpacked with nothing written outside of the folder given.

What an archive has no business to contain is refused by name: paths and links that lead out,
devices, sizes that only a bomb has. A failed unpacking leaves nothing behind.
"""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pool.errors import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["MOST_BYTES", "SUFFIXES", "unpack"]

SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
MOST_BYTES = 8 << 30
"""An archive that unpacks to more is refused; the largest sdists have some hundred megabytes."""
MOST_RATIO, FREE_BYTES = 1000, 256 << 20
"""One that grows by more than this ratio is refused, unless it stays small all the same."""

_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError)


def unpack(archive: Path, into: Path) -> Path:
    """Unpack an sdist and return its project's folder; ``into`` is made, and removed on failure.

    Raises:
        ArchiveError: it is damaged, or has what it must not have; the message names the member.
        OSError: no space, no permission, or the archive is gone.
    """
    into.mkdir(parents=True)
    try:
        if archive.name.endswith(".zip"):
            _unzip(archive, into)
        else:
            _untar(archive, into)
        return _root(archive, into)
    except BaseException as problem:
        shutil.rmtree(into, ignore_errors=True)
        if isinstance(problem, _DAMAGED):
            reason = str(problem) or type(problem).__name__
            raise ArchiveError(f"{archive.name}: damaged: {reason}") from problem
        raise


def _untar(archive: Path, into: Path) -> None:
    with tarfile.open(archive) as tar:
        members = _weighed(_tar_members(archive, tar, into), archive)
        tar.extractall(into, members=members, filter=_already_filtered)  # noqa: S202 - all are checked in _tar_members


def _already_filtered(member: tarfile.TarInfo, _: str) -> tarfile.TarInfo:
    return member


def _tar_members(archive: Path, tar: tarfile.TarFile, into: Path) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        if PurePosixPath(member.name).is_absolute():
            raise ArchiveError(f"{archive.name}: {member.name!r} is an absolute path")
        try:
            yield tarfile.data_filter(member, str(into))
        except tarfile.FilterError as problem:
            raise ArchiveError(f"{archive.name}: refused: {problem}") from problem


def _weighed(members: Iterable[tarfile.TarInfo], archive: Path) -> Iterator[tarfile.TarInfo]:
    total, packed = 0, archive.stat().st_size
    for member in members:
        total += member.size
        _weigh(total, packed, archive)
        yield member


def _weigh(total: int, packed: int, archive: Path) -> None:
    if total > MOST_BYTES or (total > FREE_BYTES and total > MOST_RATIO * packed):
        raise ArchiveError(f"{archive.name}: unpacks to absurdly much: {total:,} bytes and more")


def _unzip(archive: Path, into: Path) -> None:
    with zipfile.ZipFile(archive) as zipped:
        members = zipped.infolist()
        _weigh(sum(member.file_size for member in members), archive.stat().st_size, archive)
        for member in members:
            _check_zip_member(member, archive)
            target = Path(zipped.extract(member, into))
            if member.external_attr >> 16 & 0o100 and not member.is_dir():
                target.chmod(0o755)


def _check_zip_member(member: zipfile.ZipInfo, archive: Path) -> None:
    path, kind = PurePosixPath(member.filename), stat.S_IFMT(member.external_attr >> 16)
    if path.is_absolute():
        raise ArchiveError(f"{archive.name}: {member.filename!r} is an absolute path")
    if ".." in path.parts:
        raise ArchiveError(f"{archive.name}: {member.filename!r} leads out of the archive")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveError(f"{archive.name}: {member.filename!r} is a link or a device")


def _root(archive: Path, into: Path) -> Path:
    """Return the one folder that an sdist has at its top (PEP 517, PEP 625)."""
    top = [path for path in into.iterdir() if path.name != "pax_global_header"]
    if len(top) != 1 or not top[0].is_dir():
        raise ArchiveError(f"{archive.name}: not an sdist: it has no single folder at its top")
    return top[0]
