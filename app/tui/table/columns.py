"""The columns of the table of builds for a given width: pure arithmetic, no widgets."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from rich.cells import set_cell_size

from app.model.sorting import Section
from app.text.rows import GLYPHS, TO_ASCII, Row
from pool import Record

if TYPE_CHECKING:
    from app.model.grouping import Group
    from app.model.sorting import Order
    from app.model.status import BuildKind

__all__ = ["Column", "columns", "group_row", "order_at", "texts", "titles"]

Name = Literal["name", "state", "time", "memory", "peak", "jobs", "last"]

_FROM: dict[Name, int] = {"time": 40, "memory": 56, "peak": 92, "jobs": 98, "last": 104}
"""The minimum table width for each column: the last output line is dropped first, the time last."""
_WIDE = 140
"""The table width from which the name column is wider."""
_ORDERS: dict[Name, Order] = {
    "name": "name", "state": "state", "time": "time", "memory": "memory",
}  # fmt: skip
"""The order that a click on a column title selects."""
_GROUPS: dict[Section, tuple[BuildKind, str]] = {
    Section.FAILED: ("failed", "more failed"),
    Section.NOT_BUILT: ("skipped", "not built"),
    Section.FINISHED: ("built", "finished"),
}


class Column(Record, frozen=True):
    """A column and its width in cells."""

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
    """Return the columns for a width; name and state are always included.

    The glyph takes three cells, and one cell follows each column.
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
    """Return the title line; the sort column is marked."""
    mark = ("v^" if ascii_only else "▾▴")[backwards]
    cells = [
        _fitted(
            f"{column.title} {mark}" if _ORDERS.get(column.name) == by else column.title, column
        )
        for column in columns(width)
    ]
    return set_cell_size("   " + " ".join(cells), width)


def order_at(width: int, x: int) -> Order | None:
    """Return the order that a click on a cell of the title line selects; None if there is none."""
    left = 3
    for column in columns(width):
        if left <= x < left + column.width:
            return _ORDERS.get(column.name)
        left += column.width + 1
    return None


def group_row(group: Group) -> Row:
    """Return the row of a collapsed group."""
    kind, word = _GROUPS[group.section]
    word = f"{group.hidden or group.count} {word}"
    act = "Enter shows them" if group.hidden else "Enter hides them"
    return Row(
        kind=kind, name=word, word=act, detail="", time="", memory="", peak="", jobs="", last=""
    )


def texts(row: Row, width: int, *, ascii_only: bool) -> list[str]:
    """Return the glyph and the cells of a row, padded to the width of their columns."""
    if row.kind == "failed":
        return _failed_texts(row, width, ascii_only=ascii_only)
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


def _failed_texts(row: Row, width: int, *, ascii_only: bool) -> list[str]:
    """Return a row whose cause and fix take all columns but the name's."""
    name = columns(width)[0]
    reason = Column("state", "state", max(1, width - name.width - 4))
    fix = f"  → {row.last}" if row.last else ""
    cells = [(row.name, name), (f"{row.word:<10} {row.detail}{fix}".rstrip(), reason)]
    plain = ((text.translate(TO_ASCII) if ascii_only else text, column) for text, column in cells)
    fitted = (_fitted(text, column) + " " for text, column in plain)
    glyph = GLYPHS[row.kind][ascii_only]
    return [f" {glyph} ", *(cell.translate(TO_ASCII) if ascii_only else cell for cell in fitted)]


def _fitted(text: str, column: Column) -> str:
    if column.right:
        text = text.rjust(column.width)
    fitted = set_cell_size(text, column.width)
    # Mark truncated text.
    return (
        fitted
        if fitted.rstrip() == text.rstrip()
        else set_cell_size(fitted, column.width - 1) + "…"
    )
