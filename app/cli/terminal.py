"""Commands with a display: load their configuration, check the terminal, run a screen."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config.display import DisplayOptions
    from app.config.sources import ConfigSources
    from app.tui.app import WheelpoolApp

__all__ = ["is_ascii_only", "is_interactive", "load_sources", "run_screen"]


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


def run_screen(screen: WheelpoolApp, display: DisplayOptions) -> None:
    """Run a screen until the user leaves it; restore the terminal's title afterwards."""
    from app.text import terminal_title

    if not display.title:
        screen.run()
        return

    def write(text: str) -> None:
        with suppress(OSError):  # The terminal is gone.
            print(text, end="", file=sys.stderr, flush=True)

    with terminal_title.restore_title(write):
        screen.run()
