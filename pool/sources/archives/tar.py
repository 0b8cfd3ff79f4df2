"""Reads the members of a tar file: ustar, pax, GNU long names and sparse files, base-256 numbers.

`tarfile` is not used: it reads headers of any size into memory, follows chains of headers by
recursion, and its pattern for pax records takes quadratic time while it holds the interpreter
(CVE-2024-6232). Here each header is bounded before it is read, and parsed in linear time.

The formats are in tar(5) of libarchive, pax(1) of POSIX, and the chapter "Tar Internals" of GNU
tar's manual. Deliberately stricter than `tarfile`, which takes a broken header for the end.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

from pool.common.record import MutableRecord
from pool.sources.archives.limits import MAX_HEADER_BYTES
from pool.sources.archives.member import ArchiveMember, MemberKind, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pool.sources.archives.compression import TarStream
    from pool.sources.archives.member import Members

__all__ = ["read_tar"]

_BLOCK = 512
_CHUNK_BYTES = 1 << 20
_MAX_DIGITS = 20
_KINDS = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"S": MemberKind.FILE,
    b"1": MemberKind.HARDLINK,
    b"2": MemberKind.SYMLINK,
    b"5": MemberKind.FOLDER,
    b"D": MemberKind.FOLDER,
}
"""Kinds by type flag; all others are special."""
_WITHOUT_CONTENT = frozenset((b"1", b"2", b"3", b"4", b"5", b"6"))
"""Types whose size does not count: pax writes that of the target for hard links."""
_VOLUME_LABEL = b"V"


def read_tar(stream: TarStream) -> Members:
    """Yield each member with its content, which must be read before the next member.

    Raises:
        ValueError, EOFError: the tar is damaged.
        ArchiveError: a limit of the stream.
    """
    header_reader, is_empty = _HeaderReader(stream), True
    while (entry := header_reader.read_entry()) is not None:
        is_empty = False
        content = _Content(stream, entry.size)
        if entry.type != _VOLUME_LABEL:
            yield _open_member(entry, content)
        content.skip()
    if is_empty and not header_reader.has_end:
        raise ValueError("it is empty")
    # The checksum of the compressed content follows the padding, at the end.
    while stream.read(_CHUNK_BYTES):
        pass


class _Header(MutableRecord):
    """The fields of one header block, and those of the extension headers before it."""

    name: str
    type: bytes
    link: str
    size: int
    mode: int
    mtime: float | None
    block: bytes
    sparse_parts: list[tuple[int, int]] | None = None
    """Offset and size of the parts that are stored; None if it is not sparse."""
    has_sparse_map: bool = False
    """Whether the content begins with the map of the parts (pax format 1.0)."""
    real_size: int = 0
    """Bytes of a sparse file with its holes."""


class _Content:
    """The stored content of one member."""

    def __init__(self, stream: TarStream, size: int) -> None:
        self._stream = stream
        self._remaining = size
        self._padding = -size % _BLOCK

    def read(self, size: int) -> bytes:
        if not (size := min(size, self._remaining)):
            return b""
        if not (data := self._stream.read(size)):
            raise EOFError("it is truncated")
        self._remaining -= len(data)
        return data

    def skip(self) -> None:
        """Go to the next header."""
        while self.read(_CHUNK_BYTES):
            pass
        # The padding of the last member may be missing.
        while self._padding and (data := self._stream.read(self._padding)):
            self._padding -= len(data)


class _HeaderReader:
    """Reads headers; extension headers are applied to the one that follows them."""

    def __init__(self, stream: TarStream) -> None:
        self._stream = stream
        self._global: dict[bytes, bytes] = {}
        self._header_bytes = 0
        self.has_end = False
        """Whether a block of zeros marked the end."""

    def read_entry(self) -> _Header | None:
        """Return the header of the next member; None at the end."""
        name: bytes | None = None
        link: bytes | None = None
        pax: list[tuple[bytes, bytes]] = []
        self._header_bytes = 0
        while (header := self._read_header()) is not None:
            match header.type:
                case b"L":
                    name = _cut(self._read_extension(header.size))
                case b"K":
                    link = _cut(self._read_extension(header.size))
                case b"x" | b"X":
                    pax += _parse_pax(self._read_extension(header.size))
                case b"g":
                    self._global.update(_parse_pax(self._read_extension(header.size)))
                case _:
                    return self._complete(header, name, link, pax)
        if name is not None or link is not None or pax:
            raise EOFError("it is truncated")
        return None

    def _complete(
        self,
        header: _Header,
        name: bytes | None,
        link: bytes | None,
        records: list[tuple[bytes, bytes]],
    ) -> _Header:
        header.name = header.name if name is None else _decode(name)
        header.link = header.link if link is None else _decode(link)
        if records or self._global:
            _apply_pax(header, self._global, records)
        elif header.type == b"S":
            self._read_old_sparse_map(header)
        if header.type in _WITHOUT_CONTENT:
            header.size = 0
        return header

    def _read_header(self) -> _Header | None:
        block = self._read_up_to(_BLOCK)
        if not block.strip(b"\0"):
            self.has_end = bool(block)
            return None
        if len(block) < _BLOCK:
            raise EOFError("it is truncated")
        return _parse_header(block)

    def _read_up_to(self, size: int) -> bytes:
        """Return this many bytes, fewer only at the end."""
        chunks = []
        while size and (data := self._stream.read(size)):
            chunks.append(data)
            size -= len(data)
        return b"".join(chunks)

    def _read_extension(self, size: int) -> bytes:
        """Return the content of an extension header."""
        self._header_bytes += _BLOCK + size
        if self._header_bytes > MAX_HEADER_BYTES:
            raise ValueError(
                f"a member's headers have {self._header_bytes:,} bytes, more than is allowed"
            )
        data = self._read_up_to(size + -size % _BLOCK)
        if len(data) < size:
            raise EOFError("it is truncated")
        return data[:size]

    def _read_old_sparse_map(self, header: _Header) -> None:
        """Read the map of a sparse file in the old GNU format: a part is in the header itself."""
        numbers = [*_sparse_numbers(header.block[386:482])]
        header.real_size = _parse_number(header.block[483:495])
        more = header.block[482]
        while more:
            block = self._read_extension(_BLOCK)
            numbers += _sparse_numbers(block[:504])
            more = block[504]
        header.sparse_parts = numbers


def _parse_header(block: bytes) -> _Header:
    """Parse a header block (ustar, or older)."""
    checksum = _parse_number(block[148:156])
    rest = block[:148] + bytes(8 * b" ") + block[156:]
    # Some old programs added signed bytes.
    if checksum not in (sum(rest), sum(struct.unpack("512b", rest))):
        raise ValueError("a header has a wrong checksum")
    name = _cut(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _cut(block[345:500])):
        name = prefix + b"/" + name
    return _Header(
        name=_decode(name),
        type=block[156:157],
        link=_decode(_cut(block[157:257])),
        size=_parse_number(block[124:136]),
        mode=_parse_number(block[100:108]),
        mtime=float(_parse_number(block[136:148], signed=True)),
        block=block,
    )


def _parse_number(text: bytes, *, signed: bool = False) -> int:
    """Parse an octal number, or one in base 256 (GNU)."""
    if text[0] in (0x80, 0xFF):
        number = int.from_bytes(text[1:], "big")
        if text[0] == 0xFF:
            number -= 1 << 8 * (len(text) - 1)
    else:
        digits = _cut(text).strip()
        if digits.strip(b"01234567"):
            raise ValueError("a header has an invalid number")
        number = int(digits or b"0", 8)
    if number < 0 and not signed:
        raise ValueError("a header has a negative number")
    return number


def _parse_decimal(text: bytes) -> int:
    if not text.isdigit() or len(text) > _MAX_DIGITS:
        raise ValueError("a header has an invalid number")
    return int(text)


def _cut(text: bytes) -> bytes:
    """Return a text without its end: the first NUL and what follows."""
    return text.partition(b"\0")[0]


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


# pax


def _parse_pax(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the records ``length key=value``, each of which ends with a line break that counts."""
    start = 0
    while start < len(data) and data[start]:
        space = data.find(b" ", start, start + _MAX_DIGITS + 1)
        if space < 0:
            raise ValueError("a pax record has an invalid length")
        end = start + _parse_decimal(data[start:space])
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals or not key or end > len(data) or data[end - 1 : end] != b"\n":
            raise ValueError("a pax record is invalid")
        yield key, value
        start = end


def _apply_pax(
    header: _Header, defaults: Mapping[bytes, bytes], records: Sequence[tuple[bytes, bytes]]
) -> None:
    """Replace fields of a header by those of its pax records; an empty value removes one."""
    pax = {key: value for key, value in {**defaults, **dict(records)}.items() if value}
    if path := pax.get(b"path"):
        header.name = _decode(path)
    if link := pax.get(b"linkpath"):
        header.link = _decode(link)
    if size := pax.get(b"size"):
        header.size = _parse_decimal(size)
    if mtime := pax.get(b"mtime"):
        header.mtime = _parse_time(mtime)
    if name := pax.get(b"GNU.sparse.name"):
        header.name = _decode(name)
    if size := pax.get(b"GNU.sparse.realsize", pax.get(b"GNU.sparse.size")):
        header.real_size = _parse_decimal(size)
        header.has_sparse_map = b"GNU.sparse.major" in pax
        header.sparse_parts = _pax_sparse_parts(pax, records)


def _parse_time(text: bytes) -> float | None:
    try:
        seconds = float(text[:64])
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


# Sparse files


def _sparse_numbers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield offset and size of the parts in a header block of the old GNU format."""
    for at in range(0, len(data), 24):
        offset, size = data[at : at + 12], data[at + 12 : at + 24]
        if not offset[0]:
            return
        yield _parse_number(offset), _parse_number(size)


def _pax_sparse_parts(
    pax: Mapping[bytes, bytes], records: Sequence[tuple[bytes, bytes]]
) -> list[tuple[int, int]]:
    """Return the parts according to the records of the formats 0.0 and 0.1."""
    if b"GNU.sparse.map" in pax:
        numbers = [_parse_decimal(number) for number in pax[b"GNU.sparse.map"].split(b",")]
        return list(zip(numbers[::2], numbers[1::2], strict=True))
    offsets, sizes = (
        [_parse_decimal(value) for key, value in records if key == b"GNU.sparse." + name]
        for name in (b"offset", b"numbytes")
    )
    return list(zip(offsets, sizes, strict=True))


def _read_sparse_map(content: _Content) -> list[tuple[int, int]]:
    """Read the map of the pax format 1.0: decimal numbers, one a line, padded to a block."""
    data, numbers, expected = b"", list[int](), 1
    used = 0
    while len(numbers) < expected:
        line, newline, rest = data.partition(b"\n")
        if not newline:
            if used > MAX_HEADER_BYTES or len(line) > _BLOCK:
                raise ValueError("the map of a sparse file is too long")
            data += _read_block(content)
            used += _BLOCK
            continue
        numbers.append(_parse_decimal(line))
        expected, data = 1 + 2 * numbers[0], rest
    return list(zip(numbers[1::2], numbers[2::2], strict=True))


def _read_block(content: _Content) -> bytes:
    data = b""
    while len(data) < _BLOCK:
        if not (more := content.read(_BLOCK - len(data))):
            raise EOFError("it is truncated")
        data += more
    return data


class _SparseContent:
    """The content of a sparse file, with zeros for its holes."""

    def __init__(self, content: _Content, parts: Sequence[tuple[int, int]], size: int) -> None:
        self._content = content
        self._parts = _check_parts(parts, size)[::-1]
        self._position = 0
        self._size = size

    def read(self, size: int) -> bytes:
        while self._parts and self._position >= sum(self._parts[-1]):
            self._parts.pop()
        if self._parts and self._position >= self._parts[-1][0]:
            data = self._content.read(min(size, sum(self._parts[-1]) - self._position))
            if not data:
                raise EOFError("it is truncated")
        else:
            end = self._parts[-1][0] if self._parts else self._size
            data = bytes(min(size, end - self._position))
        self._position += len(data)
        return data


def _check_parts(parts: Sequence[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    end = 0
    for offset, length in parts:
        if offset < end:
            raise ValueError("the map of a sparse file is invalid")
        end = offset + length
    if end > size:
        raise ValueError("the map of a sparse file is invalid")
    return [part for part in parts if part[1]]


# Members


def _open_member(header: _Header, content: _Content) -> tuple[ArchiveMember, Reader]:
    reader: Reader = content
    kind, size = _KINDS.get(header.type, MemberKind.SPECIAL), header.size
    if kind is MemberKind.FILE and header.sparse_parts is not None:
        parts = _read_sparse_map(content) if header.has_sparse_map else header.sparse_parts
        size = header.real_size
        reader = _SparseContent(content, parts, size)
    # Old tars have no type for folders.
    if kind is MemberKind.FILE and header.name.endswith("/"):
        kind = MemberKind.FOLDER
    return ArchiveMember(
        name=header.name,
        kind=kind,
        link=header.link,
        size=size if kind is MemberKind.FILE else 0,
        executable=bool(header.mode & 0o111),
        mtime=header.mtime,
    ), reader
