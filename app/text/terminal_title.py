"""What those are told who look at another window: a title that says how far a run is, and a bell.

Sequences are xterm's: OSC 2 sets the title, CSI 22;2t and 23;2t put the old one on a stack and
take it back. Numbers only: nothing that a build says ever gets there.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Title", "able", "kept", "words"]

BELL = "\a"

_KEEP, _GIVE_BACK = "\x1b[22;2t", "\x1b[23;2t"
_UNABLE = ("dumb", "unknown", "linux", "cons", "vt", "ansi", "eterm")
"""Beginnings of the names of terminals that have no title, and might print what is meant for it."""


def able(environ: Mapping[str, str]) -> bool:
    """Tell whether the terminal knows titles."""
    term = environ.get("TERM", "")
    return bool(term) and not term.startswith(_UNABLE)


def words(state: pool.RunState) -> str:
    """Say how far a run is: ``wheelpool 3/12, 2 building, 1 failed``."""
    builds = state.builds.values()
    done = sum(build.status is pool.Status.DONE for build in builds)
    failed = sum(build.outcome is pool.Outcome.FAILED for build in builds)
    parts = [f"wheelpool {done}/{len(builds)}"]
    parts += [f"{len(state.slots)} building"] if state.slots else []
    parts += [f"{failed} failed"] if failed else []
    return ", ".join(parts)


class Title:
    """The title of one window; it is set where it has changed.

    Args:
        write: puts text on the terminal.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._shown = ""

    def show(self, state: pool.RunState) -> None:
        """Say how far a run is."""
        if (now := words(state)) != self._shown:
            self._shown = now
            self._write(f"\x1b]2;{now}\a")


@contextmanager
def kept(write: Callable[[str], object]) -> Iterator[None]:
    """Give a terminal its old title back at the end."""
    write(_KEEP)
    try:
        yield
    finally:
        write(_GIVE_BACK)
