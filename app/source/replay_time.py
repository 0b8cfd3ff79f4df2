"""Parses times of a run as users type them: ``12:30``, ``90``, ``+30``, ``50%``, ``failure``.

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
"""A position within this number of seconds of a mark is at the mark."""


def parse_time(text: str, position: float, length: float, marks: Sequence[Mark]) -> float:
    """Return a typed time as seconds since the start of the run.

    Args:
        text: the text that the user typed.
        position: the position of the replay, for ``+30`` and ``failure``.
        length: the time of the last event.
        marks: the failures and other marks of the run.

    Raises:
        SettingsError: the time is invalid or after the end, or there is no such failure.
    """
    typed = text.strip().lower()
    if typed in ("start", "end"):
        return length if typed == "end" else 0.0
    if typed == "failure":
        return _failure(position, marks)
    if (share := _SHARE.fullmatch(typed)) and float(share[1]) <= 100:
        return length * float(share[1]) / 100
    sign = typed[:1] if typed[:1] in "+-" else ""
    if (match := _CLOCK.fullmatch(typed.removeprefix(sign))) is None:
        raise pool.SettingsError(f"invalid time {text!r}", hint=f"use {EXAMPLES}")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    at = 3600 * hours + 60 * minutes + seconds
    if sign:
        return min(max(position + (at if sign == "+" else -at), 0.0), length)
    if int(at) > length:
        raise pool.SettingsError(
            f"{text.strip()} is after the end of the run, {format_clock(length)}"
        )
    return at


def next_failure(position: float, marks: Sequence[Mark]) -> float | None:
    """Return the time of the next failure; None if there is none."""
    later = (mark.t for mark in marks if mark.kind == "failure" and mark.t > position + _WITHIN)
    return next(later, None)


def previous_failure(position: float, marks: Sequence[Mark]) -> float | None:
    """Return the time of the last failure before a position; None if there is none."""
    times = [mark.t for mark in marks if mark.kind == "failure" and mark.t < position - _WITHIN]
    return times[-1] if times else None


def _failure(position: float, marks: Sequence[Mark]) -> float:
    # A failure at the start counts, too.
    if (at := next_failure(position - 2 * _WITHIN, marks)) is None:
        later = " after that" if any(mark.kind == "failure" for mark in marks) else ""
        raise pool.SettingsError(f"nothing failed in this run{later}")
    return at
