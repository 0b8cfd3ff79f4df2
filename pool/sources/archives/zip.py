"""Reads the members of a zip file; links are members like those of a tar."""

from __future__ import annotations

import io
import stat
from datetime import datetime
from typing import TYPE_CHECKING

from pool.sources.archives.limits import MAX_ENTRIES, MAX_PATH_BYTES
from pool.sources.archives.member import ArchiveMember, MemberKind, Reader
from pool.sources.bounded_zip import open_zip

if TYPE_CHECKING:
    import zipfile
    from typing import IO

    from pool.sources.archives.limits import UnpackLimits
    from pool.sources.archives.member import Members

__all__ = ["is_zip", "read_zip"]

MAX_DIRECTORY_BYTES = 64 << 20
"""Bytes of the central directory; 100,000 members have some 13 MB."""

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
    with open_zip(file, max_directory_bytes=MAX_DIRECTORY_BYTES, max_members=MAX_ENTRIES) as zipped:
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
