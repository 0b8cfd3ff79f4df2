"""A scrollable view of a log; only visible lines are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.cells import chop_cells
from rich.text import Text
from textual.binding import Binding
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

import pool
from app.tui.widgets.log_file import LogFile, Search

if TYPE_CHECKING:
    from pathlib import Path

    from textual.binding import BindingType
    from textual.selection import Selection

__all__ = ["LogView"]

_FOR_CAUSE = 1 << 21
"""The number of bytes at the end of the log in which the cause of a failure is searched."""
_MOST_COPIED = 1 << 20
"""Maximum number of bytes copied; terminals refuse more."""


class _Row(NamedTuple):
    """One line of the screen: a part of a line of the log."""

    number: int
    start: int
    stop: int
    line: str


class LogView(ScrollView, can_focus=True):
    """Shows a log and follows its end until the user scrolls away from it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False, id="log.down"),
        Binding("k", "scroll_up", show=False, id="log.up"),
        Binding("g,home", "top", show=False, id="log.first"),
        Binding("G,end", "bottom", show=False, id="log.last"),
        Binding("space,ctrl+f", "page_down", show=False, id="log.page_down"),
        Binding("b,ctrl+b", "page_up", show=False, id="log.page_up"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--found", "log--here", "log--number"}

    def __init__(self, path: Path) -> None:
        super().__init__(id="log")
        self._log = LogFile(path)
        self._search: Search | None = None
        self._pending_jump: tuple[int, int] | None = None
        """The pending jump: the line to start from and the direction."""
        self._jumped_to: int | None = None
        """The line of the last jump."""
        self._rows: tuple[tuple[int, ...], list[_Row]] = ((), [])
        self._widest = 0
        self.follow = True
        self.wrap = False
        self.numbers = False

    @property
    def lines(self) -> int:
        """The number of lines so far."""
        return len(self._log)

    @property
    def place(self) -> str:
        """The position of the current match: ``3 of 17``."""
        return self._search.place(self._jumped_to) if self._search else ""

    def tick(self, until: int | None) -> None:
        """Read appended data, up to a size of the log; see `LogFile.poll`."""
        grown = self._log.poll(until)
        if self._search is not None and (
            grown or self._pending_jump or not self._search.is_complete
        ):
            self._search.advance()
            self._jump()
        if grown:
            self._lay_out()
        elif self.follow and self.scroll_y < self.max_scroll_y:
            # Scrollbars, and so the position of the end, are known only after a layout pass.
            self.scroll_end(animate=False, immediate=True)

    def _lay_out(self) -> None:
        height = len(self._log)
        if self.wrap:
            height = self._last_top() + self.size.height
        self.virtual_size = Size(0 if self.wrap else self._widest + self._gutter, height)
        if self.follow:
            self.call_after_refresh(self.scroll_end, animate=False, immediate=True)
        self.refresh()

    # Lines on the screen

    @property
    def _gutter(self) -> int:
        return len(str(len(self._log))) + 1 if self.numbers else 0

    @property
    def _room(self) -> int:
        return max(1, self.scrollable_content_region.width - self._gutter)

    def _parts(self, number: int) -> list[_Row]:
        """Split a line of the log into lines of the screen."""
        line = self._log.line(number)
        if not self.wrap:
            return [_Row(number, 0, len(line), line)]
        rows, at = [], 0
        for part in chop_cells(line, self._room) or [""]:
            rows.append(_Row(number, at, at + len(part), line))
            at += len(part)
        return rows

    def _last_top(self) -> int:
        """Return the first line of the last full page."""
        left, number = self.size.height, len(self._log)
        while number > 0 and (left := left - len(self._parts(number - 1))) >= 0:
            number -= 1
        return min(number, max(0, len(self._log) - 1))

    def _visible(self) -> list[_Row]:
        """Return the visible lines, cached for each scroll position."""
        top, height = self.scroll_offset.y, self.size.height
        key = (top, height, self._room, self.wrap, self._log.end)
        if self._rows[0] != key:
            rows: list[_Row] = []
            while len(rows) < height and top < len(self._log):
                rows += self._parts(top)
                top += 1
            self._rows = (key, rows)
        return self._rows[1]

    def render_line(self, y: int) -> Strip:
        """Render one line."""
        rows, width = self._visible(), self.scrollable_content_region.width
        if y == 0 and not rows:
            empty = Text("no output yet", style=self.rich_style, end="")
            return self._to_strip(empty).adjust_cell_length(width, self.rich_style)
        if y >= len(rows):
            return Strip.blank(width, self.rich_style)
        row = rows[y]
        left = 0 if self.wrap else self.scroll_offset.x
        strip = self._to_strip(self._text(row))
        if not self.wrap and strip.cell_length > self._widest:
            self._widest = strip.cell_length
            self.call_later(self._lay_out)
        strip = strip.crop(left, left + self._room).adjust_cell_length(self._room, self.rich_style)
        strip = strip.apply_offsets(row.start + left, row.number)
        if not self.numbers:
            return strip
        number = f"{row.number + 1:>{self._gutter - 1}} " if row.start == 0 else " " * self._gutter
        style = self.rich_style + self.get_component_rich_style("log--number", partial=True)
        return Strip.join([self._to_strip(Text(number, style=style, end="")), strip])

    def _to_strip(self, text: Text) -> Strip:
        # Segments without a style have None, and the NO_COLOR filter requires a style.
        return Strip(text.render(self.app.console)).apply_style(self.rich_style)

    def _text(self, row: _Row) -> Text:
        text = Text(row.line, style=self.rich_style, end="", no_wrap=True)
        if row.number == self._jumped_to:
            text.stylize(self.get_component_rich_style("log--here", partial=True))
        if self._search is not None:
            found = self.get_component_rich_style("log--found", partial=True)
            for match in self._search.pattern.finditer(row.line):
                text.stylize(found, match.start(), match.end())
        if (chosen := self.text_selection) and (span := chosen.get_span(row.number)):
            stop = len(row.line) if span[1] == -1 else span[1]
            text.stylize(self.screen.get_component_rich_style("screen--selection"), span[0], stop)
        part = text[row.start : row.stop]
        part.end = ""
        return part

    # Search

    def search(self, needle: str) -> None:
        """Search for a text from the top of the screen on; an empty text ends the search."""
        self._search = Search(self._log, needle) if needle else None
        self._jumped_to = None
        self._pending_jump = None
        self.refresh()

    def next_found(self, step: int) -> None:
        """Go to the next or previous match; wrap around at the ends."""
        if self._search is None:
            return
        top = self.scroll_offset.y
        here = self._jumped_to if self._jumped_to is not None else top - 1 if step > 0 else top
        self._pending_jump = (here, step)
        self._search.advance()
        self._jump()

    def _jump(self) -> None:
        """Do the pending jump as soon as its target is known."""
        if self._search is None or self._pending_jump is None:
            return
        here, step = self._pending_jump
        found = self._search.after(here, step)
        around = found is None or (found - here) * step <= 0
        if around and not self._search.is_complete:
            return
        self._pending_jump = None
        if found is not None:
            self.go_to(found)

    def go_to(self, line: int) -> None:
        """Centre a line, counted from 0."""
        self.follow = False
        self._jumped_to = line
        self.scroll_to(y=max(0, line - self.size.height // 2), animate=False, immediate=True)
        self.refresh()

    def diagnosis(self) -> pool.Diagnosis | None:
        """Return the cause of a failure as found in the log; its line numbers start at 1."""
        first, lines = self._log.last(_FOR_CAUSE)
        return pool.diagnose(lines, first + 1)

    # Copy

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the text selected with the mouse, up to the copy limit."""
        first = selection.start.y if selection.start else 0
        last = selection.end.y if selection.end else len(self._log) - 1
        parts: list[str] = []
        size = 0
        for number in range(first, min(last, len(self._log) - 1) + 1):
            line = self._log.line(number)
            if (span := selection.get_span(number)) is not None:
                line = line[span[0] :] if span[1] == -1 else line[span[0] : span[1]]
            parts.append(line)
            if (size := size + len(line) + 1) > _MOST_COPIED:
                break
        return "\n".join(parts), "\n"

    def whole(self) -> tuple[str, bool]:
        """Return the text of the log (its end if it is too long), and whether it is complete."""
        first, lines = self._log.last(_MOST_COPIED)
        return "\n".join(lines), first == 0

    # Scrolling

    def toggle_wrap(self) -> None:
        """Toggle wrapping of long lines."""
        self.wrap = not self.wrap
        self.scroll_to(x=0, animate=False, immediate=True)
        self._lay_out()

    def toggle_numbers(self) -> None:
        """Toggle line numbers."""
        self.numbers = not self.numbers
        self._lay_out()

    def toggle_follow(self) -> None:
        """Toggle following the end."""
        if self.follow:
            self.follow = False
        else:
            self.action_bottom()

    def action_top(self) -> None:
        """Go to the first line."""
        self.follow = False
        self.scroll_home(animate=False)

    def action_bottom(self) -> None:
        """Go to the last line and follow the end."""
        self.follow = True
        self.scroll_end(animate=False)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Stop following when the user scrolls up; resume at the end."""
        super().watch_scroll_y(old_value, new_value)
        if new_value >= self.max_scroll_y:
            self.follow = True
        elif new_value < old_value:
            self.follow = False

    def on_resize(self) -> None:
        """Recompute the layout."""
        self._lay_out()

    def on_unmount(self) -> None:
        """Close the file."""
        self._log.close()
