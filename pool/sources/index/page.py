"""A page of a server: bounded as it is sent and as it is decompressed, and decoded to text."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from pool.common.errors import PackageIndexError
from pool.common.record import Record
from pool.common.redaction import redact_urls
from pool.sources.index.charset import find_charset
from pool.sources.index.simple_api import MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Mapping

__all__ = ["Page", "decode_text", "read_bounded"]

_GZIP = b"\x1f\x8b"
"""The first bytes of each member of a gzip file (RFC 1952)."""
_MAX_MEMBERS = 100
_TOO_LARGE = f"the page has more than {MAX_PAGE >> 20} MB"


class Page(Record, frozen=True, kw_only=True):
    """A page as the server sent it; decompressed on access, which may take a second."""

    status: int
    url: str
    """The URL after redirects."""
    headers: Mapping[str, str]
    """Case-insensitive."""
    sent: bytes

    @property
    def is_success(self) -> bool:
        """Whether the server has the page, and has sent it."""
        return 200 <= self.status < 300

    def read(self) -> bytes:
        """Return the content.

        Raises:
            PackageIndexError: it is damaged, or larger than `MAX_PAGE`.
        """
        encoding = self.headers.get("content-encoding", "").strip().lower()
        try:
            return _decompress(self.sent, encoding)
        except (zlib.error, ValueError) as problem:
            raise PackageIndexError(
                f"{redact_urls(self.url)}: the page cannot be decompressed: {problem}"
            ) from problem


async def read_bounded(chunks: AsyncIterable[bytes], url: str) -> bytes:
    """Return the bytes of a page as they are sent.

    Raises:
        PackageIndexError: there are more than `MAX_PAGE`.
    """
    sent = bytearray()
    async for chunk in chunks:
        sent += chunk
        if len(sent) > MAX_PAGE:
            raise PackageIndexError(f"{redact_urls(url)}: {_TOO_LARGE}")
    return bytes(sent)


def decode_text(content: bytes, content_type: str, url: str) -> str:
    """Decode a text file by the charset of its Content-Type, or as UTF-8.

    Raises:
        PackageIndexError: it cannot be decoded.
    """
    try:
        return content.decode(find_charset(content_type))
    except UnicodeDecodeError as problem:
        raise PackageIndexError(f"{redact_urls(url)}: not readable as text: {problem}") from problem


def _decompress(sent: bytes, encoding: str) -> bytes:
    """Return the content of a page.

    Raises:
        ValueError: it is larger than `MAX_PAGE`, ends too early, or has an unknown encoding.
        zlib.error: it is damaged.
    """
    if encoding in ("", "identity"):
        return sent
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise ValueError(f"the encoding {encoding[:20]!r} was not accepted")
    # 32 + 15: gzip and zlib by their header; servers send deflate without one, too.
    bare = encoding == "deflate" and sent[:1] != b"\x78"
    content, rest = bytearray(), sent
    for _ in range(_MAX_MEMBERS):
        decompressor = zlib.decompressobj(-15 if bare else 47)
        content += decompressor.decompress(rest, MAX_PAGE + 1 - len(content))
        if len(content) > MAX_PAGE:
            raise ValueError(_TOO_LARGE)
        if not decompressor.eof:
            raise ValueError("it is truncated")
        rest = decompressor.unused_data
        if not rest.startswith(_GZIP):
            return bytes(content)
    raise ValueError(f"it has more than {_MAX_MEMBERS} parts")
