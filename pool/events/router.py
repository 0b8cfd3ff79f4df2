"""Routes events of a pool to its runs: each run has a bus, and so a journal, of its own.

Components that serve all runs (memory, limits, the monitor of builds) emit here. An event of one
build goes to the bus of its run; an event of the pool goes to all of them. A run that has ended is
skipped: its journal is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pool.common.model import RunId
    from pool.events.bus import EventBus
    from pool.events.types import KnownEvent

__all__ = ["EventRouter"]


class EventRouter:
    """The event buses of the runs of one pool; belongs to one event loop."""

    def __init__(self) -> None:
        self._buses: dict[RunId, EventBus] = {}

    def add(self, run: RunId, bus: EventBus) -> None:
        """Route events of a run to its bus."""
        self._buses[run] = bus

    def remove(self, run: RunId) -> None:
        """Route no more events to a run."""
        self._buses.pop(run, None)

    def emit(self, run: RunId, event: KnownEvent) -> None:
        """Emit an event of one run."""
        if (bus := self._buses.get(run)) is not None:
            bus.emit(event)

    def broadcast(self, event: KnownEvent) -> None:
        """Emit an event of the pool in each run."""
        for bus in list(self._buses.values()):
            bus.emit(event)
