"""A log on the screen: only the lines that are seen are read, whatever there is in all."""

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
"""Bytes at the end in which the reason for a failure is looked for."""
_MOST_COPIED = 1 << 20
"""Bytes: terminals refuse more."""


class _Row(NamedTuple):
    """One line of the screen: a part of a line of the log."""

    number: int
    start: int
    stop: int
    line: str


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
    COMPONENT_CLASSES: ClassVar[set[str]] = {"log--found", "log--here", "log--number"}

    def __init__(self, path: Path) -> None:
        super().__init__(id="log")
        self._log = LogFile(path)
        self._search: Search | None = None
        self._wanted: tuple[int, int] | None = None
        """From where and which way the next line is wanted that has what is searched."""
        self._here: int | None = None
        """The line that was gone to last."""
        self._rows: tuple[tuple[int, ...], list[_Row]] = ((), [])
        self._widest = 0
        self.follow = True
        self.wrap = False
        self.numbers = False

    @property
    def lines(self) -> int:
        """How many lines there are so far."""
        return len(self._log)

    @property
    def place(self) -> str:
        """Which of the lines that were searched for is shown: ``3 of 17``."""
        return self._search.place(self._here) if self._search else ""

    def tick(self, until: int | None) -> None:
        """Take in what is new, up to a size of the log; see `LogFile.poll`."""
        grown = self._log.poll(until)
        if self._search is not None and (grown or self._wanted or not self._search.done):
            self._search.advance()
            self._go_on()
        if grown:
            self._lay_out()
        elif self.follow and self.scroll_y < self.max_scroll_y:
            # Only after a layout it is known whether there are scrollbars, and so where the end is.
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
        """Return a line as the lines of the screen it takes."""
        line = self._log.line(number)
        if not self.wrap:
            return [_Row(number, 0, len(line), line)]
        rows, at = [], 0
        for part in chop_cells(line, self._room) or [""]:
            rows.append(_Row(number, at, at + len(part), line))
            at += len(part)
        return rows

    def _last_top(self) -> int:
        """Return the line from which on the rest of the log just fits on the screen."""
        left, number = self.size.height, len(self._log)
        while number > 0 and (left := left - len(self._parts(number - 1))) >= 0:
            number -= 1
        return min(number, max(0, len(self._log) - 1))

    def _visible(self) -> list[_Row]:
        """Return the lines of the screen, made once for each place."""
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
        """Draw one line of the screen."""
        rows, width = self._visible(), self.scrollable_content_region.width
        if y == 0 and not rows:
            empty = Text("nothing was printed yet", style=self.rich_style, end="")
            return self._drawn(empty).adjust_cell_length(width, self.rich_style)
        if y >= len(rows):
            return Strip.blank(width, self.rich_style)
        row = rows[y]
        left = 0 if self.wrap else self.scroll_offset.x
        strip = self._drawn(self._text(row))
        if not self.wrap and strip.cell_length > self._widest:
            self._widest = strip.cell_length
            self.call_later(self._lay_out)
        strip = strip.crop(left, left + self._room).adjust_cell_length(self._room, self.rich_style)
        strip = strip.apply_offsets(row.start + left, row.number)
        if not self.numbers:
            return strip
        number = f"{row.number + 1:>{self._gutter - 1}} " if row.start == 0 else " " * self._gutter
        style = self.rich_style + self.get_component_rich_style("log--number", partial=True)
        return Strip.join([self._drawn(Text(number, style=style, end="")), strip])

    def _drawn(self, text: Text) -> Strip:
        # Without a style of its own a text's parts have none, and NO_COLOR's filter wants one.
        return Strip(text.render(self.app.console)).apply_style(self.rich_style)

    def _text(self, row: _Row) -> Text:
        text = Text(row.line, style=self.rich_style, end="", no_wrap=True)
        if row.number == self._here:
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

    # Finding

    def search(self, needle: str) -> None:
        """Look for a text from the top of the screen on; nothing where it is empty."""
        self._search = Search(self._log, needle) if needle else None
        self._here = None
        self._wanted = None
        self.refresh()

    def next_found(self, step: int) -> None:
        """Go to the next line that has the text, or the one before; wrap around at the ends."""
        if self._search is None:
            return
        top = self.scroll_offset.y
        here = self._here if self._here is not None else top - 1 if step > 0 else top
        self._wanted = (here, step)
        self._search.advance()
        self._go_on()

    def _go_on(self) -> None:
        """Go where the user wants to, as soon as it is known where that is."""
        if self._search is None or self._wanted is None:
            return
        here, step = self._wanted
        found = self._search.after(here, step)
        around = found is None or (found - here) * step <= 0
        if around and not self._search.done:
            return
        self._wanted = None
        if found is not None:
            self.go_to(found)

    def go_to(self, line: int) -> None:
        """Show a line, from 0, in the middle of the screen."""
        self.follow = False
        self._here = line
        self.scroll_to(y=max(0, line - self.size.height // 2), animate=False, immediate=True)
        self.refresh()

    def diagnosis(self) -> pool.Diagnosis | None:
        """Return what in the log says why the build failed; its lines count from 1."""
        first, lines = self._log.last(_FOR_CAUSE)
        return pool.diagnose(lines, first + 1)

    # Copying

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return what was marked with the mouse, as far as it can be copied."""
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
        """Return the log's text, of a long one the end, and whether that is all."""
        first, lines = self._log.last(_MOST_COPIED)
        return "\n".join(lines), first == 0

    # Moving

    def toggle_wrap(self) -> None:
        """Fold long lines, or let them go on to the right."""
        self.wrap = not self.wrap
        self.scroll_to(x=0, animate=False, immediate=True)
        self._lay_out()

    def toggle_numbers(self) -> None:
        """Show the numbers of lines, or not."""
        self.numbers = not self.numbers
        self._lay_out()

    def toggle_follow(self) -> None:
        """Go to the end and stay there, or stay here."""
        if self.follow:
            self.follow = False
        else:
            self.action_bottom()

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
