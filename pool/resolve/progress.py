"""The progress of a resolution: the number of index pages that are read, a few times a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.events.types import ResolveProgress

if TYPE_CHECKING:
    from pool.events.bus import EventBus

__all__ = ["ResolveProgressEvents"]

_PROGRESS_SECONDS = 0.25


class ResolveProgressEvents:
    """Emits the number of index pages that are read during a resolution, a few times a second."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus
        self._emitted_at = 0.0
        self.active = False
        """Whether the versions of the request are being resolved, not build requirements alone."""

    def on_page(self, pages: int) -> None:
        """Take the number of pages after each page that is read."""
        if self.active and (now := self._bus.elapsed) >= self._emitted_at + _PROGRESS_SECONDS:
            self._emitted_at = now
            self._bus.emit(ResolveProgress(pages=pages))
