"""Reads the members of a zip file, with bounds that `zipfile` does not have.

`zipfile` parses the whole central directory at once: its size and the number of its entries are
checked first. Links are members like those of a tar.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
from datetime import datetime
from typing import TYPE_CHECKING

from pool.sources.archives.limits import MAX_ENTRIES, MAX_PATH_BYTES
from pool.sources.archives.member import ArchiveMember, MemberKind, Reader

if TYPE_CHECKING:
    from typing import IO

    from pool.sources.archives.limits import UnpackLimits
    from pool.sources.archives.member import Members

__all__ = ["is_zip", "read_zip"]

MAX_DIRECTORY_BYTES = 64 << 20
"""Bytes of the central directory; 100,000 members have some 13 MB."""

_ENTRY_MAGIC = b"PK\1\2"
"""Begins each entry of the central directory."""
_START_MAGIC = (b"PK\3\4", b"PK\5\6", b"PK\7\x08")
"""Begins a zip file: its first member, the end of an empty one, a part of a split one."""
_ENCRYPTED = 0x1
_DOS_FOLDER = 0x10
_UNIX_SYSTEMS = (3, 19)
"""Systems whose members have Unix modes: Unix, macOS."""
_KINDS = {
    0: MemberKind.FILE,
    stat.S_IFREG: MemberKind.FILE,
    stat.S_IFDIR: MemberKind.FOLDER,
    stat.S_IFLNK: MemberKind.SYMLINK,
}


def is_zip(file: IO[bytes]) -> bool:
    """Return whether a file begins as zip files do; it is rewound."""
    start = file.read(4)
    file.seek(0)
    return start.startswith(_START_MAGIC)


def read_zip(file: IO[bytes], limits: UnpackLimits) -> Members:
    """Yield each member with its content, which must be read before the next member.

    Raises:
        ArchiveError: a member cannot be read, or there are too many.
        ValueError, EOFError, OSError, zipfile.BadZipFile, NotImplementedError: it is damaged.
    """
    with zipfile.ZipFile(_BoundedFile(file)) as zipped:
        members = zipped.infolist()
        limits.check_size(sum(member.file_size for member in members))
        for info in members:
            if info.flag_bits & _ENCRYPTED:
                raise limits.refusal(info.filename, "is encrypted")
            kind = _kind(info)
            if kind in (MemberKind.FOLDER, MemberKind.SPECIAL):
                yield ArchiveMember(name=info.filename, kind=kind), io.BytesIO()
                continue
            with zipped.open(info) as content:
                yield _open_member(info, kind, content), content
                # Reading past the end verifies the checksum.
                content.read(1)


class _BoundedFile(io.BufferedReader):
    """A file for `zipfile`, which reads the central directory in one piece."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(io.FileIO(file.fileno(), closefd=False))

    def read(self, size: int | None = -1, /) -> bytes:
        most = MAX_DIRECTORY_BYTES + 1
        data = super().read(most if size is None or size < 0 else min(size, most))
        if len(data) == most:
            raise ValueError("its directory has more bytes than is allowed")
        if data.count(_ENTRY_MAGIC) > MAX_ENTRIES:
            raise ValueError(f"it has more than {MAX_ENTRIES:,} files")
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_SET and offset < 0:
            raise ValueError("it has an invalid offset")
        return super().seek(offset, whence)


def _kind(info: zipfile.ZipInfo) -> MemberKind:
    mode = info.external_attr >> 16
    if info.filename.endswith("/") or (not mode and info.external_attr & _DOS_FOLDER):
        return MemberKind.FOLDER
    kind = _KINDS.get(stat.S_IFMT(mode), MemberKind.SPECIAL)
    # Elsewhere these bits can mean anything.
    return kind if info.create_system in _UNIX_SYSTEMS else MemberKind.FILE


def _open_member(info: zipfile.ZipInfo, kind: MemberKind, content: Reader) -> ArchiveMember:
    link = ""
    if kind is MemberKind.SYMLINK:
        # A longer one is no path that any system takes.
        link = content.read(MAX_PATH_BYTES + 1).decode("utf-8", "surrogateescape")
    return ArchiveMember(
        name=info.filename,
        kind=kind,
        link=link,
        size=info.file_size if kind is MemberKind.FILE else 0,
        executable=bool(info.external_attr >> 16 & 0o111),
        mtime=_parse_time(info),
    )


def _parse_time(info: zipfile.ZipInfo) -> float | None:
    """Return the time of a member, taken as local since zip has no zones; None if invalid."""
    try:
        return datetime(*info.date_time).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        return None
