"""The Textual app: one source of events, one feed, one dashboard.

Deliberately knows nothing of threads: the engine has its own, and is polled.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.command import CommandPalette
from textual.widgets import Input, OptionList

from app.tui.dashboard import Dashboard
from app.tui.feed import Feed
from app.tui.replaykeys import ReplayApp
from pool import SystemClock

if TYPE_CHECKING:
    from textual.await_complete import AwaitComplete
    from textual.message import Message

    import pool
    from app.session import EventSource

__all__ = ["WheelpoolApp"]


class WheelpoolApp(ReplayApp):
    """The screens of a run or of a replay.

    Args:
        source: what is shown.
        ascii_only: no glyphs beyond ASCII, for terminals that have none.
        clock: where the time between events comes from.
    """

    # The default screen's own CSS_PATH is not read; it is the only one that is always there.
    CSS_PATH = Path(__file__).with_name("dashboard.tcss")
    TITLE = "wheelpool"

    def __init__(
        self, source: EventSource, *, ascii_only: bool = False, clock: pool.Clock | None = None
    ) -> None:
        super().__init__()
        self.feed = Feed(source, clock or SystemClock())
        self._ascii = ascii_only

    def action_command_palette(self) -> None:
        """Show all commands by name."""
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(_Palette(id="--command-palette"))

    def get_default_screen(self) -> Dashboard:
        """Return the one screen that is always there."""
        return Dashboard(self.feed, ascii_only=self._ascii)


class _Palette(CommandPalette):
    """A palette that runs a command once: Enter may come again before it has closed."""

    _left = False

    def dismiss(self, result: Any = None) -> AwaitComplete:  # noqa: ANN401 - as the base has it
        """Close; nothing is chosen from here on."""
        self._left = True
        return super().dismiss(result)

    async def _dispatch_message(self, message: Message) -> None:
        choosing = isinstance(message, OptionList.OptionSelected | Input.Submitted)
        if not (self._left and choosing):
            await super()._dispatch_message(message)
