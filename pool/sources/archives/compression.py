"""Decompression of tar files: gzip, bzip2, xz or none, detected from the content.

Some plain and bzip2 tars are called .tar.gz. The standard library's file classes are not used: they
have no bound for memory (xz) and none for the number of concatenated streams, and gzip's refuses
bytes after the end that gzip, pip and uv ignore.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO

    from pool.sources.archives.limits import UnpackLimits

__all__ = ["TarStream"]

MAX_STREAMS = 200_000
"""Compressed streams in one file; block gzip (bgzip) starts one for each 64 KiB."""
MAX_XZ_MEMORY = 512 << 20
"""Bytes for xz's dictionary; the highest preset needs 65 MiB."""

_CHUNK_BYTES = 1 << 14
_MAGIC_BYTES = 6


class _Decompressor(Protocol):
    """As in `bz2` and `lzma`."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def needs_input(self) -> bool: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipDecompressor:
    """`zlib`'s object with the interface of the others; zlib checks the CRC."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._object.eof

    @property
    def unused_data(self) -> bytes:
        return self._object.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._object.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._object.decompress(self._object.unconsumed_tail + data, max_length)


_FORMATS: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", _GzipDecompressor),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", lambda: lzma.LZMADecompressor(memlimit=MAX_XZ_MEMORY)),
)


def _create_decompressor(start: bytes) -> _Decompressor | None:
    """Return a decompressor for content that starts like this; None if it is not compressed."""
    create = next((create for magic, create in _FORMATS if start.startswith(magic)), None)
    return create() if create else None


class TarStream:
    """The decompressed content of a file, read once from front to back; its size is checked."""

    def __init__(self, file: IO[bytes], limits: UnpackLimits) -> None:
        self._file = file
        self._limits = limits
        self._packed = 0
        self._streams = 1
        self._ended = False
        self.position = 0
        self._input = self._read_packed(_CHUNK_BYTES)
        self._decompressor = _create_decompressor(self._input)

    def read(self, size: int) -> bytes:
        """Return at most this many bytes; nothing at the end.

        Raises:
            ArchiveError: the content is larger than is allowed.
            ValueError, EOFError, OSError, zlib.error, lzma.LZMAError: it is damaged.
        """
        if self._ended:
            return b""
        data = self._read_plain(size) if self._decompressor is None else self._decompress(size)
        self.position += len(data)
        self._limits.check_size(self.position, self._packed)
        return data

    def _read_packed(self, size: int) -> bytes:
        data = self._file.read(size)
        self._packed += len(data)
        return data

    def _read_plain(self, size: int) -> bytes:
        data, self._input = self._input[:size], self._input[size:]
        return data or self._read_packed(size)

    def _decompress(self, size: int) -> bytes:
        while (decompressor := self._decompressor) is not None:
            packed = b""
            if not decompressor.eof and decompressor.needs_input:
                packed = self._input or self._read_packed(_CHUNK_BYTES)
                self._input = b""
            data = b"" if decompressor.eof else decompressor.decompress(packed, size)
            if data:
                return data
            if decompressor.eof:
                self._start_next_stream(decompressor.unused_data)
            elif not packed and decompressor.needs_input:
                raise EOFError("it is truncated")
        return b""

    def _start_next_stream(self, rest: bytes) -> None:
        """Start the stream that follows, or end the content.

        Zeros between streams are padding; other bytes after the end are ignored, as by gzip.
        """
        rest = rest.lstrip(b"\0")
        while len(rest) < _MAGIC_BYTES and (more := self._read_packed(_CHUNK_BYTES)):
            rest = (rest + more).lstrip(b"\0")
            self._limits.check_size(self.position)
        self._decompressor, self._input = _create_decompressor(rest), rest
        self._ended = self._decompressor is None
        self._streams += 1
        self._limits.check_size(self.position)
        if self._streams > MAX_STREAMS:
            raise ValueError(f"it has more than {MAX_STREAMS:,} compressed streams")
