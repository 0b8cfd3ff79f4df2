"""A value over time as a line of block glyphs, on a scale that is given.

Pure arithmetic. The scale is what there may be, never what there was: a graph that always reaches
the top says nothing about how close to the edge a run is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ASCII_BLOCKS", "BLOCKS", "sparkline"]

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " .:-=+*#@"
"""The same heights where there is only ASCII, by how much ink they have."""


def sparkline(values: Sequence[float | None], scale: float, *, ascii_only: bool = False) -> str:
    """Return a glyph for each value: nothing, eighths of the scale, or all of it and above.

    Args:
        values: the oldest first; None where nothing is known.
        scale: what fills a cell; with 0, whatever is there does.
        ascii_only: without block glyphs.
    """
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    return "".join(blocks[_height(value, scale, len(blocks) - 1)] for value in values)


def _height(value: float | None, scale: float, most: int) -> int:
    if value is None or value <= 0:
        return 0
    # What is there shows, however little it is.
    return min(most, max(1, round(most * value / scale))) if scale > 0 else most
