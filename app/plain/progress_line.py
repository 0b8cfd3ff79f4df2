"""The progress line of a run without the screen: drawn below the lines, removed at the end."""

from __future__ import annotations

import re
import sys
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from app.format import format_clock
from app.model.progress import run_progress
from app.text.limits import format_traffic
from app.text.meters.bar import EIGHTHS, format_bar
from app.text.rows import status_word
from app.text.run_status import current_status
from pool import LimitName, RunState, Status, SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

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
_BAR_CELLS, _NAMES = 12, 3
_WAITS = {"locked": "locked", "memory": "waiting for memory"}
"""The waits that need a remark, by their words in rows (`app.text.rows`)."""


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
            verb = re.match(r" *\S*", line.text)
            text.stylize(style, 0, verb.end() if verb else 0)
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
    """Return the progress line: ``[███▌····] 3/8  yarl, psutil · 1 locked · 0:12``.

    If it is too long for the terminal, facts are dropped from the end; the bar and the time stay.
    """
    now, end = max(elapsed, state.now), format_clock(elapsed)
    head = _head(state, now)
    facts = list(filter(None, _facts(state, now)))
    while facts and len(head) + len(" · ".join([*facts, end])) + 2 > width:
        facts.pop()
    return f"{head}  {' · '.join([*facts, end])}".lstrip()


def _head(state: RunState, now: float) -> str:
    """Return the bar, and how many builds have ended; empty before the first build."""
    if not state.builds:
        return ""
    done = sum(build.status is Status.DONE for build in state.builds.values())
    progress = run_progress(state, now)
    part = progress.done + progress.failed + progress.running
    return f"[{format_bar(round(part * EIGHTHS), _BAR_CELLS)}] {done}/{len(state.builds)}"


def _facts(state: RunState, now: float) -> Iterator[str]:
    """Yield what the run does, the most important first; empty texts are nothing."""
    running = [state.builds[build].label for build in state.slots.values()]
    more = f" and {len(running) - _NAMES} more" if len(running) > _NAMES else ""
    yield ", ".join(running[:_NAMES]) + more
    waiting = Counter(
        status_word(build) for build in state.builds.values() if build.status is Status.WAITING
    )
    yield from (f"{waiting[word]} {words}" for word, words in _WAITS.items() if waiting[word])
    status = current_status(state, now)
    yield status.lines[0] if status is not None and status.kind in _UNFINISHED else ""
    yield format_traffic(state, now)
    if LimitName.BUILDS in state.limits and not state.limits[LimitName.BUILDS].cap:
        yield "paused"
