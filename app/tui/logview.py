"""A log file as far as it has grown, however large: only an index of line starts is in memory.

Lines are read and cleaned when they are drawn, so a log costs nothing until it is looked at.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from rich.segment import Segment
from textual.binding import Binding
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

import pool

if TYPE_CHECKING:
    from pathlib import Path

    from textual.binding import BindingType

__all__ = ["LogFile", "LogView"]

_PER_POLL = 1 << 24
_LONGEST = 2000


class LogFile:
    """Line starts of a growing file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._starts = array("Q", [0])
        self._end = 0

    def poll(self, until: int | None = None) -> bool:
        """Index what is new, so much at a time; tell whether there was anything.

        Args:
            until: the log's size at the moment that is replayed; None for all there is.
        """
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except OSError:
                return False
        self._file.seek(self._end)
        most = _PER_POLL if until is None else min(_PER_POLL, max(0, until - self._end))
        chunk = self._file.read(most)
        at = chunk.find(b"\n")
        while at >= 0:
            self._starts.append(self._end + at + 1)
            at = chunk.find(b"\n", at + 1)
        self._end += len(chunk)
        return bool(chunk)

    def __len__(self) -> int:
        return len(self._starts) - (self._starts[-1] == self._end)

    def line(self, number: int) -> str:
        """Return a line, cleaned; numbers count from 0."""
        if self._file is None:
            return ""
        start = self._starts[number]
        end = self._starts[number + 1] if number + 1 < len(self._starts) else self._end
        self._file.seek(start)
        return pool.clean_line(self._file.read(min(end - start, 16 * _LONGEST)), longest=_LONGEST)

    def find(self, needle: str, after: int, step: int) -> int | None:
        """Return the next line, forward or backward (step 1 or -1), that has a text."""
        folded = needle.casefold()
        numbers = range(after + step, len(self) if step > 0 else -1, step)
        return next((n for n in numbers if folded in self.line(n).casefold()), None)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class LogView(ScrollView, can_focus=True):
    """Shows a log; follows its end until the user scrolls away from it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False, id="log.down"),
        Binding("k", "scroll_up", show=False, id="log.up"),
        Binding("g,home", "top", show=False, id="log.first"),
        Binding("G,end", "bottom", show=False, id="log.last"),
        Binding("space,ctrl+f", "page_down", show=False, id="log.page_down"),
        Binding("b,ctrl+b", "page_up", show=False, id="log.page_up"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--found", "log--number"}

    def __init__(self, path: Path) -> None:
        super().__init__(id="log")
        self._log = LogFile(path)
        self.follow = True
        self.needle = ""
        self._found: int | None = None
        self._widest = 0

    @property
    def lines(self) -> int:
        """How many lines there are so far."""
        return len(self._log)

    def tick(self, until: int | None) -> None:
        """Take in what is new, up to a size of the log; see `LogFile.poll`."""
        if self._log.poll(until):
            self._lay_out()

    def _lay_out(self) -> None:
        width = max(self.scrollable_content_region.width, self._widest)
        self.virtual_size = Size(width, len(self._log))
        if self.follow:
            # Only then is it known whether there are scrollbars, and so where the end is.
            self.call_after_refresh(self.scroll_end, animate=False, immediate=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        number, width = int(self.scroll_y) + y, self.scrollable_content_region.width
        if number >= len(self._log):
            return Strip.blank(width, self.rich_style)
        style = self.rich_style
        if number == self._found:
            style += self.get_component_rich_style("log--found", partial=True)
        strip = Strip([Segment(self._log.line(number), style)])
        self._widest = max(self._widest, strip.cell_length)
        left = int(self.scroll_x)
        return strip.crop(left, left + width).adjust_cell_length(width, style)

    def search(self, needle: str) -> bool:
        """Look for a text from the top of the screen on."""
        self.needle = needle
        self._found = int(self.scroll_y) - 1
        return self.next_found(1)

    def next_found(self, step: int) -> bool:
        """Go to the next line that has the text, or the one before; wrap around at the ends."""
        if not self.needle:
            return False
        here = self._found if self._found is not None else int(self.scroll_y) - 1
        found = self._log.find(self.needle, here, step)
        if found is None:
            found = self._log.find(self.needle, -1 if step > 0 else len(self._log), step)
        self._found = found
        if found is not None:
            self.follow = False
            self.scroll_to(y=max(0, found - self.size.height // 2), animate=False, immediate=True)
        self.refresh()
        return found is not None

    def action_top(self) -> None:
        """Go to the first line."""
        self.follow = False
        self.scroll_home(animate=False)

    def action_bottom(self) -> None:
        """Go to the last line, and follow the log from there."""
        self.follow = True
        self.scroll_end(animate=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Stop following when the user scrolls up, and begin again at the end."""
        super().watch_scroll_y(old_value, new_value)
        if new_value >= self.max_scroll_y:
            self.follow = True
        elif new_value < old_value:
            self.follow = False

    def on_resize(self) -> None:
        """Lay the lines out anew."""
        self._lay_out()

    def on_unmount(self) -> None:
        """Let go of the file."""
        self._log.close()
