"""A saved run in one file, to be sent: a zip with the journal and the logs of its builds.

Logs lose their credentials on the way in: journals never have any, but builds print what they
like. A bundle comes from anybody, so only its journal and logs are taken out of it, each by the
last part of its name, and no more of them than a bound.
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
_MOST_BYTES = 8 << 30
"""Of all that is taken out: what is packed in a few MiB can be as large as one likes."""
_BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)
"""What reading a zip of anybody's may end with: damaged, encrypted, packed in unknown ways."""
_HINT = "wheelpool runs export makes files that can be sent"
_CHUNK = 1 << 20


def pack_run(journal: Path, to: Path) -> list[str]:
    """Write a journal and its logs into one file; return the names of the logs in it.

    Raises:
        JournalError: the journal cannot be read.
        OutputError: the file cannot be written.
    """
    with pool.JournalReader(journal) as reader:
        run, place = reader.header.run, reader.path
    logs = sorted(log for log in pool.logs_path(place).glob("*.log") if log.is_file())
    with pool.open_output(to) as file, _packing(file) as bundle:
        bundle.write(place, f"{run}/{_JOURNAL}")
        for log in logs:
            with bundle.open(f"{run}/{_LOGS}/{log.name}", "w", force_zip64=True) as inside:
                _copy_masked(log, inside)
    return [log.name for log in logs]


def _packing(file: IO[bytes]) -> zipfile.ZipFile:
    return zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False)


@contextmanager
def open_journal(path: Path) -> Iterator[Path]:
    """Give the journal of what a user named; that of a bundle is there until the block ends.

    Raises:
        JournalError: it is a zip, but no bundle.
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
    left = _MOST_BYTES
    with zipfile.ZipFile(path) as bundle:
        for member in bundle.infolist():
            if (to := _place(member.filename)) is None:
                continue
            left -= member.file_size
            if left < 0:
                raise pool.JournalError(f"{path}: more than {_MOST_BYTES >> 30} GiB are in it")
            with bundle.open(member) as inside, (folder / to).open("wb") as file:
                shutil.copyfileobj(inside, file, _CHUNK)
    if not (folder / _JOURNAL).exists():
        raise pool.JournalError(f"{path}: there is no log of a run in it", hint=_HINT)


def _place(name: str) -> Path | None:
    """Return where a member goes in the folder; None for what is no part of a bundle."""
    match PurePosixPath(name).parts:
        case (_, "events.jsonl"):
            return Path(_JOURNAL)
        case (_, "logs", log) if log.endswith(".log"):
            return Path(_LOGS, log)
        case _:
            return None


def _copy_masked(log: Path, to: IO[bytes]) -> None:
    with log.open("rb") as file:
        while line := file.readline(_CHUNK):
            text = line.decode("utf-8", "surrogateescape")
            to.write(pool.redact_urls(text).encode("utf-8", "surrogateescape"))
