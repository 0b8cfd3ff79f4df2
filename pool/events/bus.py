"""Stamps events and hands them on: to the journal first, then to whoever listens.

Deliberately not a queue and not thread-safe: it belongs to the engine's loop. A listener on
another thread passes a thread-safe ``put``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

    from pool.common.clock import Clock
    from pool.events.journal import JournalWriter
    from pool.events.types import KnownEvent

__all__ = ["EventBus"]


class EventBus:
    """Written before it is shown; ``seq`` has no gaps and ``t`` never goes back."""

    def __init__(
        self,
        clock: Clock,
        journal: JournalWriter | None,
        listener: Callable[[KnownEvent], None],
    ) -> None:
        self._clock = clock
        self._journal = journal
        self._listener = listener
        self._start = clock.monotonic()
        self._seq = 0
        self.trouble: OSError | None = None
        """Why the journal ended early (a full disk); the run goes on without it."""

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the run."""
        return self._clock.monotonic() - self._start

    @property
    def seq(self) -> int:
        """The number of the newest event."""
        return self._seq

    def emit(self, event: KnownEvent) -> None:
        """Stamp, write and show one event."""
        self._seq += 1
        stamped = msgspec.structs.replace(event, seq=self._seq, t=round(self.elapsed, 4))
        if self._journal is not None and self.trouble is None:
            try:
                self._journal.write(stamped)
            except OSError as problem:
                self.trouble = problem
        self._listener(stamped)
