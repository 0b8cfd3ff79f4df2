"""The journal of a run: a file with a header line, then one event a line, in order.

A journal is either the file ``events.jsonl`` in a run's folder, with the folder ``logs`` beside
it, or ``NAME.jsonl`` with ``NAME.logs``. The writer hands each event to the kernel before it
returns. The reader forgives a last line that a crash has torn, and refuses a torn line in the
middle by its number.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from pool.common.errors import JournalError, OutputError, os_error_text
from pool.common.model import RunId
from pool.events.codec import CodecError, decode, decode_header, encode, encode_header
from pool.events.types import SCHEMA, VERSION, BuildQueued, Header, Host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from pool.common.clock import Clock
    from pool.events.types import Event

__all__ = [
    "JOURNAL_NAME",
    "JournalReader",
    "JournalWriter",
    "journal_path",
    "logs_path",
    "open_run_journal",
    "pid_of_run",
]

JOURNAL_NAME = "events.jsonl"
"""The name of the journal in a run's folder."""
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
"""The modes of folders and files of runs: command lines and logs may contain secrets."""
_LONGEST_HEADER = 1 << 20
"""Bytes: a file with a longer first line is no journal."""


def logs_path(journal: Path) -> Path:
    """Return the folder of log files that belongs to a journal file."""
    if journal.name == JOURNAL_NAME:
        return journal.parent / "logs"
    return journal.with_suffix(".logs")


def journal_path(path: Path) -> Path:
    """Return the journal file for a path that a user gave: the file itself, or a run's folder."""
    return path / JOURNAL_NAME if path.is_dir() else path


def open_run_journal(
    *,
    journal: Path | None,
    state_dir: Path,
    argv: tuple[str, ...],
    clock: Clock,
    python: str,
) -> tuple[Header, JournalWriter]:
    """Give a new run its id and create its journal.

    Args:
        journal: the file to write; None for one in the run's folder under ``state_dir``.
        state_dir: the folder that has the folder ``runs``.
        argv: the command line, for the header.
        clock: the time of the start.
        python: the version of the target interpreter.

    Raises:
        OutputError: the journal cannot be written.
    """
    header = _make_header(argv, clock, python)
    path = journal or state_dir / "runs" / header.run / JOURNAL_NAME
    try:
        return header, JournalWriter(path, header)
    except BlockingIOError:
        # Without it as the cause: a lock that another process has is no shortage of the system.
        raise OutputError(
            f"{path}: {_describe_writer(path)} is writing this log",
            hint="choose another file with --log",
        ) from None
    except OSError as problem:
        raise OutputError(
            f"{path}: the log cannot be written: {os_error_text(problem)}",
            hint="choose another place with --log",
        ) from problem


def _describe_writer(path: Path) -> str:
    """Return the name of the run whose journal a file is."""
    try:
        with JournalReader(path) as reader:
            return f"run {reader.header.run}"
    except JournalError:  # It has not written its header yet.
        return "another run"


def _make_header(argv: tuple[str, ...], clock: Clock, python: str) -> Header:
    # Replays and `--help` import this module and do not need it.
    from pool.system.memory import machine_memory

    started = clock.now()
    return Header(
        wheelpool=VERSION,
        schema=SCHEMA,
        run=_make_run_id(started),
        started=started.isoformat(timespec="milliseconds"),
        argv=argv,
        python=python,
        host=Host(cpus=os.cpu_count() or 1, memory=machine_memory()),
    )


def pid_of_run(run: str) -> int:
    """Return the pid in a run id.

    Raises:
        ValueError: the text is no run id.
    """
    parts = run.split("-")
    if len(parts) not in (3, 4):  # Ids of older versions have no number.
        raise ValueError(f"{run!r} is no run id")
    return int(parts[2])


_run_numbers = itertools.count(int.from_bytes(os.urandom(2), "big") >> 1)
"""Runs of one process have different numbers. They begin anywhere, as the pids of containers that
share a cache are often equal.
"""


def _make_run_id(started: datetime) -> RunId:
    number = next(_run_numbers) & 0xFFFF  # Half of the numbers are left, so ids ascend.
    return RunId(f"{started:%Y%m%d-%H%M%S}-{os.getpid()}-{number:04x}")


class JournalWriter:
    """Creates a journal and appends events to it; only its user can read it and its logs.

    Raises:
        BlockingIOError: another run is writing it.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, header: Header) -> None:
        if path.name == JOURNAL_NAME:
            path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)
        try:
            _lock(self._fd)
            logs = logs_path(path)
            logs.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
            if stat.S_ISREG(os.fstat(self._fd).st_mode):
                if os.fstat(self._fd).st_size:
                    _remove_logs(path, logs)
                os.ftruncate(self._fd, 0)
                with suppress(OSError):  # The file belongs to another user.
                    os.fchmod(self._fd, _PRIVATE_FILE)
            self._write_line(encode_header(header))
        except BaseException:
            os.close(self._fd)
            raise

    def write(self, event: Event) -> None:
        """Append one event.

        Raises:
            OSError: the disk is full or gone.
        """
        self._write_line(encode(event))

    def _write_line(self, line: bytes) -> None:
        rest = memoryview(line + b"\n")
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def close(self) -> None:
        """Close the file. Do not write afterwards."""
        os.close(self._fd)


def _lock(fd: int) -> None:
    """Lock a journal as long as its writer lives.

    Raises:
        BlockingIOError: another run is writing it.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        pass  # The file system has no locks.


def _remove_logs(path: Path, logs: Path) -> None:
    """Remove the logs that an older journal of this name lists, and no other file."""
    with suppress(JournalError), JournalReader(path) as reader:
        for event in reader.read():
            if isinstance(event, BuildQueued) and os.path.basename(event.log) == event.log:  # noqa: PTH119 - a text
                with suppress(OSError):
                    (logs / event.log).unlink()


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
            raise JournalError(f"{path}: {os_error_text(problem)}") from problem
        self._line_number = 1
        self._torn = b""
        """The beginning of a line whose end is not written yet."""
        from pool.events.validation import EventValidator

        self._validator = EventValidator()
        try:
            self.header = decode_header(self._file.readline(_LONGEST_HEADER))
        except CodecError as problem:
            self._file.close()
            raise JournalError(f"{path}: {problem}", hint="wheelpool runs lists logs") from problem

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self) -> Iterator[Event]:
        """Yield the events of all complete lines that were not read yet.

        The next call continues with a torn last line; if its end never comes, it is ignored.

        Raises:
            JournalError: a line in the middle is no event, or one that cannot follow the events
                before it; the message has its number.
        """
        from pool.events.validation import InvalidEventError

        for line in self._read_lines():
            self._line_number += 1
            try:
                event = decode(line)
                self._validator.check(event)
            except (CodecError, InvalidEventError) as problem:
                raise JournalError(f"{self.path}:{self._line_number}: {problem}") from problem
            yield event

    def _read_lines(self) -> Iterator[bytes]:
        for part in self._file:
            line = self._torn + part
            if line.endswith(b"\n"):
                self._torn = b""
                if line.strip():
                    yield line
            else:
                self._torn = line
