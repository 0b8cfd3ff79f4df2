"""What builds took in earlier runs, in time and memory: the ground for order and estimates.

One SQLite file in the user state directory, shared by all processes. It only ever helps: where
it cannot be read or written, `BuildHistory.trouble` says why, and builds go on in the order given.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from packaging.utils import canonicalize_name

from pool.common.errors import os_error_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["BuildHistory", "Estimate", "Known"]

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS builds (
    name TEXT NOT NULL, version TEXT NOT NULL, seconds REAL NOT NULL, peak INTEGER NOT NULL,
    finished TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS builds_by_name ON builds (name, version);
"""
_VERSION = 1
"""Of the schema, as the file has it (``PRAGMA user_version``); 0 is one that has none yet."""
_PATIENCE_SECONDS = 5.0
"""With others that write."""
_RECENT = 5
"""So many of the newest builds count; older machines and versions fade out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is known of a build before it begins."""

    seconds: float | None = None
    """What it usually takes."""
    peak: int | None = None
    """Bytes: the most that one of the newest came to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the history has in all."""

    names: int
    largest: str
    peak: int
    """Bytes, of the largest."""
    slowest: str
    seconds: float


class BuildHistory:
    """Durations and peaks per distribution."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.trouble = ""
        """Why it is not used any more, in words: waiting once for a locked file is enough."""

    def expected(self, builds: Sequence[tuple[str, str | None]]) -> list[Estimate]:
        """Return what builds, by name and version, usually take.

        Earlier builds of the same version count first, then those of the same name.
        """

        def looked_up(db: sqlite3.Connection) -> list[Estimate]:
            return [
                _past(db, name, version) or _past(db, name, None) or Estimate()
                for name, version in builds
            ]

        return self._done(looked_up) or [Estimate()] * len(builds)

    def record(self, name: str, version: str, *, seconds: float, peak: int) -> None:
        """Remember one good build; ``peak`` in bytes."""
        row = (canonicalize_name(name), version, seconds, peak)
        insert = "INSERT INTO builds (name, version, seconds, peak) VALUES (?,?,?,?)"
        self._done(lambda db: db.execute(insert, row))

    def known(self) -> Known | None:
        """Return what there is in all; None where there is nothing, or it cannot be read."""
        return self._done(_known) if self._path.exists() else None

    def _done(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Let something be done in one transaction; None where the file cannot be used."""
        if self.trouble:
            return None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=_PATIENCE_SECONDS)) as db, db:
                _prepare(db)
                return work(db)
        except (sqlite3.Error, OSError) as problem:
            why = os_error_text(problem) if isinstance(problem, OSError) else problem
            self.trouble = f"what builds took before is not used: {self._path}: {why}"
            return None


def _prepare(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise sqlite3.NotSupportedError("a newer wheelpool wrote it")
    # No fsync per build: losing the newest row to a power cut costs nothing.
    db.execute("PRAGMA synchronous=NORMAL")
    if version < _VERSION:
        # The change of mode does not wait for others that do the same, and one of them is enough.
        with suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode=WAL")
        db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_VERSION}; COMMIT;")


def _known(db: sqlite3.Connection) -> Known | None:
    (names,) = db.execute("SELECT count(DISTINCT name) FROM builds").fetchone()
    if not names:
        return None
    largest, peak = db.execute("SELECT name, max(peak) FROM builds").fetchone()
    slowest, seconds = db.execute("SELECT name, max(seconds) FROM builds").fetchone()
    return Known(names=names, largest=largest, peak=peak, slowest=slowest, seconds=seconds)


def _past(db: sqlite3.Connection, name: str, version: str | None) -> Estimate | None:
    rows = db.execute(
        "SELECT seconds, peak FROM builds WHERE name = ?1 AND (?2 IS NULL OR version = ?2)"
        " ORDER BY rowid DESC LIMIT ?3",
        (canonicalize_name(name), version, _RECENT),
    ).fetchall()
    if not rows:
        return None
    seconds, peaks = zip(*rows, strict=True)
    # No peak was seen where it is 0.
    return Estimate(seconds=median(seconds), peak=max(peaks) or None)
