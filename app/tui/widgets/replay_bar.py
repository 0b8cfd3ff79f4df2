"""The bottom line of a replay: position, speed, and marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.widget import Widget

from app.format import format_clock

if TYPE_CHECKING:
    from textual import events

    from app.source.base import ReplayControls

__all__ = ["ReplayBar"]

_WORDS = 70
"""The width from which playing or paused is shown as a word."""


class ReplayBar(Widget):
    """Shows the position of a replay; a click seeks."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "replay--failure", "replay--cap", "replay--knob", "replay--ahead",
    }  # fmt: skip

    def __init__(self, replay: ReplayControls, *, ascii_only: bool) -> None:
        super().__init__(id="replay")
        self._replay = replay
        self._ascii = ascii_only
        self._shown = Text()

    def tick(self) -> None:
        """Redraw if anything has changed."""
        text = Text(self._left(), no_wrap=True).append_text(self._track())
        if text != self._shown:
            self._shown = text
            self.refresh()

    def _left(self) -> str:
        """Format state, speed and position."""
        replay = self._replay
        playing = replay.playing
        sign = (">" if playing else "=") if self._ascii else ("▶" if playing else "⏸")
        word = ""
        if self.size.width >= _WORDS:
            at_end = replay.position >= replay.length
            word = "plays  " if playing else "ended  " if at_end else "paused "
        length = format_clock(replay.length)
        at = f"{format_clock(replay.position):>{len(length)}} / {length}"
        return f" {sign} {word}{f'{replay.speed:g}x':<5} {at}  "

    def _track(self) -> Text:
        """Draw the track: marks, and a knob at the current position."""
        width = self._room
        failure, cap, knob, line, ahead = "x|O=-" if self._ascii else "✗┬●━─"
        at = self._cell(self._replay.position, width)
        track = [line] * at + [ahead] * (width - at)
        for mark in self._replay.marks:
            cell = self._cell(mark.t, width)
            # Where both fall into one cell, show the failure.
            if width and track[cell] != failure:
                track[cell] = failure if mark.kind == "failure" else cap
        if width:
            track[at] = knob
        return self._styled(track, {failure: "failure", cap: "cap", knob: "knob", ahead: "ahead"})

    def _styled(self, track: list[str], names: dict[str, str]) -> Text:
        text = Text()
        for glyph in track:
            name = names.get(glyph, "knob")
            text.append(glyph, self.get_component_rich_style(f"replay--{name}", partial=True))
        return text

    @property
    def _room(self) -> int:
        """The width of the track in cells; the last one stays blank."""
        return max(0, self.size.width - len(self._left()) - 1)

    def _cell(self, seconds: float, width: int) -> int:
        share = seconds / self._replay.length if self._replay.length else 1.0
        return max(0, min(width - 1, int(share * width)))

    def render(self) -> Text:
        """Return the line."""
        return self._shown

    def on_click(self, event: events.Click) -> None:
        """Seek to the clicked time."""
        left = len(self._left())
        if event.x >= left:
            self._replay.seek(self._replay.length * (event.x - left) / max(1, self._room))
