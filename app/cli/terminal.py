"""What commands share that show something: who says what, and what the terminal is able to."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.config.sources import ConfigSources, DisplayOptions
    from app.tui.app import WheelpoolApp

__all__ = ["ascii_only", "on_a_terminal", "said_by", "show"]


def said_by(flags: dict[str, Any]) -> ConfigSources:
    """Return who says what: flags, environment, configuration."""
    from app.config import sources as config

    file = config.read_file(config.configuration_path())
    return config.ConfigSources(config.Flags(**flags), config.environment(), file)


def on_a_terminal(said: ConfigSources) -> bool:
    """Tell whether a screen can be shown, and keys be pressed."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    able = said.environ.get("TERM") not in (None, "", "dumb", "unknown")
    return able and all(stream is not None and stream.isatty() for stream in streams)


def ascii_only() -> bool:
    """Tell whether the terminal's encoding has no glyphs."""
    return not (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")


def show(screen: WheelpoolApp, how: DisplayOptions) -> None:
    """Show a screen until it is left; the window's title is then what it was."""
    from app.text import terminal_title as title

    if not how.title:
        screen.run()
        return

    def put(text: str) -> None:
        with suppress(OSError):  # The terminal is gone.
            print(text, end="", file=sys.stderr, flush=True)

    with title.restore_title(put):
        screen.run()
