"""Limits for zip archives of others, checked before `zipfile` reads them into memory.

The directory at the end of a zip is read as a whole, and each of its members becomes an object; the
content is read in pieces, but may be far larger than the file.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from pool.common.errors import ArchiveError

if TYPE_CHECKING:
    import zipfile
    from typing import BinaryIO

__all__ = ["MAX_BYTES", "check_content", "check_directory"]

MAX_BYTES = 16 << 30
"""A zip that unpacks to more is refused; the largest wheels have a few gigabytes."""
MAX_MEMBERS = 200_000
"""The largest wheels have some ten thousand files."""
MAX_DIRECTORY_BYTES = 32 << 20
MAX_RATIO, FREE_BYTES = 200, 1 << 30
"""A higher compression ratio is refused, unless the content has at most this many bytes."""

_END, _END64 = b"PK\x05\x06", b"PK\x06\x06"
_TAIL_BYTES = (1 << 16) + 128
"""The end record has a comment of up to 64 KiB."""


def check_directory(file: BinaryIO) -> None:
    """Refuse a zip whose directory is too large to read.

    Raises:
        ArchiveError: it is; an archive without a directory is left to `zipfile`.
    """
    if (size := _directory_size(file)) > MAX_DIRECTORY_BYTES:
        raise ArchiveError(f"its list of files is too long: {size:,} bytes")


def _directory_size(file: BinaryIO) -> int:
    """Return what the end record says; 0 if there is none."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - _TAIL_BYTES))
    tail = file.read()
    start = tail.rfind(_END)
    if start < 0 or len(tail) < start + 22:
        return 0
    (size,) = struct.unpack_from("<L", tail, start + 12)
    # The record of zip64 lies before its locator of 20 bytes.
    if start >= 76 and tail[start - 76 : start - 72] == _END64:
        (size,) = struct.unpack_from("<Q", tail, start - 76 + 40)
    return int(size)


def check_content(archive: zipfile.ZipFile, packed: int) -> None:
    """Refuse a zip with too many members, or one that unpacks to too much.

    Args:
        archive: the open zip; `zipfile` reads no more of a member than its size here.
        packed: the size of the file in bytes.

    Raises:
        ArchiveError: a limit is exceeded.
    """
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise ArchiveError(f"it has more than {MAX_MEMBERS:,} files: {len(members):,}")
    size = sum(member.file_size for member in members)
    if size > min(MAX_BYTES, max(FREE_BYTES, MAX_RATIO * packed)):
        raise ArchiveError(f"it unpacks to more than is allowed: {size:,} bytes")
