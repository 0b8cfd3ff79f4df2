"""A series of values as a line of block characters, on a given scale.

Pure arithmetic. The scale is the limit, never the highest value of the series: a graph that always
reaches the top does not show how close to its limit a run is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ASCII_BLOCKS", "BLOCKS", "sparkline"]

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " .:-=+*#@"
"""The same heights for terminals that show ASCII only, by the amount of ink."""


def sparkline(values: Sequence[float | None], scale: float, *, ascii_only: bool = False) -> str:
    """Return one character for each value: blank, eighths of the scale, or full.

    Args:
        values: the oldest first; None is unknown.
        scale: the value of a full cell; with 0 every positive value is full.
        ascii_only: use ASCII instead of block characters.
    """
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    return "".join(blocks[_height(value, scale, len(blocks) - 1)] for value in values)


def _height(value: float | None, scale: float, full: int) -> int:
    if value is None or value <= 0:
        return 0
    # Every positive value is visible.
    return min(full, max(1, round(full * value / scale))) if scale > 0 else full
