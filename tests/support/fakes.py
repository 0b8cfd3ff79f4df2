"""Stand-ins for the seams: a clock that goes when told, and a run made of events by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

import pool
from pool.events import types as vocabulary

__all__ = ["FakeSource", "ManualClock"]


class ManualClock:
    """Time that passes only by `seconds`."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)


class FakeSource:
    """A live run that says what it is told to say, and keeps the commands it gets."""

    live = True
    attached = False
    generation = 0
    header: pool.events.Header | None = None
    exhausted = False

    def __init__(self, journal: Path | None = None) -> None:
        self.journal = journal
        self.sent: list[pool.Control] = []
        """All commands but looks."""
        self.watched: list[pool.BuildId] = []
        self._waiting: list[vocabulary.KnownEvent] = []
        self._seq = 0

    def emit(self, *events: vocabulary.KnownEvent, t: float = 0.0) -> None:
        """Let events happen at a time."""
        for event in events:
            self._seq += 1
            self._waiting.append(msgspec.structs.replace(event, seq=self._seq, t=t))

    def end(self, code: int = 0) -> None:
        """Let the run end with an exit code."""
        self.emit(vocabulary.RunFinished(exit_code=code, totals={}))
        self.exhausted = True

    def poll(self) -> Sequence[vocabulary.KnownEvent]:
        batch, self._waiting = self._waiting, []
        return batch

    def send(self, control: pool.Control) -> None:
        if isinstance(control, pool.WatchBuild):
            self.watched.append(control.build)
        else:
            self.sent.append(control)
