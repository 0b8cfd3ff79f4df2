"""The progress line of a terminal without the screen: drawn below the lines, gone at the end."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from app.format import format_duration, format_size_of
from app.text.limits import format_limits, format_traffic, memory_budget
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


_BETWEEN_SECONDS = 0.1


class TerminalOutlet:
    """Lines that scroll, and one that stays."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        # Where stdout is the same terminal, wheel paths must go above the line as well.
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
        """Show one line; its first word has a colour."""
        text = Text(line.text)
        if style := _STYLES.get(line.word):
            text.stylize(style, 0, len(line.text.split(" ", 1)[0]))
        with suppress(OSError):  # The terminal is gone: the run goes on.
            self._console.print(text)

    def draw(self, state: RunState) -> None:
        """Show how far the run is, a few times a second at most."""
        now = self._clock.monotonic()
        if now - self._drawn >= _BETWEEN_SECONDS:
            self._drawn = now
            words = format_progress(state, now - self._start, self._console.width)
            self._live.update(Text(words, style="dim", no_wrap=True, overflow="ellipsis"))
            with suppress(OSError):
                self._live.refresh()


def format_progress(state: RunState, elapsed: float, width: int) -> str:
    """Return the line: what goes on around the builds, builds, downloads, memory, time.

    Where it is too long for the terminal, memory goes first, then what is said most loosely; the
    caps and the time stay.
    """
    caps = format_limits(state)
    now = max(elapsed, state.now)
    end = format_duration(elapsed)
    parts = [caps[LimitName.BUILDS]] if LimitName.BUILDS in caps else []
    if state.builds:
        done = sum(build.status is Status.DONE for build in state.builds.values())
        parts.append(f"{done} of {len(state.builds)} done")
    if coming := format_traffic(state, now):
        parts.append(f"{caps[LimitName.DOWNLOADS]}  {coming}")
    if (about := current_status(state, now)) is not None and about.kind in ("working", "waiting"):
        parts.append(about.lines[0])
    if (known := memory_budget(state)) is not None:
        parts.append(f"memory {format_size_of(known[0], known[2])}")
    elif state.machine is not None:
        used = state.machine.total - state.machine.available
        parts.append(f"memory {format_size_of(used, state.machine.total)}")
    while len(parts) > 1 and len("  ".join([*parts, end])) > width:
        parts.pop()
    return "  ".join([*parts, end])
