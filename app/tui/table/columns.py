"""The columns of the table of builds for a width: pure arithmetic, no widgets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from rich.cells import set_cell_size

from app.model.sorting import Section
from app.text.rows import GLYPHS, TO_ASCII, Row

if TYPE_CHECKING:
    from app.model.grouping import Group
    from app.model.sorting import Order
    from app.model.status import BuildKind

__all__ = ["Column", "columns", "group_row", "order_at", "texts", "titles"]

Name = Literal["name", "state", "time", "memory", "peak", "jobs", "last"]

_FROM: dict[Name, int] = {"time": 40, "memory": 56, "peak": 92, "jobs": 98, "last": 104}
"""From which width of the table a column is there: the last line goes first, the time last."""
_WIDE = 140
"""From which width on there is room for longer names."""
_ORDERS: dict[Name, Order] = {
    "name": "name", "state": "state", "time": "time", "memory": "memory",
}  # fmt: skip
"""What a click on a title sorts by."""
_GROUPS: dict[Section, tuple[BuildKind, str]] = {
    Section.FAILED: ("failed", "more failed"),
    Section.NOT_BUILT: ("skipped", "not built"),
    Section.FINISHED: ("built", "finished"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column, with its width in cells."""

    name: Name
    title: str
    width: int
    right: bool = False


_FIXED = (
    Column("time", "time", 9, right=True),
    Column("memory", "memory", 8, right=True),
    Column("peak", "peak", 8, right=True),
    Column("jobs", "jobs", 4, right=True),
)


@lru_cache(maxsize=64)
def columns(width: int) -> tuple[Column, ...]:
    """Return the columns for a width; the name and the state are always there.

    The glyph takes three cells and each column is followed by one.
    """
    fixed = [column for column in _FIXED if width >= _FROM[column.name]]
    left = max(8, width - 3 - sum(column.width + 1 for column in fixed))
    name = max(6, min(32 if width >= _WIDE else 22, left * 2 // 5))
    last = (left - name - 2) * 2 // 5 if width >= _FROM["last"] else 0
    state = max(1, left - name - 2 - last - (1 if last else 0))
    shown = [Column("name", "build", name), Column("state", "state", state), *fixed]
    return (*shown, *([Column("last", "last line", last)] if last else []))


def titles(
    width: int, by: Order = "state", *, backwards: bool = False, ascii_only: bool = False
) -> str:
    """Return the line above the rows; the column that is sorted by is marked."""
    mark = ("v^" if ascii_only else "▾▴")[backwards]
    cells = [
        _fitted(
            f"{column.title} {mark}" if _ORDERS.get(column.name) == by else column.title, column
        )
        for column in columns(width)
    ]
    return set_cell_size("   " + " ".join(cells), width)


def order_at(width: int, x: int) -> Order | None:
    """Return what a click on a cell of the titles sorts by; None where it means nothing."""
    left = 3
    for column in columns(width):
        if left <= x < left + column.width:
            return _ORDERS.get(column.name)
        left += column.width + 1
    return None


def group_row(group: Group) -> Row:
    """Return the row that stands for some builds."""
    kind, word = _GROUPS[group.section]
    word = f"{group.hidden or group.count} {word}"
    act = "Enter shows them" if group.hidden else "Enter hides them"
    return Row(
        kind=kind, name=word, word=act, detail="", time="", memory="", peak="", jobs="", last=""
    )


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
    return [f" {glyph} ", *(cell.translate(TO_ASCII) if ascii_only else cell for cell in cells)]


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
