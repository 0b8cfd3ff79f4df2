"""Limits for the content of wheels, which is read in pieces but may be far larger than the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.common.errors import ArchiveError

if TYPE_CHECKING:
    import zipfile

__all__ = ["MAX_BYTES", "MAX_DIRECTORY_BYTES", "MAX_MEMBERS", "check_content"]

MAX_BYTES = 16 << 30
"""A zip that unpacks to more is refused; the largest wheels have a few gigabytes."""
MAX_MEMBERS = 200_000
"""The largest wheels have some ten thousand files."""
MAX_DIRECTORY_BYTES = 32 << 20
MAX_RATIO, FREE_BYTES = 200, 1 << 30
"""A higher compression ratio is refused, unless the content has at most this many bytes."""


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
