"""The Textual app: one source of events, one feed, one dashboard.

Deliberately knows nothing of threads: the engine has its own, and is polled.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding
from textual.command import CommandPalette
from textual.widgets import Input, OptionList

import pool
from app.text.terminal_title import TerminalTitle
from app.tui.replay_bindings import ReplayApp
from app.tui.run_model import RunModel
from app.tui.screens.dashboard import Dashboard
from app.tui.screens.dialogs import QuitScreen
from app.tui.screens.help import HelpScreen, sections_for

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.await_complete import AwaitComplete
    from textual.binding import BindingType
    from textual.message import Message
    from textual.screen import Screen

    from app.source.base import EventSource

__all__ = ["WheelpoolApp"]

_ANNOUNCED_SECONDS = 0.5
_YOUNG_OBJECTS = 10_000
"""So many more objects are there before some are looked at; Python's own number is 700."""


class WheelpoolApp(ReplayApp):
    """The screens of a run or of a replay.

    Args:
        source: what is shown.
        ascii_only: no glyphs beyond ASCII, for terminals that have none.
        clock: where the time between events comes from.
        theme: the name of one; None for the usual one.
        titled: the title of the terminal's window says how far the run is.
        bell: the end of the run is rung.
    """

    # The default screen's own CSS_PATH is not read; it is the only one that is always there.
    CSS_PATH = Path(__file__).parent / "screens" / "dashboard.tcss"
    TITLE = "wheelpool"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", show=False, key_display="?", id="help"),
        # Above all widgets, so that it also works while something is typed, and on every screen.
        Binding("ctrl+c", "interrupt", show=False, id="interrupt", priority=True),
    ]

    def __init__(
        self,
        source: EventSource,
        *,
        ascii_only: bool = False,
        clock: pool.Clock | None = None,
        theme: str | None = None,
        titled: bool = False,
        bell: bool = False,
    ) -> None:
        super().__init__(theme)
        self.feed = RunModel(source, clock or pool.SystemClock())
        self._ascii = ascii_only
        self._title = TerminalTitle(self._put) if titled else None
        self._bell = bell
        self._going_on = False

    def run(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has it
        """Run; garbage is looked for less often: among ten thousand builds that takes long."""
        gc.set_threshold(_YOUNG_OBJECTS)
        super().run(*args, **kwargs)

    def on_mount(self) -> None:
        """Say what logs a replay lacks; tell those who look at another window, too."""
        if (replay := self.feed.replay) is not None and self.feed.source.journal is not None:
            from app.runs.record import format_missing_logs  # noqa: PLC0415 - a live run needs no reports

            if text := format_missing_logs(replay.end, pool.logs_of(self.feed.source.journal)):
                self.notify(text, severity="warning", markup=False)
        if self._title is not None or self._bell:
            self.set_interval(_ANNOUNCED_SECONDS, self._announce)

    def _announce(self) -> None:
        if self._title is not None:
            self._title.update(self.feed.state)
        before, self._going_on = self._going_on, not (self.feed.idle or self.feed.state.finished)
        if self._bell and before and not self._going_on:
            self.bell()

    def _put(self, text: str) -> None:
        """Write to the terminal between what the screens write, as `bell` does."""
        if not self.is_headless and self._driver is not None:
            self._driver.write(text)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Return the commands of all screens, in our words."""
        yield SystemCommand("help", "what all keys do", self.action_help)
        yield SystemCommand("theme", "other colours", self.action_change_theme)
        yield SystemCommand("quit", "asks while builds run", self.action_quit)

    def action_interrupt(self) -> None:
        """Copy what is marked; without that leave: asked once more, without a question."""
        if text := self.screen.get_selected_text():
            self.copy_to_clipboard(text)
        elif isinstance(self.screen, QuitScreen):
            self.screen.dismiss(True)
        else:
            self._leave()

    async def action_quit(self) -> None:
        """Leave from whatever screen: a run that goes on is never ended unasked."""
        self._leave()

    def _leave(self) -> None:
        dashboard = self.screen_stack[0]
        if isinstance(dashboard, Dashboard):
            dashboard.leave()

    def action_help(self) -> None:
        """Show what all keys do, those of this screen first."""
        replay, attached = self.feed.replay is not None, self.feed.detachable
        told = sections_for(type(self.screen).__name__, replay=replay, attached=attached)
        self.push_screen(HelpScreen(tuple(told)))

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
