"""Bars of the timeline: what each cell of a row shows. Pure, no widgets.

A cell shows the span that takes most of its time. Glyphs alone identify a span: phases are shades,
waits are initial letters.
"""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from rich.cells import cell_len, set_cell_size

from app.model.timeline import spans_between
from pool import Phase, Record, WaitFor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pool
    from app.model.timeline import Span, SpanKind
    from app.tui.timeline.viewport import TimeRange

__all__ = ["GLYPHS", "LEGENDS", "Piece", "Shade", "bars", "build_pieces", "legend", "slot_pieces"]

Shade = Literal[
    "build", "environment", "hook", "check", "load", "other",
    "queued", "lock", "memory", "needs", "paused", "job", "blank",
]  # fmt: skip
"""The kind of a piece, which selects its colour."""

GLYPHS: dict[SpanKind, tuple[Shade, str, str]] = {
    Phase.BUILD: ("build", "█", "#"),
    Phase.ENVIRONMENT: ("environment", "▒", "%"),
    Phase.GET_REQUIRES: ("hook", "▓", "="),
    Phase.METADATA: ("hook", "▓", "="),
    Phase.CHECK: ("check", "░", ":"),
    Phase.UNPACK: ("other", "─", "-"),
    Phase.LOOKUP: ("other", "─", "-"),
    Phase.FETCH: ("load", "↓", "v"),
    Phase.AWAIT_JOB: ("job", "J", "J"),
    WaitFor.SLOT: ("queued", "·", "."),
    WaitFor.LOCK: ("lock", "L", "L"),
    WaitFor.MEMORY: ("memory", "M", "M"),
    WaitFor.DEPENDENCY: ("needs", "N", "N"),
    WaitFor.DOWNLOAD: ("load", "↓", "v"),
    WaitFor.PAUSED: ("paused", "P", "P"),
    "work": ("other", "─", "-"),
    "resolve": ("load", "?", "?"),
    "stage": ("environment", "▒", "%"),
    "install": ("build", "█", "#"),
}
"""The style, glyph and ASCII glyph of each kind."""
LEGENDS: dict[bool, tuple[tuple[SpanKind, str], ...]] = {
    False: (
        (Phase.BUILD, "build"),
        (Phase.ENVIRONMENT, "environment"),
        (Phase.GET_REQUIRES, "hooks"),
        (Phase.CHECK, "check"),
        ("work", "between"),
        (Phase.AWAIT_JOB, "job"),
        ("resolve", "versions"),
    ),
    True: (
        (Phase.BUILD, "build"),
        (Phase.ENVIRONMENT, "environment"),
        (Phase.GET_REQUIRES, "hooks"),
        (WaitFor.SLOT, "queued"),
        (WaitFor.LOCK, "lock"),
        (WaitFor.MEMORY, "memory"),
        (WaitFor.DEPENDENCY, "needs"),
        (WaitFor.DOWNLOAD, "download"),
        (Phase.CHECK, "check"),
        (Phase.AWAIT_JOB, "job"),
        (WaitFor.PAUSED, "paused"),
    ),
}
"""The legend, by slot (False) and by build (True); narrow screens drop the last kinds."""

_SWEPT = 8
"""Maximum number of spans compared in one cell; above it, one span represents them."""
_NAMED = 4
"""Minimum width in cells of a bar that shows its build's name."""


class Piece(Record, frozen=True):
    """Adjacent cells with the same look."""

    text: str
    shade: Shade
    build: pool.BuildId | None = None
    name: bool = False
    """Whether the text is the build's name."""


def bars(spans: Sequence[Span], part: TimeRange, now: float) -> list[Span | None]:
    """Return for each cell the span that takes most of it; None if there is none."""
    seen = spans_between(spans, part.since, min(part.until, now))
    if len(seen) > _SWEPT * part.cells:
        return [_span_at_middle(seen, part, cell, now) for cell in range(part.cells)]
    cells: list[Span | None] = [None] * part.cells
    weights = [0.0] * part.cells
    for span in seen:
        begin, end = span.since, min(span.end(now), part.until)
        first = max(0, int(begin / part.step) - part.first)
        last = min(part.cells - 1, int(end / part.step) - part.first)
        for cell in range(first, last + 1):
            at = part.cell_start(cell)
            weight = min(end, at + part.step) - max(begin, at)
            if weight > weights[cell]:
                cells[cell], weights[cell] = span, weight
    return cells


def _span_at_middle(seen: Sequence[Span], part: TimeRange, cell: int, now: float) -> Span | None:
    """Return the span in the middle of a cell, or the first one that begins after it."""
    middle = min(part.cell_start(cell) + part.step / 2, now)
    there = spans_between(seen, middle, part.cell_start(cell + 1))
    return there[0] if there else None


def build_pieces(cells: Sequence[Span | None], *, ascii_only: bool) -> list[Piece]:
    """Return a row by build: one glyph per cell."""
    return list(_pieces(cells, ascii_only=ascii_only))


def slot_pieces(
    cells: Sequence[Span | None], name: Callable[[pool.BuildId], str], *, ascii_only: bool
) -> list[Piece]:
    """Return a row by slot: each bar begins with the name of its build if it fits."""
    row: list[Piece] = []
    for build, group in groupby(cells, lambda span: None if span is None else span.build):
        run = list(group)
        if build is None or len(run) < _NAMED:
            row += _pieces(run, ascii_only=ascii_only)
            continue
        # At least one cell shows the glyph.
        text = set_cell_size(name(build), min(cell_len(name(build)), len(run) - 2))
        edge = "|" if ascii_only else "▏"
        shade = _shade_and_glyph(run[0], ascii_only=ascii_only)[0]
        row.append(Piece(edge + text, shade, build, name=True))
        row += _pieces(run[1 + cell_len(text) :], ascii_only=ascii_only)
    return row


def _pieces(cells: Sequence[Span | None], *, ascii_only: bool) -> Iterator[Piece]:
    key = attrgetter("build", "kind")
    for _, group in groupby(cells, lambda span: None if span is None else key(span)):
        run = list(group)
        shade, glyph = _shade_and_glyph(run[0], ascii_only=ascii_only)
        yield Piece(glyph * len(run), shade, None if run[0] is None else run[0].build)


def _shade_and_glyph(span: Span | None, *, ascii_only: bool) -> tuple[Shade, str]:
    if span is None:
        return "blank", " "
    shade, *glyphs = GLYPHS[span.kind]
    return shade, glyphs[ascii_only]


def legend(width: int, *, by_build: bool, ascii_only: bool) -> list[Piece]:
    """Return the legend, as far as it fits."""
    pieces: list[Piece] = []
    left = width
    for kind, word in LEGENDS[by_build]:
        shade, *glyphs = GLYPHS[kind]
        text = f" {glyphs[ascii_only] * 2} "
        left -= len(text) + len(word)
        if left < 0:
            break
        pieces += [Piece(text, shade), Piece(word, "blank")]
    return pieces
