"""How long builds took in earlier runs: the ground for "longest first" and for estimates.

One SQLite file in the user state directory, shared by all processes. It only ever helps: where
it cannot be read or written, builds go on in the order given.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from statistics import median
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["History"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS builds (
    name TEXT NOT NULL, version TEXT NOT NULL, seconds REAL NOT NULL, peak INTEGER NOT NULL,
    finished TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX IF NOT EXISTS builds_by_name ON builds (name, version);
"""
_RECENT = 5
"""So many of the newest durations count; older machines and versions fade out."""


class History:
    """Durations and peaks per distribution."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def expected(self, builds: Sequence[tuple[str, str | None]]) -> list[float | None]:
        """Return the seconds that builds, by name and version, usually take.

        Earlier builds of the same version count first, then those of the same name.
        """
        try:
            with closing(self._connect()) as db:
                return [
                    _median(db, name, version) or _median(db, name, None)
                    for name, version in builds
                ]
        except (sqlite3.Error, OSError):
            return [None] * len(builds)

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

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self._path, timeout=5.0)
        # No fsync per build: losing the newest row to a power cut costs nothing.
        db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        return db


def _median(db: sqlite3.Connection, name: str, version: str | None) -> float | None:
    rows = db.execute(
        "SELECT seconds FROM builds WHERE name = ?1 AND (?2 IS NULL OR version = ?2)"
        " ORDER BY rowid DESC LIMIT ?3",
        (canonicalize_name(name), version, _RECENT),
    ).fetchall()
    return median(row[0] for row in rows) if rows else None
