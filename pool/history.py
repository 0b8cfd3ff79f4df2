"""What builds took in earlier runs, in time and memory: the ground for order and estimates.

One SQLite file in the user state directory, shared by all processes. It only ever helps: where
it cannot be read or written, builds go on in the order given.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["History", "Known", "Past"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS builds (
    name TEXT NOT NULL, version TEXT NOT NULL, seconds REAL NOT NULL, peak INTEGER NOT NULL,
    finished TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS builds_by_name ON builds (name, version);
"""
_RECENT = 5
"""So many of the newest builds count; older machines and versions fade out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
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


class History:
    """Durations and peaks per distribution."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def expected(self, builds: Sequence[tuple[str, str | None]]) -> list[Past]:
        """Return what builds, by name and version, usually take.

        Earlier builds of the same version count first, then those of the same name.
        """
        try:
            with closing(self._connect()) as db:
                return [
                    _past(db, name, version) or _past(db, name, None) or Past()
                    for name, version in builds
                ]
        except (sqlite3.Error, OSError):
            return [Past()] * len(builds)

    def record(self, name: str, version: str, *, seconds: float, peak: int) -> None:
        """Remember one good build; ``peak`` in bytes."""
        row = (canonicalize_name(name), version, seconds, peak)
        try:
            with closing(self._connect()) as db, db:
                db.execute(
                    "INSERT INTO builds (name, version, seconds, peak) VALUES (?,?,?,?)", row
                )
        except (sqlite3.Error, OSError):
            return

    def known(self) -> Known | None:
        """Return what there is in all; None where there is nothing, or it cannot be read."""
        if not self._path.is_file():
            return None
        try:
            with closing(self._connect()) as db:
                (names,) = db.execute("SELECT count(DISTINCT name) FROM builds").fetchone()
                largest, peak = db.execute("SELECT name, max(peak) FROM builds").fetchone()
                slowest, seconds = db.execute("SELECT name, max(seconds) FROM builds").fetchone()
        except (sqlite3.Error, OSError):
            return None
        if not names:
            return None
        return Known(names=names, largest=largest, peak=peak, slowest=slowest, seconds=seconds)

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=5.0)
        # No fsync per build: losing the newest row to a power cut costs nothing.
        db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        return db


def _past(db: sqlite3.Connection, name: str, version: str | None) -> Past | None:
    rows = db.execute(
        "SELECT seconds, peak FROM builds WHERE name = ?1 AND (?2 IS NULL OR version = ?2)"
        " ORDER BY rowid DESC LIMIT ?3",
        (canonicalize_name(name), version, _RECENT),
    ).fetchall()
    if not rows:
        return None
    seconds, peaks = zip(*rows, strict=True)
    # No peak was seen where it is 0.
    return Past(seconds=median(seconds), peak=max(peaks) or None)
