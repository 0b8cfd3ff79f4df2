"""The record of a run on disk: a header, then one event a line, in order, flushed one by one.

A journal is either the file ``events.jsonl`` in a run's folder, with the folder ``logs`` beside
it, or ``NAME.jsonl`` with ``NAME.logs``. Readers forgive a last line that was torn by a crash and
refuse one that is torn in the middle, by its number.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from pool.common.errors import JournalError
from pool.events.codec import CodecError, decode, decode_header, encode, encode_header
from pool.events.validation import EventValidator, InvalidEventError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pool.events.types import Event, Header

__all__ = ["EVENTS", "JournalReader", "JournalWriter", "journal_path", "logs_of"]

EVENTS = "events.jsonl"


def logs_of(journal: Path) -> Path:
    """Return the folder of log files that belongs to a journal file."""
    if journal.name == EVENTS:
        return journal.parent / "logs"
    return journal.with_suffix(".logs")


def journal_path(path: Path) -> Path:
    """Return the journal file for what a user named: the file itself, or a run's folder."""
    return path / EVENTS if path.is_dir() else path


class JournalWriter:
    """Appends events to a new file; every event is with the kernel before `write` returns."""

    def __init__(self, path: Path, header: Header) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        logs = logs_of(path)
        logs.mkdir(exist_ok=True)
        # Where one journal replaces another, its logs must not go on in the other's.
        for old in logs.glob("*.log"):
            old.unlink()
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._write(encode_header(header))

    def write(self, event: Event) -> None:
        """Append one event.

        Raises:
            OSError: the disk is full or gone.
        """
        self._write(encode(event))

    def _write(self, line: bytes) -> None:
        rest = memoryview(line + b"\n")
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def close(self) -> None:
        """Close the file; writing afterwards is a mistake."""
        os.close(self._fd)


class JournalReader:
    """Reads a journal that may still be growing.

    Raises:
        JournalError: there is no such file, or its first line is no header.
    """

    def __init__(self, path: Path) -> None:
        self.path = journal_path(path)
        try:
            self._file = self.path.open("rb")
        except OSError as problem:
            raise JournalError(f"{path}: {problem.strerror or problem}") from problem
        self._number = 1
        self._rest = b""
        self._sense = EventValidator()
        try:
            self.header = decode_header(self._file.readline(1 << 20))
        except CodecError as problem:
            self._file.close()
            raise JournalError(f"{path}: {problem}", hint="wheelpool runs lists logs") from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Read no more."""
        self._file.close()

    def read(self) -> Iterator[Event]:
        """Yield the whole lines that have not been read yet.

        A torn tail is kept for the next call and forgiven if nothing comes.

        Raises:
            JournalError: a line in the middle is no event, or one that cannot follow those before
                it; the message has its number.
        """
        for line in self._lines():
            self._number += 1
            try:
                event = decode(line)
                self._sense.see(event)
            except (CodecError, InvalidEventError) as problem:
                raise JournalError(f"{self.path}:{self._number}: {problem}") from problem
            yield event

    def _lines(self) -> Iterator[bytes]:
        for line in self._file:
            whole = self._rest + line
            if whole.endswith(b"\n"):
                self._rest = b""
                if whole.strip():
                    yield whole
            else:
                self._rest = whole
