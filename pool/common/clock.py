"""The clock: the only module of the engine that reads the system's time.

A seam: tests and replays pass their own clock, so no test needs real time.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

__all__ = ["Clock", "SystemClock", "exclude_from_clock", "read_process_start"]

_LONGEST_START = 2.0
"""Seconds: a process that needed longer for its first module was another program before."""
_START_TIME = 19
"""The index of the start time, in ticks since boot, among the fields after the command."""


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


def read_process_start(entered: float) -> float:
    """Return when this process started, on `time.monotonic`.

    Linux tells it with a resolution of 10 ms (proc_pid_stat(5), field 22). It is not used for a
    process that another program became, such as a shell script that ends with ``exec``.

    Args:
        entered: when the first code of this program ran; the result if the system tells no more.
    """
    with suppress(OSError, ValueError, IndexError, AttributeError):
        # The command is in parentheses and may contain any character.
        fields = Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()
        since_boot = int(fields[_START_TIME]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot
        start = time.monotonic() - age
        if entered - _LONGEST_START <= start <= entered:
            return start
    return entered
