"""A run that has ended before it is shown: all its wheels came from the cache.

The same face as `app.source.live`, without a thread: controls come too late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pool

__all__ = ["CachedSession"]


class CachedSession:
    """An ended run.

    Args:
        run: its journal and its events.
    """

    live = True
    attached = False
    generation = 0
    exit_code = 0
    error: str | None = None

    def __init__(self, run: pool.CachedRun) -> None:
        self.journal: Path = run.journal
        self.header: pool.events.Header = run.header
        self._events: Sequence[pool.events.Event] = run.events

    @property
    def exhausted(self) -> bool:
        """Whether all events have been polled."""
        return not self._events

    def start(self) -> None:
        """Do nothing: the run has ended."""

    def join(self, seconds: float | None = None) -> bool:
        """Return True: the run has ended."""
        return True

    def wait(self, seconds: float) -> None:
        """Return at once."""

    def poll(self) -> Sequence[pool.events.Event]:
        """Return all events, once."""
        events, self._events = self._events, ()
        return events

    def send(self, control: pool.Control) -> None:
        """Ignore a control: it comes after the end."""
