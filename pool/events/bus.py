"""The event bus of a run: it stamps each event, writes it to the journal and calls the listener.

It is not a queue and not thread-safe: it belongs to the engine's event loop. A listener for
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
    """Numbers events without gaps and writes each one before it is shown. Time never goes back.

    Args:
        clock: the source of the times.
        journal: the file to write to; None for no journal.
        listener: called with each stamped event.
    """

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
        self.journal_error: OSError | None = None
        """Why the journal ended early, for example a full disk. The run continues without it."""

    def since(self, moment: float) -> float:
        """Return seconds from a moment on the clock to the start of the run."""
        return self._start - moment

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the run."""
        return self._clock.monotonic() - self._start

    @property
    def seq(self) -> int:
        """The number of the newest event."""
        return self._seq

    def emit(self, event: KnownEvent) -> None:
        """Stamp one event, write it and pass it to the listener."""
        self._seq += 1
        stamped = msgspec.structs.replace(event, seq=self._seq, t=round(self.elapsed, 4))
        if self._journal is not None and self.journal_error is None:
            try:
                self._journal.write(stamped)
            except OSError as problem:
                self.journal_error = problem
        self._listener(stamped)
