"""The columns of the comparison for a given width: pure arithmetic and words, no widgets."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args

from rich.cells import set_cell_size

from app.format import format_duration, format_size
from app.text.rows import TO_ASCII
from pool import Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.runs.compare import BuildFacts, Pair

__all__ = ["ORDERS", "Order", "cells", "cut", "marks", "select_pairs", "titles"]

Order = Literal["difference", "time", "memory", "name"]
"""Sort orders: by severity of the difference, increase of time, increase of memory, or name."""
ORDERS: tuple[Order, ...] = get_args(Order)
_STATES, _TIMES, _MEMORY, _WORDS = 50, 74, 106, 150
"""The widths from which states, times, memory, and the differences in words are shown."""
_NAMES: dict[str, Order] = {"differs": "difference", "longer": "time", "larger": "memory",
                            "build": "name"}  # fmt: skip
_MARKS = {
    "failed": ("✗", "x"), "unfinished": ("✗", "x"), "missing": ("-", "-"), "new": ("+", "+"),
    "slower": ("▲", "^"), "memory": ("▲", "^"), "waited": ("▲", "^"), "tries": ("▲", "^"),
    "faster": ("▼", "v"), "fixed": ("✓", "="), "outcome": ("≠", "!"), "version": ("≠", "!"),
}  # fmt: skip


class _Column(Record, frozen=True):
    title: str
    width: int
    right: bool = False


@lru_cache(maxsize=64)
def _columns(width: int) -> tuple[_Column, ...]:
    """Return the columns. A mark takes three cells before them; one cell follows each column."""
    fixed = [_Column("differs", 10)]
    if width >= _STATES:
        state = 17 if width >= _TIMES else 10
        fixed += [_Column("A", state), _Column("B", state)]
    if width >= _TIMES:
        fixed.append(_Column("longer", 10, right=True))
    if width >= _MEMORY:
        memory = (_Column(name, 8, right=True) for name in ("A", "B", "larger"))
        fixed += memory
    left = width - 3 - sum(column.width + 1 for column in fixed)
    words = left // 2 if width >= _WORDS else 0
    name = _Column("build", max(8, left - words - 1))
    return (name, *fixed, *([_Column(" in words", words - 1)] if words else []))


def titles(width: int, by: Order, *, backwards: bool, ascii_only: bool) -> str:
    """Return the title line; the sort column is marked."""
    mark = ("v^" if ascii_only else "▾▴")[backwards]
    texts = [
        _fitted(f"{one.title} {mark}" if _NAMES.get(one.title) == by else one.title, one)
        for one in _columns(width)
    ]
    return set_cell_size("   " + " ".join(texts), width)


def marks(pair: Pair, *, ascii_only: bool) -> str:
    """Return the glyph of a pair's most severe difference; blank if nothing differs."""
    return _MARKS[pair.changes[0].kind][ascii_only] if pair.changes else " "


def cells(pair: Pair, width: int, *, ascii_only: bool) -> list[str]:
    """Return the cells of a row, padded to the width of their columns."""
    a, b = pair.a, pair.b
    values = [
        pair.title,
        pair.changes[0].kind if pair.changes else "",
        *([_state(a, width), _state(b, width)] if width >= _STATES else []),
        *([_more_time(a, b)] if width >= _TIMES else []),
        *([_peak(a), _peak(b), _more_memory(a, b)] if width >= _MEMORY else []),
        *([" " + "; ".join(change.text for change in pair.changes)] if width >= _WORDS else []),
    ]
    texts = [_fitted(text, one) + " " for text, one in zip(values, _columns(width), strict=True)]
    return [text.translate(TO_ASCII) for text in texts] if ascii_only else texts


def select_pairs(pairs: Iterable[Pair], needle: str, by: Order, *, backwards: bool) -> list[Pair]:
    """Return the pairs whose row contains a text, sorted."""
    needle = needle.casefold()
    shown = [pair for pair in pairs if needle in _searched(pair)]
    match by:
        case "time":
            shown.sort(key=lambda pair: -_longer(pair))
        case "memory":
            shown.sort(key=lambda pair: -_larger(pair))
        case "name":
            shown.sort(key=lambda pair: pair.name)
        case "difference":
            pass  # The pairs are already in this order.
    return shown[::-1] if backwards else shown


def _searched(pair: Pair) -> str:
    states = (facts.state for facts in (pair.a, pair.b) if facts is not None)
    changes = (f"{change.kind} {change.text}" for change in pair.changes)
    return " ".join((pair.title, *states, *changes)).casefold()


def _longer(pair: Pair) -> float:
    return 0.0 if pair.a is None or pair.b is None else pair.b.seconds - pair.a.seconds


def _larger(pair: Pair) -> int:
    return 0 if pair.a is None or pair.b is None else pair.b.peak - pair.a.peak


def _state(facts: BuildFacts | None, width: int) -> str:
    if facts is None:
        return "-"
    timed = facts.seconds and width >= _TIMES
    return f"{facts.state} {format_duration(facts.seconds)}" if timed else facts.state


def _more_time(a: BuildFacts | None, b: BuildFacts | None) -> str:
    if a is None or b is None or not (a.seconds and b.seconds):
        return ""
    more = b.seconds - a.seconds
    return f"{'-' if more < 0 else '+'}{format_duration(abs(more))}"


def _peak(facts: BuildFacts | None) -> str:
    return format_size(facts.peak) if facts is not None and facts.peak else "-"


def _more_memory(a: BuildFacts | None, b: BuildFacts | None) -> str:
    if a is None or b is None or not (a.peak and b.peak):
        return ""
    more = b.peak - a.peak
    return f"{'-' if more < 0 else '+'}{format_size(abs(more))}"


def _fitted(text: str, column: _Column) -> str:
    return cut(text.rjust(column.width) if column.right else text, column.width)


def cut(text: str, width: int) -> str:
    """Pad or truncate a text to a width; truncation is marked."""
    fitted = set_cell_size(text, width)
    return fitted if fitted.rstrip() == text.rstrip() else set_cell_size(fitted, width - 1) + "…"
