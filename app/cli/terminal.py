"""Commands with a display: load their configuration, check the terminal, run a screen."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.config.display import DisplayOptions
    from app.config.sources import ConfigSources
    from app.source.attached import AttachedSource
    from app.source.live import LiveSession
    from app.tui.app import WheelpoolApp
    from app.tui.terminal_app import TerminalApp

__all__ = ["create_screen", "is_ascii_only", "is_interactive", "load_sources", "run_screen"]


def load_sources(flags: Mapping[str, object]) -> ConfigSources:
    """Return the flags together with the environment and the configuration file.

    Raises:
        SettingsError: the configuration file is invalid.
    """
    from app.config.paths import configuration_path
    from app.config.sources import ConfigSources, environment, read_file

    return ConfigSources(flags, environment(), read_file(configuration_path()))


def is_interactive(sources: ConfigSources) -> bool:
    """Tell whether the terminal can show a screen and read keys."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    can_move_cursor = sources.environ.get("TERM") not in (None, "", "dumb", "unknown")
    return can_move_cursor and all(stream is not None and stream.isatty() for stream in streams)


def is_ascii_only() -> bool:
    """Tell whether the terminal's encoding lacks the glyphs of the screens."""
    return not (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")


def create_screen(source: AttachedSource | LiveSession, display: DisplayOptions) -> WheelpoolApp:
    """Return the screen of a run that is in progress."""
    from app.tui.app import WheelpoolApp

    return WheelpoolApp(
        source,
        ascii_only=is_ascii_only(),
        theme=display.theme,
        titled=display.title,
        bell=display.bell,
        stay=display.stay,
    )


def run_screen(screen: TerminalApp, display: DisplayOptions) -> Exception | None:
    """Run a screen until it is closed, and restore the terminal.

    Returns:
        The error that ended the screen; None if the user, or a signal, closed it.
    """
    with _restore_handlers(), _restore_terminal(), _restore_title(display):
        try:
            screen.run()
        except Exception as problem:  # noqa: BLE001 - the caller decides what the end of a screen means
            return problem
    return screen.crash


@contextmanager
def _restore_title(display: DisplayOptions) -> Iterator[None]:
    from app.text import terminal_title

    def write(text: str) -> None:
        with suppress(OSError):  # The terminal is gone.
            print(text, end="", file=sys.stderr, flush=True)

    if not display.title:
        yield
        return
    with terminal_title.restore_title(write):
        yield


@contextmanager
def _restore_terminal() -> Iterator[None]:
    """Restore the mode of the terminal, which a screen that failed early may have left changed.

    A process of its own does so if this one is killed.
    """
    import termios

    import pool

    try:
        before = termios.tcgetattr(sys.stdin)
    except (OSError, termios.error):
        yield
        return
    try:
        with pool.terminal_watched(sys.stderr.fileno()):
            yield
    finally:
        with suppress(OSError, termios.error):
            termios.tcsetattr(sys.stdin, termios.TCSANOW, before)


@contextmanager
def _restore_handlers() -> Iterator[None]:
    """Remove the signal handlers of Textual, which would open the closed screen again."""
    import signal

    before = {number: signal.getsignal(number) for number in (
        signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU
    )}  # fmt: skip
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
