"""The columns of the table of builds for a given width: pure arithmetic, no widgets."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from rich.cells import set_cell_size

from app.model.sorting import Section
from app.text.meters.bar import format_bar
from app.text.rows import GLYPHS, TO_ASCII, Row
from pool import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.model.grouping import Group, Head
    from app.model.sorting import Order
    from app.model.status import BuildKind

__all__ = ["Column", "columns", "group_row", "head_text", "order_at", "texts", "titles"]

Name = Literal["name", "progress", "time", "memory", "doing"]

_FROM: dict[Name, int] = {"time": 40, "progress": 64, "memory": 56}
"""The minimum table width for each column: the bar is dropped first, the time last."""
_ROOMY = 100
"""The table width from which bar and times are wider."""
_WIDE = 140
"""The table width from which the name column is wider."""
_ORDERS: dict[Name, Order] = {
    "name": "name", "time": "time", "memory": "memory", "doing": "state",
}  # fmt: skip
"""The order that a click on a column title selects."""
_GROUPS: dict[Section, tuple[BuildKind, str]] = {
    Section.FAILED: ("failed", "more failed"),
    Section.NOT_BUILT: ("skipped", "skipped or cancelled"),
    Section.FINISHED: ("built", "finished"),
}


_HEADS = {
    Section.RUNNING: "RUNNING",
    Section.FAILED: "FAILED",
    Section.WAITING: "WAITING",
    Section.NOT_BUILT: "SKIPPED, CANCELLED",
    Section.FINISHED: "DONE",
}


class Column(Record, frozen=True):
    """A column and its width in cells."""

    name: Name
    title: str
    width: int
    right: bool = False


@lru_cache(maxsize=64)
def columns(width: int) -> tuple[Column, ...]:
    """Return the columns for a width, those of running builds; the first and last are always there.

    The glyph takes three cells, and one cell follows each column. Other builds have their reason in
    all columns but the name's.
    """
    roomy = width >= _ROOMY
    fixed = [
        column
        for column in (
            Column("progress", "progress" if roomy else "done", 10 if roomy else 6),
            Column("time", "time/usual" if roomy else "time", 13 if roomy else 11, right=True),
            Column("memory", "memory", 8, right=True),
        )
        if width >= _FROM[column.name]
    ]
    left = max(8, width - 3 - sum(column.width + 1 for column in fixed))
    name = max(6, min(32 if width >= _WIDE else 22, left * 2 // 5))
    doing = max(1, left - name - 2)
    title = "doing, or why it waits" if doing > 24 else "doing"
    return (Column("name", "build", name), *fixed, Column("doing", title, doing))


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
    return Row(kind=kind, name=word, word="", detail=act, time="", memory="", peak="", last="")


def head_text(head: Head, width: int, *, ascii_only: bool) -> str:
    """Return the line above the rows of a section: ``RUNNING 4 ─────``."""
    edge = "-" if ascii_only else "─"
    return f" {_HEADS[head.section]} {head.count} ".ljust(max(0, width - 1), edge).ljust(width)


def texts(row: Row, width: int, *, ascii_only: bool) -> list[str]:
    """Return the glyph and the cells of a row: those of `columns`, or a name and its reason.

    Of a failure, the third cell has the whole reason; of others, the word alone.
    """
    cells = _running_cells(row, width, ascii_only) if row.kind == "building" else _cells(row, width)
    plain = ((text.translate(TO_ASCII) if ascii_only else text, column) for text, column in cells)
    glyph = GLYPHS[row.kind][ascii_only]
    return [f" {glyph} ", *(_fitted(text, column) + " " for text, column in plain)]


def _running_cells(row: Row, width: int, ascii_only: bool) -> Iterator[tuple[str, Column]]:  # noqa: FBT001
    phase = row.detail or row.word
    # A narrow line has room for the output alone.
    doing = f"{phase}  {row.last}".rstrip() if width >= _ROOMY else row.last or phase
    values: dict[Name, str] = {
        "name": row.name,
        "time": row.time,
        "memory": row.memory,
        "doing": doing,
    }
    for column in columns(width):
        if column.name == "progress":
            yield format_bar(row.part, column.width, ascii_only=ascii_only), column
        else:
            text = values[column.name]
            # Narrow columns have no blanks around the stroke.
            yield text if len(text) <= column.width else text.replace(" / ", "/"), column


def _cells(row: Row, width: int) -> Iterator[tuple[str, Column]]:
    name = columns(width)[0]
    room = max(1, width - name.width - 4)
    yield row.name, name
    if row.kind == "failed":
        fix = f"  → {row.last}" if row.last else ""
        yield f"{row.word:<10} {row.detail}{fix}".rstrip(), Column("doing", "", room)
        return
    word = min(10, room)
    yield row.word, Column("doing", "", word)
    if room > word + 1:
        yield "  ".join(_reason(row)), Column("doing", "", room - word - 1)


def _reason(row: Row) -> Iterator[str]:
    """Yield the facts of a build that does not run, the most important first."""
    if row.time:
        yield f"{row.time:>8}"
    if row.peak and row.kind in ("built", "cancelled", "retried"):
        yield f"peak {row.peak:>8}"
    yield from filter(None, (row.detail, row.last))


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
