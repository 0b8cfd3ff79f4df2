"""Opens zip files of others with bounds that `zipfile` does not have.

`zipfile` reads the directory at the end of a zip in one piece, and makes an object of each of its
members. The size in the last end record is checked first, for a clear reason; then each read is
bounded, because `zipfile` may use another end record.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
from typing import IO

__all__ = ["open_zip"]

_ENTRY_MAGIC = b"PK\1\2"
"""Begins each entry of the directory."""
_END, _END64 = b"PK\5\6", b"PK\6\6"
_TAIL_BYTES = (1 << 16) + 128
"""The end record has a comment of up to 64 KiB."""


def open_zip(file: IO[bytes], *, max_directory_bytes: int, max_members: int) -> zipfile.ZipFile:
    """Open a zip; ``file`` stays open when it is closed.

    Raises:
        ValueError: its directory has more bytes or members, or it has an invalid offset.
        OSError, zipfile.BadZipFile, NotImplementedError: it is damaged.
    """
    if (size := _announced_size(file)) > max_directory_bytes:
        raise ValueError(f"its list of files is too long: {size:,} bytes")
    return zipfile.ZipFile(_BoundedFile(file, max_directory_bytes, max_members))


def _announced_size(file: IO[bytes]) -> int:
    """Return the size of the directory by the last end record; 0 if there is none."""
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


class _BoundedFile(io.BufferedReader):
    """A file of which no more than a directory is read in one piece."""

    def __init__(self, file: IO[bytes], max_bytes: int, max_members: int) -> None:
        super().__init__(io.FileIO(file.fileno(), closefd=False))
        self._max_bytes = max_bytes
        self._max_members = max_members

    def read(self, size: int | None = -1, /) -> bytes:
        most = self._max_bytes + 1
        data = super().read(most if size is None or size < 0 else min(size, most))
        if len(data) == most:
            raise ValueError(f"its list of files is too long: more than {self._max_bytes:,} bytes")
        if data.count(_ENTRY_MAGIC) > self._max_members:
            raise ValueError(f"it has more than {self._max_members:,} files")
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_SET and offset < 0:
            raise ValueError("it has an invalid offset")
        return super().seek(offset, whence)
