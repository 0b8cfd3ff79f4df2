"""One file on its way in: what to ask a server for, and what to do with its answer.

The bytes go to an open descriptor and through the digests at once. What broke off goes on where
it was (RFC 9110, section 14), unless the server has another file by now or does not know ranges;
the digests then cover what was there before as well. Knows no HTTP client and no cache.
"""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

from pool.common.errors import HashMismatchError
from pool.sources.index.hashes import HashVerifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from pool.sources.index.hashes import ExpectedHashes

__all__ = ["Answer", "Download", "Progress", "Receiver", "UnfitAnswerError"]

Progress: TypeAlias = "Callable[[int, int | None], None]"
"""Told the bytes so far, and in all where that is known."""
T_co = TypeVar("T_co", covariant=True)

_PARTIAL, _NOT_MODIFIED, _NOT_SATISFIABLE = 206, 304, 416
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")
_READ = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server sends: success, not modified (304), or a range it cannot satisfy (416)."""

    status: int
    url: str
    """Where it came from in the end."""
    headers: Mapping[str, str]
    """Names in any case."""
    chunks: AsyncIterator[bytes]


class UnfitAnswerError(Exception):
    """What came does not fit what was asked for; asking again can help."""


class Receiver(Protocol[T_co]):
    """What a download is for: asked before, and given the answer of, each attempt."""

    def headers(self) -> Mapping[str, str]:
        """Return what to ask for."""
        ...

    async def receive(self, answer: Answer) -> T_co:
        """Take an answer; what breaks off, or raises `UnfitAnswerError`, is tried again."""
        ...

    def got_further(self) -> bool:
        """Tell whether there is more now than when this was asked before."""
        ...


class Download:
    """A file that is written to a descriptor, from its beginning or from where it broke off.

    Args:
        fd: open for reading and writing; what the file has is its beginning (see `reread`).
        expected: its digests.
        on_progress: told of every chunk, with all bytes that are there.
        notes: where the server's name for this state of the file is kept, for a later run; None
            where every attempt begins at the first byte.
        etag: what the server called the file that is here already; with it the answer may be
            that there is nothing new.
    """

    def __init__(
        self,
        fd: int,
        expected: ExpectedHashes,
        on_progress: Progress,
        *,
        notes: Path | None = None,
        etag: str = "",
    ) -> None:
        self._fd = fd
        self._expected = expected
        self._on_progress = on_progress
        self._notes = notes
        self._etag = etag
        self._digests = HashVerifier(expected)
        self._resumed = False
        self._furthest = 0
        self.done = 0
        """Bytes that are there."""
        self.url = ""
        """Where it came from in the end."""
        self.said: Mapping[str, str] = {}
        """The headers of the latest answer."""

    async def reread(self) -> None:
        """Take in what is there from before, letting others go on meanwhile."""
        while chunk := os.pread(self._fd, _READ, self.done):
            self._digests.update(chunk)
            self.done += len(chunk)
            await asyncio.sleep(0)
        self._furthest = self.done

    def headers(self) -> Mapping[str, str]:
        """Ask for the rest, if the file is still the same; or whether there is anything new."""
        if self._etag:
            return {"If-None-Match": self._etag}
        if self._notes is None or not self.done:
            return {}
        validator = _read(self._notes)
        same = {"If-Range": validator} if validator else {}
        return {"Range": f"bytes={self.done}-", **same}

    def got_further(self) -> bool:
        """Tell whether there is more now than ever before."""
        before, self._furthest = self._furthest, max(self._furthest, self.done)
        return self.done > before

    async def receive(self, answer: Answer) -> str:
        """Write what comes; return the file's sha256, or nothing where there is nothing new.

        Raises:
            HashMismatchError: it is another file.
            UnfitAnswerError: it is not the rest of what is there; all of it is asked for next.
            OSError: no space.
        """
        self.url, self.said = answer.url, answer.headers
        if answer.status == _NOT_MODIFIED:
            if not self._etag:
                raise UnfitAnswerError("not modified, which nobody asked")
            return ""
        if answer.status in (_PARTIAL, _NOT_SATISFIABLE):
            total = self._going_on(answer)
        else:
            total = self._anew(answer)
        if answer.status != _NOT_SATISFIABLE:
            await self._written(answer, total)
        return self._checked()

    def _going_on(self, answer: Answer) -> int | None:
        """See that the answer begins where the file ends; return the bytes in all."""
        said = answer.headers.get("content-range", "")
        start, total = _range(said)
        if answer.status == _NOT_SATISFIABLE:
            start = total  # Nothing comes after the last byte.
        if start != self.done:
            self._start_over()
            raise UnfitAnswerError(f"not the range that was asked for: {said or 'none'}")
        self._resumed = True
        return total

    def _anew(self, answer: Answer) -> int | None:
        self._start_over()
        if self._notes is not None and (validator := _validator(answer)):
            self._notes.write_text(validator, encoding="utf-8")
        length = answer.headers.get("content-length", "")
        return int(length) if length.isdecimal() else None

    def _start_over(self) -> None:
        os.ftruncate(self._fd, 0)
        if self._notes is not None:
            self._notes.unlink(missing_ok=True)
        self._digests, self._resumed, self.done = HashVerifier(self._expected), False, 0

    async def _written(self, answer: Answer, total: int | None) -> None:
        total = total or self._expected.size
        async for chunk in answer.chunks:
            self._digests.update(chunk)
            _write(self._fd, chunk, self.done)
            self.done += len(chunk)
            self._on_progress(self.done, total)

    def _checked(self) -> str:
        try:
            return self._digests.checked()
        except HashMismatchError as problem:
            resumed = self._resumed
            self._start_over()
            if resumed:
                # The beginning may have been wrong, or of another file: once more from there.
                raise UnfitAnswerError(str(problem)) from problem
            raise


def _range(text: str) -> tuple[int | None, int | None]:
    """Return where the bytes begin, and how many the file has, as far as a server says it."""
    found = _RANGE.fullmatch(text.strip())
    start, total = found.groups() if found else (None, None)
    return int(start) if start else None, int(total) if total and total != "*" else None


def _validator(answer: Answer) -> str:
    """Return what the server calls this state of the file; weak names do not serve for ranges."""
    etag = answer.headers.get("etag", "")
    return etag if etag.startswith('"') else answer.headers.get("last-modified", "")


def _read(notes: Path) -> str:
    try:
        return notes.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _write(fd: int, chunk: bytes, at: int) -> None:
    written = 0
    while written < len(chunk):
        written += os.pwrite(fd, chunk[written:] if written else chunk, at + written)
