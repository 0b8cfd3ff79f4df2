"""Limits for unpacking archives of others; real packages stay far below each of them.

The limits of size and number are those of one unpacking and are checked before anything is written
or allocated. `UnpackLimits` counts for one archive and names it in its errors.
"""

from __future__ import annotations

from pool.common.cancellation import check_cancelled
from pool.common.errors import ArchiveError

__all__ = [
    "FREE_BYTES",
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_ENTRIES",
    "MAX_FOLDERS",
    "MAX_HEADER_BYTES",
    "MAX_PATH_BYTES",
    "MAX_RATIO",
    "UnpackLimits",
]

MAX_BYTES = 8 << 30
"""An archive that unpacks to more is refused; the largest sdists have some hundred MB."""
MAX_RATIO, FREE_BYTES = 200, 256 << 20
"""A higher compression ratio is refused, unless the content has at most this many bytes."""
MAX_ENTRIES = 200_000
"""Members of an archive; PyTorch has some 30,000."""
MAX_FOLDERS = 30_000
"""Linux has some 6,000; a path of a few hundred bytes can ask for a hundred."""
MAX_DEPTH = 100
"""The most folders above a file."""
MAX_PATH_BYTES = 2000
"""Half of PATH_MAX on Linux: the other half is for the folder in which the archive is unpacked."""
MAX_HEADER_BYTES = 1 << 20
"""Bytes of all extension headers of one member: long names, pax records, maps of sparse files."""

_SLACK = 1 << 20
"""Bytes that may be read ahead: they are in the content, but not yet counted as packed."""


class UnpackLimits:
    """The limits, and the counts of one archive so far."""

    def __init__(self, archive: str, packed: int) -> None:
        """Start counting.

        Args:
            archive: the name of the archive, for errors.
            packed: its size in bytes.
        """
        self.archive = archive
        self._packed = packed
        self._entries = 0
        self._folders = 0
        self._file_bytes = 0

    def refusal(self, name: str, reason: str) -> ArchiveError:
        """Return the error for a member."""
        short = name if len(name) <= 200 else f"{name[:100]}...{name[-50:]}"
        return ArchiveError(f"{self.archive}: refused: {short!r} {reason}")

    def count_entry(self, size: int = 0) -> None:
        """Count a member, before it is written, by the bytes that it announces.

        Raises:
            ArchiveError: there are too many members or bytes.
        """
        self._entries += 1
        self._file_bytes += size
        self.check_size(self._file_bytes)
        if self._entries > MAX_ENTRIES:
            raise self._excess(f"has more than {MAX_ENTRIES:,} files")

    def count_folder(self) -> None:
        """Count a folder that is created, for itself or for a file in it."""
        check_cancelled()
        self._folders += 1
        if self._folders > MAX_FOLDERS:
            raise self._excess(f"has more than {MAX_FOLDERS:,} folders")

    def check_size(self, unpacked: int, packed: int | None = None) -> None:
        """Check the number of unpacked bytes, written or announced.

        Args:
            unpacked: bytes.
            packed: the bytes of the archive that they came from; None: the whole archive.
        """
        check_cancelled()
        packed = self._packed if packed is None else min(self._packed, packed + _SLACK)
        if unpacked > min(MAX_BYTES, max(FREE_BYTES, MAX_RATIO * packed)):
            raise self._excess(f"unpacks to more than is allowed: {unpacked:,} bytes or more")

    def _excess(self, reason: str) -> ArchiveError:
        return ArchiveError(
            f"{self.archive}: {reason}",
            hint="if you trust it, unpack it yourself and build its folder",
        )
