"""The driver of a terminal: Textual's for Linux, with input and output that cannot end the app.

Input is decoded by `TerminalInput`. A terminal that is gone is reported once, as an exception of
the app; writes to it are discarded, because Textual's writer thread would stop and block the app.
"""

from __future__ import annotations

import os
import selectors
import sys
from typing import TYPE_CHECKING, Any

from textual.drivers.linux_driver import LinuxDriver

import pool
from app.tui.terminal_input import TerminalInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

__all__ = ["TerminalDriver"]

_TICK_SECONDS = 0.1
_READ_BYTES = 4096


class TerminalDriver(LinuxDriver):
    """Reads keys from stdin and writes the screen to stderr."""

    def __init__(self, app: Any, **options: Any) -> None:  # noqa: ANN401 - as the base has it
        super().__init__(app, **options)
        self._file: Any = _TerminalOutput(sys.__stderr__, self._report)

    def _sigtstp_application(self, *arguments: Any) -> None:  # noqa: ANN401 - as the base has it
        """Stop the hooks together with this process, until it continues."""
        with pool.suspended():
            super()._sigtstp_application(*arguments)

    def _report(self, problem: Exception) -> None:
        """Let the app end with an exception, from any thread."""
        self._app.call_later(self._app._handle_exception, problem)  # noqa: SLF001 - Textual has no public way

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except Exception as problem:  # noqa: BLE001 - any error ends the screen, and is reported
            self._report(problem)

    def run_input_thread(self) -> None:
        """Read and decode input until the app ends.

        Raises:
            OSError: the terminal cannot be read any more.
            EOFError: the terminal is closed.
        """
        terminal = TerminalInput()
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(_TICK_SECONDS):
                    data = os.read(self.fileno, _READ_BYTES)
                    if not data:
                        raise EOFError("the terminal is closed")
                    messages = terminal.feed(data)
                else:
                    messages = terminal.tick()
                for message in messages:
                    self.process_message(message)


class _TerminalOutput:
    """Writes to a terminal until it is gone, then discards."""

    def __init__(self, file: TextIO | None, report: Callable[[Exception], None]) -> None:
        self._file = file
        self._report = report

    def fileno(self) -> int:
        """Return the descriptor of the terminal."""
        return sys.__stderr__.fileno() if sys.__stderr__ is not None else 2

    def write(self, text: str) -> None:
        """Write text."""
        self._try(lambda file: file.write(text))

    def flush(self) -> None:
        """Flush what was written."""
        self._try(lambda file: file.flush())

    def _try(self, action: Callable[[TextIO], object]) -> None:
        if self._file is not None:
            try:
                action(self._file)
            except (OSError, ValueError) as problem:
                self._file = None
                self._report(problem)
