"""A list of lines with a cursor: the keys and clicks of all widgets that draw lines themselves.

It knows nothing of the content: subclasses draw the lines and return their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView

if TYPE_CHECKING:
    from textual import events
    from textual.binding import BindingType

__all__ = ["LineList"]

_FAR = 1_000_000_000


class LineList(ScrollView, can_focus=True):
    """A cursor over lines; only visible lines are rendered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False, id="rows.down"),
        Binding("up,k", "move(-1)", "up", show=False, id="rows.up"),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False, id="rows.page_down"),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False, id="rows.page_up"),
        Binding("home,g", f"move(-{_FAR})", "first", show=False, id="rows.first"),
        Binding("end,G", f"move({_FAR})", "last", show=False, id="rows.last"),
    ]

    class Moved(Message):
        """The cursor has moved."""

    class Opened(Message):
        """The user has opened the selected line."""

    _cursor = 0

    @property
    def count(self) -> int:
        """The number of lines."""
        raise NotImplementedError

    def is_selectable(self, line: int) -> bool:
        """Return whether the cursor can be on a line."""
        return True

    def go(self, to: int) -> None:
        """Move the cursor to a line, clamped to the list, and scroll to it."""
        self._cursor = min(max(to, 0), max(0, self.count - 1))
        self.reveal()
        self.refresh()
        self.post_message(self.Moved())

    def reveal(self) -> None:
        """Scroll to the cursor."""
        top, height = self.scroll_offset.y, max(1, self.size.height)
        if not top <= self._cursor < top + height:
            y = self._cursor if self._cursor < top else self._cursor - height + 1
            self.scroll_to(y=y, animate=False, immediate=True)

    def measure(self) -> None:
        """Set the virtual size to the number of lines."""
        self.virtual_size = Size(self.scrollable_content_region.width, self.count)

    def clicked(self, event: events.Click) -> None:
        """Handle a click on the selected line: a double click opens it."""
        if event.chain > 1:
            self.post_message(self.Opened())

    def action_move(self, lines: int) -> None:
        """Move the cursor by lines."""
        self.go(self._cursor + lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self.go(self._cursor + pages * max(1, self.size.height - 1))

    def on_click(self, event: events.Click) -> None:
        """Select the clicked line."""
        line = self.scroll_offset.y + event.y
        if line < self.count and self.is_selectable(line):
            self.go(line)
            self.clicked(event)

    def on_resize(self) -> None:
        """Recompute the layout."""
        self.measure()
        self.go(self._cursor)
