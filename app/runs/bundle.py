"""A saved run in one file, for sending: a zip with the journal and the logs of its builds.

Credentials in logs are redacted when they are packed; journals never have any. A bundle is
untrusted input: only its journal and logs are unpacked, each by the last part of its name, up to a
limit of size.
"""

from __future__ import annotations

import shutil
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING

import pool

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["open_journal", "pack_run"]

_JOURNAL, _LOGS = "events.jsonl", "logs"
_MAX_BYTES = 8 << 30
"""The maximum size of the unpacked files: a zip of a few MiB may unpack to any size."""
_BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)
"""Errors of reading a zip that is damaged, encrypted or compressed in an unknown way."""
_HINT = "wheelpool runs export makes files that can be sent"
_CHUNK = 1 << 20


def pack_run(journal: Path, to: Path) -> list[str]:
    """Write a journal and its logs into one file; return the names of the logs in it.

    Raises:
        JournalError: the journal cannot be read.
        OutputError: the file cannot be written.
    """
    with pool.JournalReader(journal) as reader:
        run, path = reader.header.run, reader.path
    logs = sorted(log for log in pool.logs_path(path).glob("*.log") if log.is_file())
    with pool.open_output(to) as file, _packing(file) as bundle:
        bundle.write(path, f"{run}/{_JOURNAL}")
        for log in logs:
            with bundle.open(f"{run}/{_LOGS}/{log.name}", "w", force_zip64=True) as inside:
                _copy_redacted(log, inside)
    return [log.name for log in logs]


def _packing(file: IO[bytes]) -> zipfile.ZipFile:
    return zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False)


@contextmanager
def open_journal(path: Path) -> Iterator[Path]:
    """Yield the path of a journal; a bundle is unpacked until the block ends.

    Raises:
        JournalError: the file is a zip, but no bundle.
    """
    if not path.is_file() or not zipfile.is_zipfile(path):
        yield path
        return
    with TemporaryDirectory(prefix="wheelpool-") as folder:
        try:
            _unpack(path, Path(folder))
        except _BROKEN as problem:
            raise pool.JournalError(f"{path}: {problem}", hint=_HINT) from problem
        yield Path(folder, _JOURNAL)


def _unpack(path: Path, folder: Path) -> None:
    (folder / _LOGS).mkdir()
    left = _MAX_BYTES
    with zipfile.ZipFile(path) as bundle:
        for member in bundle.infolist():
            if (to := _target(member.filename)) is None:
                continue
            left -= member.file_size
            if left < 0:
                raise pool.JournalError(f"{path}: it unpacks to more than {_MAX_BYTES >> 30} GiB")
            with bundle.open(member) as inside, (folder / to).open("wb") as file:
                shutil.copyfileobj(inside, file, _CHUNK)
    if not (folder / _JOURNAL).exists():
        raise pool.JournalError(f"{path}: it has no journal", hint=_HINT)


def _target(name: str) -> Path | None:
    """Return the path for a member in the folder; None for files that are no part of a bundle."""
    match PurePosixPath(name).parts:
        case (_, "events.jsonl"):
            return Path(_JOURNAL)
        case (_, "logs", log) if log.endswith(".log"):
            return Path(_LOGS, log)
        case _:
            return None


def _copy_redacted(log: Path, to: IO[bytes]) -> None:
    with log.open("rb") as file:
        while line := file.readline(_CHUNK):
            text = line.decode("utf-8", "surrogateescape")
            to.write(pool.redact_urls(text).encode("utf-8", "surrogateescape"))
