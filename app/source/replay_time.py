"""Moments of a run as a user names them: ``12:30``, ``90``, ``+30``, ``-30``, ``50%``, ``failure``.

Pure: text and the run's marks in, seconds out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pool
from app.format import format_clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.source.base import Mark

__all__ = ["EXAMPLES", "next_failure", "parse_time", "previous_failure"]

EXAMPLES = "12:30, 90 (seconds), +30, -30, 50%, failure, end"
_CLOCK = re.compile(r"(?:(?:(\d{1,4}):)?(\d{1,4}):)?(\d{1,7}(?:\.\d{0,3})?)s?", re.ASCII)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{0,3})?)\s*%", re.ASCII)
_WITHIN = 0.001
"""Seconds within which one is where a mark is."""


def parse_time(text: str, position: float, length: float, marks: Sequence[Mark]) -> float:
    """Return the seconds since the start of the run that a user named.

    Args:
        text: what was typed.
        position: where the replay is, for ``+30`` and ``failure``.
        length: the time of the last event.
        marks: failures among them.

    Raises:
        SettingsError: it is no time, or one after the end, or there is no such failure.
    """
    asked = text.strip().lower()
    if asked in ("start", "end"):
        return length if asked == "end" else 0.0
    if asked == "failure":
        return _failure(position, marks)
    if (share := _SHARE.fullmatch(asked)) and float(share[1]) <= 100:
        return length * float(share[1]) / 100
    sign = asked[:1] if asked[:1] in "+-" else ""
    if (found := _CLOCK.fullmatch(asked.removeprefix(sign))) is None:
        raise pool.SettingsError(f"{text!r} is no time in a run", hint=f"one is: {EXAMPLES}")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    at = 3600 * hours + 60 * minutes + seconds
    if sign:
        return min(max(position + (at if sign == "+" else -at), 0.0), length)
    if int(at) > length:
        raise pool.SettingsError(
            f"{text.strip()} is after the end of the run, {format_clock(length)}"
        )
    return at


def next_failure(position: float, marks: Sequence[Mark]) -> float | None:
    """Return when something fails next; None where nothing does."""
    later = (one.t for one in marks if one.kind == "failure" and one.t > position + _WITHIN)
    return next(later, None)


def previous_failure(position: float, marks: Sequence[Mark]) -> float | None:
    """Return when something failed last before a position; None where nothing did."""
    times = [one.t for one in marks if one.kind == "failure" and one.t < position - _WITHIN]
    return times[-1] if times else None


def _failure(position: float, marks: Sequence[Mark]) -> float:
    # At the very beginning, too.
    if (at := next_failure(position - 2 * _WITHIN, marks)) is None:
        later = " after that" if any(one.kind == "failure" for one in marks) else ""
        raise pool.SettingsError(f"nothing failed in this run{later}")
    return at
