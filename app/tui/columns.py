"""The columns of the table of builds for a width: pure arithmetic, no widgets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rich.cells import set_cell_size

from app.view import GLYPHS, PLAIN, Row

__all__ = ["Column", "columns", "texts", "titles"]

Name = Literal["name", "state", "time", "memory", "peak", "jobs", "last"]

FULL, MEDIUM, NARROW = 100, 64, 40
"""Widths from which all columns are shown, all but peak, jobs and last line, and a time at all."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, with its width in cells."""

    name: Name
    title: str
    width: int
    right: bool = False


@lru_cache(maxsize=64)
def columns(width: int) -> tuple[Column, ...]:
    """Return the columns for a width; the name and the state are always there.

    The glyph takes three cells and each column is followed by one.
    """
    fixed: list[Column] = []
    if width >= NARROW:
        fixed.append(Column("time", "time", 9, right=True))
    if width >= MEDIUM:
        fixed.append(Column("memory", "memory", 8, right=True))
    if width >= FULL:
        fixed.append(Column("peak", "peak", 8, right=True))
        fixed.append(Column("jobs", "jobs", 4, right=True))
    left = max(8, width - 3 - sum(column.width + 1 for column in fixed))
    name = max(6, min(22, left * 2 // 5))
    last = (left - name - 2) * 2 // 5 if width >= FULL else 0
    state = max(1, left - name - 2 - last - (1 if last else 0))
    shown = [Column("name", "build", name), Column("state", "state", state), *fixed]
    return (*shown, *([Column("last", "last line", last)] if last else []))


def titles(width: int) -> str:
    """Return the line above the rows."""
    cells = [_fitted(column.title, column) for column in columns(width)]
    return set_cell_size("   " + " ".join(cells), width)


def texts(row: Row, width: int, *, ascii_only: bool) -> list[str]:
    """Return the glyph and the cells of a row, each as wide as its column, with the gaps."""
    values: dict[Name, str] = {
        "name": row.name,
        "state": f"{row.word:<10} {row.detail}".rstrip(),
        "time": row.time,
        "memory": row.memory,
        "peak": row.peak,
        "jobs": row.jobs,
        "last": row.last,
    }
    glyph = GLYPHS[row.kind][ascii_only]
    cells = [_fitted(values[column.name], column) + " " for column in columns(width)]
    return [f" {glyph} ", *(cell.translate(PLAIN) if ascii_only else cell for cell in cells)]


def _fitted(text: str, column: Column) -> str:
    if column.right:
        text = text.rjust(column.width)
    fitted = set_cell_size(text, column.width)
    # What is cut says so.
    return (
        fitted
        if fitted.rstrip() == text.rstrip()
        else set_cell_size(fitted, column.width - 1) + "…"
    )
