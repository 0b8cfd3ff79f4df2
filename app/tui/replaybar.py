"""The line at the bottom of a replay: where it is, how fast it goes, and what is marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.widget import Widget

from app.view import clock

if TYPE_CHECKING:
    from textual import events

    from app.replay import ReplayControls

__all__ = ["ReplayBar"]


class ReplayBar(Widget):
    """Shows a replay's time; a click goes there."""

    def __init__(self, replay: ReplayControls, *, ascii_only: bool) -> None:
        super().__init__(id="replay")
        self._replay = replay
        self._ascii = ascii_only
        self._shown = ""

    def tick(self) -> None:
        """Draw again if something moved."""
        text = self._left() + self._track()
        if text != self._shown:
            self._shown = text
            self.refresh()

    def _left(self) -> str:
        replay = self._replay
        sign = (">" if replay.playing else "=") if self._ascii else ("▶" if replay.playing else "⏸")
        return f" {sign} {replay.speed:g}x  {clock(replay.position)} / {clock(replay.length)}  "

    def _track(self) -> str:
        """Return a line as long as the run: marks, and a knob where the replay is."""
        width = self.size.width - len(self._left()) - 1
        if width <= 0:
            return ""
        line, failure, cap, knob = "-x|O" if self._ascii else "─✗┬●"
        track = [line] * width
        for mark in self._replay.marks:
            track[self._cell(mark.t, width)] = failure if mark.kind == "failure" else cap
        track[self._cell(self._replay.position, width)] = knob
        return "".join(track)

    def _cell(self, seconds: float, width: int) -> int:
        share = seconds / self._replay.length if self._replay.length else 1.0
        return min(width - 1, int(share * width))

    def render(self) -> Text:
        """Return the line."""
        return Text(self._shown, no_wrap=True)

    def on_click(self, event: events.Click) -> None:
        """Go to the time that was clicked."""
        left = len(self._left())
        if event.x >= left:
            width = max(1, self.size.width - left - 1)
            self._replay.seek(self._replay.length * (event.x - left) / width)
