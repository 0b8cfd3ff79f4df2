"""The Textual app: one source of events, one feed, one dashboard.

Deliberately knows nothing of threads: the engine has its own, and is polled.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App

from app.tui.dashboard import Dashboard
from app.tui.feed import Feed
from pool import SystemClock

if TYPE_CHECKING:
    import pool
    from app.session import EventSource

__all__ = ["WheelpoolApp"]


class WheelpoolApp(App[None]):
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

    def get_default_screen(self) -> Dashboard:
        """Return the one screen that is always there."""
        return Dashboard(self.feed, ascii_only=self._ascii)
