"""The two lines at the top: caps, memory, time; and how many builds are where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.widget import Widget

from app.view import PLAIN, clock, counts, limits, size

if TYPE_CHECKING:
    from textual.app import RenderResult

    from app.tui.feed import Feed

__all__ = ["RunHeader"]

_BAR = 16


class RunHeader(Widget):
    """What a glance at the run wants to know."""

    def __init__(self, feed: Feed, *, ascii_only: bool) -> None:
        super().__init__(id="header")
        self._feed = feed
        self._ascii = ascii_only
        self._shown: tuple[str, str] = ("", "")

    def tick(self) -> None:
        """Draw again if the words have changed."""
        lines = self._first(), self._second()
        if self._ascii:
            lines = lines[0].translate(PLAIN), lines[1].translate(PLAIN)
        if lines != self._shown:
            self._shown = lines
            self.refresh()

    def _first(self) -> str:
        state, width = self._feed.state, self.size.width
        right = clock(self._feed.now)
        left = " wheelpool   " if width >= 64 else " "
        left += "   ".join(limits(state)) or "starting"
        memory = self._memory(width - len(left) - len(right) - 4)
        return _spread(left, f"{memory}   {right} ", width)

    def _memory(self, room: int) -> str:
        """Say how much of the machine's memory is used, as far as there is room."""
        machine = self._feed.state.machine
        if machine is None:
            return ""
        used = machine.total - machine.available
        said = f"memory {size(used)} of {size(machine.total)}"
        full = round(_BAR * used / machine.total)
        done, rest = ("#", ".") if self._ascii else ("█", "·")
        for text in (f"{said}  {done * full}{rest * (_BAR - full)}", said):
            if len(text) <= room:
                return text
        return ""

    def _second(self) -> str:
        feed = self._feed
        left, right = f" {counts(feed.numbers)}", ""
        if feed.state.stopping and not feed.state.finished:
            right = "stopping "
        elif feed.source.live and feed.idle:
            right = "all done, q quits "
        elif feed.replay is not None:
            right = "replay "
        return _spread(left, right, self.size.width)

    def render(self) -> RenderResult:
        """Return both lines."""
        first, second = self._shown
        return Text(first, style="bold", no_wrap=True) + Text(f"\n{second}", no_wrap=True)


def _spread(left: str, right: str, width: int) -> str:
    """Put one text to the left and one to the right; the left one goes first."""
    if len(left) + len(right) > width:
        return left[:width]
    return left + " " * (width - len(left) - len(right)) + right
