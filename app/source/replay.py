"""A saved run as an `EventSource`: its events come at their own times, by a given clock.

The replay can pause, change its speed and seek. Seeking back, or far ahead, starts the stream over
from a snapshot a few thousand events before (`app.source.snapshots`).
"""

from __future__ import annotations

import gc
from bisect import bisect_right
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING

import pool
from app.source.base import Mark
from app.source.replay_time import parse_time
from app.source.snapshots import SnapshotLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.source.snapshots import Snapshot

__all__ = ["SPEEDS", "ReplaySource"]

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


class ReplaySource:
    """Plays a journal; see `EventSource` and `ReplayControls`.

    Args:
        path: the journal, or the folder of a run.
        clock: the clock of the replay.
        speed: the speed factor; 2.0 is twice as fast as the run.

    Raises:
        JournalError: the file is no journal, or a line of it is invalid.
    """

    live = False
    attached = False

    def __init__(self, path: Path, clock: pool.Clock, *, speed: float = 1.0) -> None:
        with pool.JournalReader(path) as reader, _paused_gc():
            self.journal = reader.path
            self.header = reader.header
            self._snapshots = SnapshotLog(reader.header)
            self._events = _read_events(reader, self._snapshots)
        self._times = list(accumulate((event.t for event in self._events), max))
        self._clock = clock
        self._next = 0
        self._start = self._snapshots.find_snapshot(0)
        """The snapshot at which the stream starts."""
        self._anchor = (clock.monotonic(), 0.0)
        """A time of the clock, and the position at that time."""
        self._paused = False
        self.speed = speed
        self.generation = 0
        self.length = self._times[-1]
        self.marks = tuple(mark for event in self._events if (mark := _mark(event)))

    @property
    def exhausted(self) -> bool:
        """Whether the last event has been polled; False again after seeking back."""
        return self._next == len(self._events)

    @property
    def position(self) -> float:
        """The time that the replay has reached, in seconds since the start of the run."""
        then, position = self._anchor
        passed = 0.0 if self._paused else (self._clock.monotonic() - then) * self.speed
        return min(position + passed, self.length)

    @property
    def playing(self) -> bool:
        """Whether the position moves; False while paused and at the end."""
        return not self._paused and self.position < self.length

    @property
    def end(self) -> pool.RunState:
        """The state after the last event; read-only."""
        return self._snapshots.end

    def poll(self) -> Sequence[pool.events.Event]:
        """Return the events up to the position that were not returned yet."""
        until = bisect_right(self._times, self.position)
        batch = self._events[self._next : until]
        self._next = max(self._next, until)
        return batch

    def rest(self) -> Sequence[pool.events.Event]:
        """Return all events that were not returned yet, and move to the end."""
        self._anchor = (self._clock.monotonic(), self.length)
        return self.poll()

    def snapshot(self) -> Snapshot:
        """Return a copy of the snapshot before the next event, to apply that event to."""
        return self._start.copy()

    def send(self, control: pool.Control) -> None:
        """Ignore the control: a saved run does not change."""

    def toggle(self) -> None:
        """Pause or resume; at the end, start over."""
        if self.position >= self.length:
            self._paused = False
            self.seek(0.0)
            return
        self._set_anchor()
        self._paused = not self._paused

    def faster(self) -> None:
        """Select the next higher speed."""
        self._set_anchor()
        self.speed = next((speed for speed in SPEEDS if speed > self.speed), SPEEDS[-1])

    def slower(self) -> None:
        """Select the next lower speed."""
        self._set_anchor()
        self.speed = next((speed for speed in reversed(SPEEDS) if speed < self.speed), SPEEDS[0])

    def step(self, seconds: float) -> None:
        """Move forward, or back if negative."""
        self.seek(self.position + seconds)

    def pause_at(self, at: str) -> None:
        """Move to a time as a user types it, and pause.

        Raises:
            SettingsError: the time is invalid, or outside of the run.
        """
        self.seek(parse_time(at, 0.0, self.length, self.marks))
        self._paused = True

    def seek(self, seconds: float) -> None:
        """Move to a time; a time outside of the run moves to the nearest end."""
        to = min(max(seconds, 0.0), self.length)
        self._anchor = (self._clock.monotonic(), to)
        snapshot = self._snapshots.find_snapshot(bisect_right(self._times, to))
        back = self._next and to < self._times[self._next - 1]
        if back or snapshot.count > self._next:
            self._start = snapshot
            self._next = snapshot.count
            self.generation += 1

    def _set_anchor(self) -> None:
        """Keep the current position before the speed or the pause changes."""
        self._anchor = (self._clock.monotonic(), self.position)


@contextmanager
def _paused_gc() -> Iterator[None]:
    """Disable garbage collection: it takes half of the time while many lasting objects are made."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read_events(reader: pool.JournalReader, snapshots: SnapshotLog) -> list[pool.events.Event]:
    """Read all events, and record snapshots."""
    events: list[pool.events.Event] = []
    for event in reader.read():
        snapshots.record(event)
        events.append(event)
    if not events:
        raise pool.JournalError(f"{reader.path}: there are no events in it")
    return events


def _mark(event: pool.events.Event) -> Mark | None:
    match event:
        case (
            pool.events.BuildFinished(outcome=pool.Outcome.FAILED)
            | pool.events.ResolveFailed()
            | pool.events.EnvironmentFailed()
        ):
            return Mark(t=event.t, kind="failure")
        case pool.events.LimitChanged():
            return Mark(t=event.t, kind="cap")
        case _:
            return None
