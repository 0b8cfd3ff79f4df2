"""The progress line of a terminal without the screen: drawn below the lines, gone at the end."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from app.view import duration, limits, size
from pool import State, Status, SystemClock

if TYPE_CHECKING:
    from app.printer import Line

__all__ = ["TerminalOutlet", "progress"]

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

    def draw(self, state: State) -> None:
        """Show how far the run is, a few times a second at most."""
        now = self._clock.monotonic()
        if now - self._drawn >= _BETWEEN_SECONDS:
            self._drawn = now
            words = progress(state, now - self._start)
            self._live.update(Text(words, style="dim", no_wrap=True, overflow="ellipsis"))
            with suppress(OSError):
                self._live.refresh()


def progress(state: State, elapsed: float) -> str:
    """Return the line: running and cap, done and known, memory, time."""
    done = sum(build.status is Status.DONE for build in state.builds.values())
    parts = [
        *limits(state)[:1],
        f"{done} of {len(state.builds)} done",
    ]
    if state.machine is not None:
        used = state.machine.total - state.machine.available
        parts.append(f"memory {size(used)} of {size(state.machine.total)}")
    return "  ".join([*parts, duration(elapsed)])
