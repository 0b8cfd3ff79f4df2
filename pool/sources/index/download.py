"""One download: which headers to send, and what to do with the response.

The bytes go to an open descriptor and through the hashes at once. A download that broke off is
resumed (RFC 9110, section 14), unless the file on the server has changed or the server does not
support ranges; the hashes then include the earlier bytes. Knows no HTTP client and no cache.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NoReturn, Protocol, TypeAlias, TypeVar

from pool.common.errors import HashMismatchError, PackageIndexError
from pool.common.record import Record
from pool.sources.index.hashes import HashVerifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from pool.sources.index.hashes import ExpectedHashes

__all__ = ["Download", "Progress", "Receiver", "Response", "ResponseMismatchError"]

Progress: TypeAlias = "Callable[[int, int | None], None]"
"""Called with the bytes received so far, and the size if it is known."""
T_co = TypeVar("T_co", covariant=True)

_PARTIAL, _NOT_MODIFIED, _NOT_SATISFIABLE = 206, 304, 416
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
_READ_SIZE = 1 << 20
_MAX_BYTES = 64 << 30
"""The most bytes of a file whose size the index does not list."""
_SLACK = 1 << 20
"""Bytes that a file may have beyond twice the listed size; some mirrors list wrong ones."""


class Response(Record, frozen=True, kw_only=True):
    """A response: success, not modified (304), or range not satisfiable (416)."""

    status: int
    url: str
    """The URL after redirects."""
    headers: Mapping[str, str]
    """Case-insensitive."""
    chunks: AsyncIterator[bytes]


class ResponseMismatchError(Exception):
    """The response does not fit the request; another attempt may succeed."""


class Receiver(Protocol[T_co]):
    """The consumer of a download; each attempt asks it for headers and hands it the response."""

    def headers(self) -> Mapping[str, str]:
        """Return the headers to send."""
        ...

    async def receive(self, response: Response) -> T_co:
        """Consume a response; a broken one, or `ResponseMismatchError`, leads to a new attempt."""
        ...

    def has_progressed(self) -> bool:
        """Return whether more was received than at the last call."""
        ...


class Download:
    """A file that is written to a descriptor, from its start or from where it broke off.

    Args:
        fd: open for reading and writing; its content is the start of the file (`hash_existing`).
        expected: the expected hashes.
        on_progress: called with the bytes received, for each chunk.
        validator_path: the file for the server's ETag or date, for a later run; None if each
            attempt starts at the first byte.
        etag: the ETag of a cached file; with it the response may be 304, not modified.
    """

    def __init__(
        self,
        fd: int,
        expected: ExpectedHashes,
        on_progress: Progress,
        *,
        validator_path: Path | None = None,
        etag: str = "",
    ) -> None:
        self._fd = fd
        self._expected = expected
        self._on_progress = on_progress
        self._validator_path = validator_path
        self._etag = etag
        self._verifier = HashVerifier(expected)
        self._resumed = False
        self._most_received = 0
        self.received = 0
        """Bytes in the file."""
        self.url = ""
        """The URL after redirects."""
        self.response_headers: Mapping[str, str] = {}
        """The headers of the last response."""

    def hash_existing(self) -> None:
        """Hash the bytes of earlier attempts; blocks while they are read."""
        while chunk := os.pread(self._fd, _READ_SIZE, self.received):
            self._verifier.update(chunk)
            self.received += len(chunk)
        self._most_received = self.received

    def headers(self) -> Mapping[str, str]:
        """Request the rest if the file is unchanged, or only a changed file."""
        if self._etag:
            return {"If-None-Match": self._etag}
        if self._validator_path is None or not self.received:
            return {}
        validator = _read_validator(self._validator_path)
        if_range = {"If-Range": validator} if validator else {}
        return {"Range": f"bytes={self.received}-", **if_range}

    def has_progressed(self) -> bool:
        """Return whether more bytes were received than ever before."""
        before, self._most_received = self._most_received, max(self._most_received, self.received)
        return self.received > before

    async def receive(self, response: Response) -> str:
        """Write the content; return the sha256 of the file, empty if it was not modified.

        Raises:
            HashMismatchError: the hashes differ.
            ResponseMismatchError: not the requested range; the next attempt requests all.
            OSError: no space.
        """
        self.url, self.response_headers = response.url, response.headers
        if response.status == _NOT_MODIFIED:
            if not self._etag:
                raise ResponseMismatchError("not modified, though no ETag was sent")
            return ""
        if response.status in (_PARTIAL, _NOT_SATISFIABLE):
            total = self._resume(response)
        else:
            total = self._start(response)
        if response.status != _NOT_SATISFIABLE:
            await self._write_chunks(response, total)
        return self._verify()

    def _resume(self, response: Response) -> int | None:
        """Check that the response starts where the file ends; return the size of the file."""
        content_range = response.headers.get("content-range", "")
        start, total = _parse_content_range(content_range)
        if response.status == _NOT_SATISFIABLE:
            start = total  # The file is complete: there is nothing after its last byte.
        if start != self.received:
            self._reset()
            raise ResponseMismatchError(f"not the requested range: {content_range or 'none'}")
        self._resumed = True
        return total

    def _start(self, response: Response) -> int | None:
        self._reset()
        if self._validator_path is not None and (validator := _validator(response)):
            self._validator_path.write_text(validator, encoding="utf-8")
        length = response.headers.get("content-length", "")
        return int(length) if length.isdecimal() else None

    def _reset(self) -> None:
        os.ftruncate(self._fd, 0)
        if self._validator_path is not None:
            self._validator_path.unlink(missing_ok=True)
        self._verifier, self._resumed, self.received = HashVerifier(self._expected), False, 0

    async def _write_chunks(self, response: Response, total: int | None) -> None:
        most = self._most_bytes
        if total is not None and total > most:
            self._refuse(most)
        total = total or self._expected.size
        async for chunk in response.chunks:
            if self.received + len(chunk) > most:
                self._refuse(most)
            self._verifier.update(chunk)
            _write(self._fd, chunk, self.received)
            self.received += len(chunk)
            self._on_progress(self.received, total)

    @property
    def _most_bytes(self) -> int:
        size = self._expected.size
        return _MAX_BYTES if size is None else 2 * size + _SLACK

    def _refuse(self, most: int) -> NoReturn:
        """Drop a file that is too large.

        Raises:
            PackageIndexError: always.
        """
        self._reset()
        listed = f"the index lists {self._expected.size:,} bytes" if self._expected.size else ""
        raise PackageIndexError(
            f"{self._expected.filename}: the server sends more than {most:,} bytes", hint=listed
        )

    def _verify(self) -> str:
        try:
            return self._verifier.verify()
        except HashMismatchError as problem:
            resumed = self._resumed
            self._reset()
            if resumed:
                # The earlier bytes may be damaged or of another file: start from the first byte.
                raise ResponseMismatchError(str(problem)) from problem
            raise


def _parse_content_range(text: str) -> tuple[int | None, int | None]:
    """Return the first byte and the size in a Content-Range header, as far as it has them."""
    match = _RANGE.fullmatch(text.strip())
    start, total = match.groups() if match else (None, None)
    return int(start) if start else None, int(total) if total and total != "*" else None


def _validator(response: Response) -> str:
    """Return the ETag or date of the file; a weak ETag must not be used for ranges."""
    etag = response.headers.get("etag", "")
    return etag if etag.startswith('"') else response.headers.get("last-modified", "")


def _read_validator(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _write(fd: int, chunk: bytes, at: int) -> None:
    written = 0
    while written < len(chunk):
        written += os.pwrite(fd, chunk[written:] if written else chunk, at + written)
