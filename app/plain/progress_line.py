"""The progress line of a run without the screen: drawn below the lines, removed at the end."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from app.format import format_duration, format_size_of
from app.text.limits import format_limits, format_traffic, memory_use
from app.text.run_status import current_status
from pool import LimitName, RunState, Status, SystemClock

if TYPE_CHECKING:
    from app.text.lines import Line

__all__ = ["TerminalOutlet", "format_progress"]

_STYLES = {
    "built": "green",
    "cached": "green",
    "fetched": "green",
    "failed": "bold red",
    "skipped": "red",
    "cancelled": "yellow",
    "stopping": "yellow",
    "locked": "yellow",
    "cap": "cyan",
    "resolved": "cyan",
    "installed": "green",
    "removed": "yellow",
    "note": "yellow",
}


_REDRAW_SECONDS = 0.1
_UNFINISHED = ("working", "waiting")


class TerminalOutlet:
    """Lines that scroll, and the progress line below them."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        # If stdout is the same terminal, wheel paths are printed above the progress line, too.
        shared = sys.stdout is not None and sys.stdout.isatty()
        self._clock = SystemClock()
        self._start = self._drawn = self._clock.monotonic()
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=shared,
            redirect_stderr=False,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._live.stop()

    def write(self, line: Line) -> None:
        """Print one line; its first word has a colour."""
        text = Text(line.text)
        if style := _STYLES.get(line.word):
            text.stylize(style, 0, len(line.text.split(" ", 1)[0]))
        with suppress(OSError):  # The terminal is gone; the run continues.
            self._console.print(text)

    def draw(self, state: RunState) -> None:
        """Draw the progress, at most ten times a second."""
        now = self._clock.monotonic()
        if now - self._drawn >= _REDRAW_SECONDS:
            self._drawn = now
            text = format_progress(state, now - self._start, self._console.width)
            self._live.update(Text(text, style="dim", no_wrap=True, overflow="ellipsis"))
            with suppress(OSError):
                self._live.refresh()


def format_progress(state: RunState, elapsed: float, width: int) -> str:
    """Return the progress line: builds, downloads, resolution or installation, memory, time.

    If it is too long for the terminal, parts are dropped from the end; the first part and the time
    stay.
    """
    limits = format_limits(state)
    now = max(elapsed, state.now)
    end = format_duration(elapsed)
    parts = [limits[LimitName.BUILDS]] if LimitName.BUILDS in limits else []
    if state.builds:
        done = sum(build.status is Status.DONE for build in state.builds.values())
        parts.append(f"{done} of {len(state.builds)} done")
    if received := format_traffic(state, now):
        parts.append(f"{limits[LimitName.DOWNLOADS]}  {received}")
    if (status := current_status(state, now)) is not None and status.kind in _UNFINISHED:
        parts.append(status.lines[0])
    if (use := memory_use(state)) is not None:
        parts.append(f"memory {format_size_of(use.used, use.budget)}")
    elif state.machine is not None:
        used = state.machine.total - state.machine.available
        parts.append(f"memory {format_size_of(used, state.machine.total)}")
    while len(parts) > 1 and len("  ".join([*parts, end])) > width:
        parts.pop()
    return "  ".join([*parts, end])
