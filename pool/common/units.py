"""Amounts of memory and disk as people write and read them; powers of 1024."""

from __future__ import annotations

import re

from pool.common.lazy_pattern import LazyPattern

__all__ = ["format_size", "parse_size"]

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_AMOUNT = LazyPattern(r"(\d{1,15}(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)


def parse_size(text: str) -> int | None:
    """Return the bytes of an amount (``8G``, ``512MiB``, bytes); None if it is not an amount."""
    if not (match := _AMOUNT.fullmatch(text.strip())):
        return None
    return int(float(match[1]) * _UNITS[match[2].upper()])


def format_size(count: float) -> str:
    """Return bytes as one would say them: ``512 MiB``, ``2.1 GiB``."""
    if count < 1000 << 20:
        return f"{count / (1 << 20):.0f} MiB"
    return f"{count / (1 << 30):.1f} GiB"
