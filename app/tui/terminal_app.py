"""The base of the apps: it uses the driver of this package and keeps the exception that ended it.

Textual prints a traceback with local variables, which can contain secrets, over the terminal. Here
the caller of `run` reads `crash` and decides what happens then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.scrollbar import ScrollBar, ScrollBarRender

from app.tui.driver import TerminalDriver

if TYPE_CHECKING:
    from textual.driver import Driver

__all__ = ["TerminalApp"]


class _AsciiScrollBar(ScrollBarRender):
    """A scroll bar of whole cells, without block characters."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "]


class TerminalApp(App[None]):
    """An app whose exceptions are not printed."""

    def use_ascii(self) -> None:
        """Draw frames and scroll bars with ASCII characters only; style sheets have ``-ascii``."""
        self.set_class(True, "-ascii")
        ScrollBar.renderer = _AsciiScrollBar

    @property
    def crash(self) -> Exception | None:
        """The exception that ended the app; None if the user, or a signal, closed it."""
        return None if self._exit else self._exception

    def get_driver_class(self) -> type[Driver]:
        """Return the driver class."""
        return TerminalDriver

    def _handle_exception(self, error: Exception) -> None:
        """Close the app; Textual calls this for exceptions of widgets, timers and workers."""
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()
