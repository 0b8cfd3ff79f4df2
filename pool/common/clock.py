"""The clock: the only module of the engine that reads the system's time.

A seam: tests and replays pass their own clock, so no test needs real time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock", "exclude_from_clock"]


class Clock(Protocol):
    """The time, as the engine reads it."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        ...

    def now(self) -> datetime:
        """The wall clock, in UTC; for names and headers only, never for durations."""
        ...


_excluded_seconds = 0.0


def exclude_from_clock(seconds: float) -> None:
    """Let the monotonic time of all system clocks stand still for the last seconds.

    For a time in which this process was stopped: no build worked then.
    """
    global _excluded_seconds  # noqa: PLW0603 - a process has one time
    _excluded_seconds += seconds


class SystemClock:
    """The machine's own time, without the times in which this process was stopped by Ctrl-Z."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, never going back."""
        return time.monotonic() - _excluded_seconds

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)
