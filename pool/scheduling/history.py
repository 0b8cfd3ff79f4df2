"""The build history: seconds and peak memory of earlier builds, for order and estimates.

One SQLite file in the user's state directory, shared by all processes. The history is optional: if
the file cannot be read or written, `BuildHistory.trouble` has the reason, and builds run in the
order given. A damaged file is set aside, and a new one is begun.

`BuildHistory.load` and `BuildHistory.record` block, up to 5 s while other processes write: call
them in a thread. `BuildHistory.estimate` reads only memory, so the event loop can call it.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec
from packaging.utils import canonicalize_name

from pool.common.errors import os_error_text
from pool.common.files import atomic_write
from pool.common.json import decode_msgpack
from pool.common.record import Record

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["BuildHistory", "Estimate", "HistorySummary", "median"]

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS builds (
    name TEXT NOT NULL, version TEXT NOT NULL, seconds REAL NOT NULL, peak INTEGER NOT NULL,
    finished TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS builds_by_name ON builds (name, version);
"""
_VERSION = 1
"""The version of the schema in ``PRAGMA user_version``; 0 means that the file has none yet."""
_LOCK_SECONDS = 5.0
"""How long to wait while another process writes."""
_RECENT = 5
"""How many of the newest builds count, so that old machines and versions fade out."""
_RECENT_ROWS = """
SELECT name, version, seconds, peak FROM (
    SELECT rowid AS number, name, version, seconds, peak,
        row_number() OVER (PARTITION BY name, version ORDER BY rowid DESC) AS age
    FROM builds
) WHERE age <= ? ORDER BY number
"""


class Estimate(Record, frozen=True, kw_only=True):
    """The expected seconds and peak of a build."""

    seconds: float | None = None
    """The median of the newest builds; None without one."""
    peak: int | None = None
    """Bytes: the highest peak of the newest builds; None without one."""


class HistorySummary(Record, frozen=True, kw_only=True):
    """Figures about the whole history."""

    names: int
    largest: str
    peak: int
    """Bytes, of the largest build."""
    slowest: str
    seconds: float


class _Row(NamedTuple):
    version: str
    seconds: float
    peak: int
    """Bytes; 0 if no peak was sampled."""


class BuildHistory:
    """Seconds and peaks of builds by name and version; reads nothing until it is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, list[_Row]] = {}
        """By normalized name, the newest last."""
        self.trouble = ""
        """Why the file is not used any more: waiting once for a locked file is enough."""
        self.notice = ""
        """A damaged file was set aside."""
        self._damaged = False

    @classmethod
    def load(cls, path: Path) -> BuildHistory:
        """Return a history with the recent builds of all names."""
        history = cls(path)
        if (known := _read_recent(path)) is not None:
            history._rows = known
            return history
        before = _identify(path)
        rows = history._transact(lambda db: db.execute(_RECENT_ROWS, (_RECENT,)).fetchall())
        if history._damaged:
            history = cls(path)
            history._set_damaged_file_aside()
        for name, *row in rows or ():
            history._remember(name, _Row(*row))
        if before is not None and not history.trouble and before == _identify(path):
            _write_recent(path, _Recent(identity=before, rows=history._rows))
        return history

    def _set_damaged_file_aside(self) -> None:
        """Rename the file: the next record makes a new one."""
        aside = self._path.with_suffix(".damaged")
        try:
            # Changes that were not merged belong to the damaged file.
            for suffix in ("-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            self._path.replace(aside)
        except OSError as problem:
            self.trouble = f"the build history is not used: {self._path}: {os_error_text(problem)}"
        else:
            self.notice = f"the build history was damaged and begins anew; the old one is {aside}"

    def estimate(self, builds: Sequence[tuple[str, str | None]]) -> list[Estimate]:
        """Return what builds, given by name and version, are expected to need.

        Earlier builds of the same version take precedence over those of the same name.
        """
        return [self._estimate(canonicalize_name(name), version) for name, version in builds]

    def _estimate(self, name: str, version: str | None) -> Estimate:
        rows = self._rows.get(name, [])
        recent = ([row for row in rows if row.version == version] or rows)[-_RECENT:]
        if not recent:
            return Estimate()
        return Estimate(
            seconds=median([row.seconds for row in recent]),
            peak=max(row.peak for row in recent) or None,
        )

    def record(self, name: str, version: str, *, seconds: float, peak: int) -> None:
        """Record one successful build; ``peak`` in bytes."""
        row = (canonicalize_name(name), version, seconds, peak)
        insert = "INSERT INTO builds (name, version, seconds, peak) VALUES (?,?,?,?)"
        if self._transact(lambda db: db.execute(insert, row)) is not None:
            self._remember(row[0], _Row(*row[1:]))

    def _remember(self, name: str, row: _Row) -> None:
        self._rows.setdefault(name, []).append(row)

    def summarize(self) -> HistorySummary | None:
        """Return figures about the file; None if it is missing, empty or unreadable."""
        return self._transact(_summarize) if self._path.exists() else None

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Do work in one transaction; return None if the file cannot be used."""
        if self.trouble:
            return None
        import sqlite3

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=_LOCK_SECONDS)) as db, db:
                _prepare(db)
                return work(db)
        except (sqlite3.Error, OSError) as problem:
            reason = os_error_text(problem) if isinstance(problem, OSError) else problem
            self.trouble = f"the build history is not used: {self._path}: {reason}"
            self._damaged = getattr(problem, "sqlite_errorcode", None) in (
                sqlite3.SQLITE_CORRUPT,
                sqlite3.SQLITE_NOTADB,
            )
            return None


def median(numbers: Sequence[float]) -> float:
    """Return the median; the module `statistics` takes longer to load than a cached build."""
    ordered, half = sorted(numbers), len(numbers) // 2
    return ordered[half] if len(numbers) % 2 else (ordered[half - 1] + ordered[half]) / 2


class _Recent(msgspec.Struct, frozen=True, kw_only=True):
    """The recent rows of a file, beside it: SQLite takes longer to load than a cached build."""

    identity: tuple[int, int, int]
    """Of the file that they were read from; a file that was written since has another one."""
    rows: dict[str, list[_Row]]


def _identify(path: Path) -> tuple[int, int, int] | None:
    """Return what tells a state of the file from any other; None while it is written."""
    try:
        status = path.stat()
        # The last process that closes the file merges its changes.
        if path.with_name(path.name + "-wal").exists():
            return None
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _recent_path(path: Path) -> Path:
    return path.with_suffix(".recent")


def _read_recent(path: Path) -> dict[str, list[_Row]] | None:
    """Return the recent rows without SQLite; None if only SQLite can tell."""
    if (identity := _identify(path)) is None:
        return None
    try:
        recent = decode_msgpack(_recent_path(path).read_bytes(), _Recent)
    except (OSError, ValueError):
        return None
    return recent.rows if recent.identity == identity else None


def _write_recent(path: Path, recent: _Recent) -> None:
    """Store the rows for later runs; without the file they read the history itself."""
    with suppress(OSError):
        atomic_write(_recent_path(path), msgspec.msgpack.encode(recent))


def _prepare(db: sqlite3.Connection) -> None:
    import sqlite3

    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise sqlite3.NotSupportedError("written by a newer wheelpool")
    # No fsync per build: a power cut may lose the newest row, which is harmless.
    db.execute("PRAGMA synchronous=NORMAL")
    if version < _VERSION:
        # Changing the mode fails while another process does so; one change is enough.
        with suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode=WAL")
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")


def _summarize(db: sqlite3.Connection) -> HistorySummary | None:
    (names,) = db.execute("SELECT count(DISTINCT name) FROM builds").fetchone()
    if not names:
        return None
    largest, peak = db.execute("SELECT name, max(peak) FROM builds").fetchone()
    slowest, seconds = db.execute("SELECT name, max(seconds) FROM builds").fetchone()
    return HistorySummary(names=names, largest=largest, peak=peak, slowest=slowest, seconds=seconds)
