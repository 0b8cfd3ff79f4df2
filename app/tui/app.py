"""The Textual app: one event source, one run model, one dashboard.

It knows nothing of threads: the engine runs in its own thread and is polled.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding
from textual.command import CommandPalette
from textual.events import Event, Key, MouseDown
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

_TITLE_SECONDS = 0.5
_KEY_SECONDS = 3.0
"""A screen in which a key was pressed so recently stays open at the end of the run."""
_GC_THRESHOLD = 10_000
"""The threshold of the garbage collector's youngest generation; CPython's default is 700."""


class WheelpoolApp(ReplayApp):
    """Shows a live run, an attached run or a replay.

    Args:
        source: the source of events.
        ascii_only: use ASCII characters only.
        clock: the clock for the time between events.
        theme: the name of a theme; None for the default.
        titled: show the progress of the run in the title of the terminal window.
        bell: ring the terminal's bell when the run ends.
        stay: stay open when the run has succeeded.
    """

    # Textual does not read CSS_PATH of the default screen, and this screen is always present.
    CSS_PATH = Path(__file__).parent / "screens" / "dashboard.tcss"
    TITLE = "wheelpool"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", show=False, key_display="?", id="help"),
        # With priority over all widgets: it works on every screen and while an input has the focus.
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
        stay: bool = False,
    ) -> None:
        super().__init__(theme)
        self._clock = clock or pool.SystemClock()
        self.model = RunModel(source, self._clock)
        self._ascii = ascii_only
        if ascii_only:
            self.use_ascii()
        self._title = TerminalTitle(self._write) if titled else None
        self._bell = bell
        self._stay = stay
        self._last_key_at = -_KEY_SECONDS
        self.restart_requested = False
        """Whether the user wants the same request to be run again."""

    def run(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as the base has it
        """Run the app with fewer garbage collections: with ten thousand builds each one is slow."""
        gc.set_threshold(_GC_THRESHOLD)
        super().run(*args, **kwargs)

    def on_mount(self) -> None:
        """Warn about missing logs of a replay; start updates of the window title."""
        if (replay := self.model.replay) is not None and self.model.source.journal is not None:
            from app.runs.record import format_missing_logs  # noqa: PLC0415 - a live run needs no reports

            if text := format_missing_logs(replay.end, pool.logs_path(self.model.source.journal)):
                self.notify(text, severity="warning", markup=False)
        if self._title is not None:
            self.set_interval(_TITLE_SECONDS, self._update_title)

    def _update_title(self) -> None:
        if self._title is not None:
            self._title.update(self.model.state)

    def _write(self, text: str) -> None:
        """Write to the terminal between Textual's own writes, as `bell` does."""
        if not self.is_headless and self._driver is not None:
            self._driver.write(text)

    async def on_event(self, event: Event) -> None:
        """Remember when a key was pressed; from then on, the user moves the cursor."""
        if isinstance(event, Key):
            self._last_key_at = self._clock.monotonic()
        if isinstance(event, Key | MouseDown) and isinstance(self.screen, Dashboard):
            self.screen.follows_failures = False
        await super().on_event(event)

    def on_dashboard_run_ended(self) -> None:
        """Ring the bell; leave after a success, unless the user wants to look at something."""
        if self._bell:
            self.bell()
        recent = self._clock.monotonic() - self._last_key_at < _KEY_SECONDS
        is_used = self._stay or recent or len(self.screen_stack) > 1
        if self.model.state.exit_code == 0 and not is_used:
            self.exit()

    def on_dashboard_restart(self) -> None:
        """Leave, so that the same request can be run again."""
        self.restart_requested = True
        self.exit()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Return the commands that every screen's palette offers."""
        yield SystemCommand("help", "keys of all screens", self.action_help)
        yield SystemCommand("theme", "change the colours", self.action_change_theme)
        yield SystemCommand("quit", "asks while builds are running", self.action_quit)

    def action_interrupt(self) -> None:
        """Copy the selection. Without one, leave; a second time, answer the question with yes."""
        if text := self.screen.get_selected_text():
            self.copy_to_clipboard(text)
        elif isinstance(self.screen, QuitScreen):
            self.screen.dismiss(True)
        else:
            self._leave()

    async def action_quit(self) -> None:
        """Leave from any screen. A run in progress is never cancelled without a question."""
        self._leave()

    def _leave(self) -> None:
        dashboard = self.screen_stack[0]
        if isinstance(dashboard, Dashboard):
            dashboard.leave()

    def action_help(self) -> None:
        """Show the keys, those of the current screen first."""
        replay, attached = self.model.replay is not None, self.model.detachable
        told = sections_for(type(self.screen).__name__, replay=replay, attached=attached)
        self.push_screen(HelpScreen(tuple(told)))

    def action_command_palette(self) -> None:
        """Open the command palette."""
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(_Palette(id="--command-palette"))

    def get_default_screen(self) -> Dashboard:
        """Return the dashboard."""
        return Dashboard(self.model, ascii_only=self._ascii)


class _Palette(CommandPalette):
    """A palette that runs a command once, even if Enter arrives again before it has closed."""

    _dismissed = False

    def dismiss(self, result: Any = None) -> AwaitComplete:  # noqa: ANN401 - as the base has it
        """Close the palette; ignore later choices."""
        self._dismissed = True
        return super().dismiss(result)

    async def _dispatch_message(self, message: Message) -> None:
        choosing = isinstance(message, OptionList.OptionSelected | Input.Submitted)
        if not (self._dismissed and choosing):
            await super()._dispatch_message(message)
