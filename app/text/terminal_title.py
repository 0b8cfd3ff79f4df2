"""The title and the bell of the terminal: the progress of a run for the user of another window.

Escape sequences are those of xterm: OSC 2 sets the title, CSI 22;2t saves it on a stack and
CSI 23;2t restores it. The title has numbers only: no text of a build is ever written into it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["BELL", "TerminalTitle", "format_title", "restore_title"]

BELL = "\a"

_SAVE_TITLE, _RESTORE_TITLE = "\x1b[22;2t", "\x1b[23;2t"


def format_title(state: pool.RunState) -> str:
    """Return the progress of a run: ``wheelpool 3/12, 2 building, 1 failed``."""
    builds = state.builds.values()
    done = sum(build.status is pool.Status.DONE for build in builds)
    failed = sum(build.outcome is pool.Outcome.FAILED for build in builds)
    parts = [f"wheelpool {done}/{len(builds)}"]
    parts += [f"{len(state.slots)} building"] if state.slots else []
    parts += [f"{failed} failed"] if failed else []
    return ", ".join(parts)


class TerminalTitle:
    """The title of one terminal; it is written only when it has changed.

    Args:
        write: writes text to the terminal.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._shown = ""

    def update(self, state: pool.RunState) -> None:
        """Set the title to the progress of a run."""
        if (title := format_title(state)) != self._shown:
            self._shown = title
            self._write(f"\x1b]2;{title}\a")


@contextmanager
def restore_title(write: Callable[[str], object]) -> Iterator[None]:
    """Save the terminal's title, and restore it when the block ends."""
    write(_SAVE_TITLE)
    try:
        yield
    finally:
        write(_RESTORE_TITLE)
