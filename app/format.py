"""Durations, sizes and counts as text.

Pure formatting: numbers in, text out. Nothing here reads a run, a clock or a terminal, so every
module of `app` may use it.
"""

from __future__ import annotations

from math import ceil

__all__ = [
    "format_clock",
    "format_count",
    "format_duration",
    "format_estimate",
    "format_size",
    "format_size_of",
]

_MINUTE, _HOUR = 60, 3600
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def format_duration(seconds: float, *, fine: bool = False) -> str:
    """Return a duration: ``0.4 s``, ``4 min 12 s``, ``1 h 02 min``.

    Args:
        seconds: the number of seconds.
        fine: print two decimals below 10 s: ``0.42 s``.
    """
    if fine and seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def format_clock(seconds: float) -> str:
    """Return an elapsed time: ``0:07``, ``12:30``, ``1:02:03``."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def format_estimate(seconds: float) -> str:
    """Return an estimated duration: ``a few seconds``, ``about 3 min``, ``about 1.5 h``."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 55:
        return f"about {ceil(seconds / 10) * 10} s"
    if seconds < 10 * _MINUTE:
        return f"about {max(1, round(seconds / _MINUTE))} min"
    if seconds < 55 * _MINUTE:
        return f"about {ceil(seconds / _MINUTE / 5) * 5} min"
    hours = round(2 * seconds / _HOUR) / 2
    return f"about {hours:g} h"


def format_size(count: float, *, fine: bool = False) -> str:
    """Return a number of bytes in powers of 1024: ``412 MiB``, ``3.1 GiB``.

    Args:
        count: the number of bytes.
        fine: print one decimal below 10 MiB, too: ``4.1 MiB``.
    """
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    exact = count < 10 and unit >= (2 if fine else 3)
    return f"{count:.1f} {_UNITS[unit]}" if exact else f"{count:.0f} {_UNITS[unit]}"


def format_size_of(part: float, whole: float) -> str:
    """Return a part of a size: ``12 of 40 MiB``, ``900 KiB of 2 MiB``."""
    size, total = format_size(part), format_size(whole)
    number, unit = size.split()
    return f"{number if unit == total.split()[1] else size} of {total}"


def format_count(number: int, noun: str) -> str:
    """Return a number of things: ``1 page``, ``2 pages``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
