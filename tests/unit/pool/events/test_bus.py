"""The event bus: numbers without gaps, writes before it shows, survives a full disk."""

from __future__ import annotations

import errno
from datetime import UTC, datetime

from pool.events.bus import EventBus
from pool.events.journal import JournalWriter
from pool.events.types import KnownEvent, RunStopping


class Ticking:
    """A clock that advances by one second at each reading."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        self.seconds += 1.0
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)


class Recorder(JournalWriter):
    """A journal in memory with room for a number of events."""

    def __init__(self, order: list[str], room: int = 1000) -> None:
        self.order = order
        self.room = room

    def write(self, event: object) -> None:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= 1
        self.order.append("written")


def test_events_are_stamped_in_order_and_written_before_shown() -> None:
    order: list[str] = []
    shown: list[KnownEvent] = []

    def listen(event: KnownEvent) -> None:
        order.append("shown")
        shown.append(event)

    bus = EventBus(Ticking(), Recorder(order), listen)
    bus.emit(RunStopping(why="a"))
    bus.emit(RunStopping(why="b"))
    assert order == ["written", "shown"] * 2
    assert [(event.seq, event.t) for event in shown] == [(1, 1.0), (2, 2.0)]


def test_a_full_disk_ends_the_journal_but_not_the_run() -> None:
    shown: list[KnownEvent] = []
    bus = EventBus(Ticking(), Recorder([], room=1), shown.append)
    for why in "abc":
        bus.emit(RunStopping(why=why))
    assert len(shown) == 3
    assert bus.journal_error is not None
    assert bus.journal_error.errno == errno.ENOSPC
