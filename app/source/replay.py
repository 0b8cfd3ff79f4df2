"""A saved run as an `EventSource`: its events come at their own times, by a clock handed in.

Time can be paused, stretched and moved. Going back, or far ahead, starts the stream over, from a
moment that is kept a few thousand events before (`app.source.snapshots`).
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
        clock: where the time comes from that passes while it plays.
        speed: 2.0 is twice as fast as it was.

    Raises:
        JournalError: it is no log, or has a line that does not belong there.
    """

    live = False
    attached = False

    def __init__(self, path: Path, clock: pool.Clock, *, speed: float = 1.0) -> None:
        with pool.JournalReader(path) as reader, _nothing_collected():
            self.journal = reader.path
            self.header = reader.header
            self._moments = SnapshotLog(reader.header)
            self._events = _all_of(reader, self._moments)
        self._times = list(accumulate((event.t for event in self._events), max))
        self._clock = clock
        self._next = 0
        self._moment = self._moments.find_snapshot(0)
        """Where the stream has begun."""
        self._anchor = (clock.monotonic(), 0.0)
        """A moment of the clock, and the position at that moment."""
        self._paused = False
        self.speed = speed
        self.generation = 0
        self.length = self._times[-1]
        self.marks = tuple(mark for event in self._events if (mark := _mark(event)))

    @property
    def done(self) -> bool:
        """Whether the last event has been polled; going back makes it False again."""
        return self._next == len(self._events)

    @property
    def position(self) -> float:
        """Where the replay is, in seconds since the start of the run."""
        then, position = self._anchor
        passed = 0.0 if self._paused else (self._clock.monotonic() - then) * self.speed
        return min(position + passed, self.length)

    @property
    def playing(self) -> bool:
        """Whether time goes on; False at the end."""
        return not self._paused and self.position < self.length

    @property
    def end(self) -> pool.RunState:
        """The run after its last event; it is nobody's to change."""
        return self._moments.end

    def poll(self) -> Sequence[pool.events.Event]:
        """Return what has happened up to the position and was not returned yet."""
        until = bisect_right(self._times, self.position)
        batch = self._events[self._next : until]
        self._next = max(self._next, until)
        return batch

    def rest(self) -> Sequence[pool.events.Event]:
        """Return all that was not polled yet, whatever its time."""
        self._anchor = (self._clock.monotonic(), self.length)
        return self.poll()

    def snapshot(self) -> Snapshot:
        """Return what there was before the events that come; to be folded on from."""
        return self._moment.copy()

    def send(self, control: pool.Control) -> None:
        """Do nothing: what happened has happened."""

    def toggle(self) -> None:
        """Pause or go on; at the end, start over."""
        if self.position >= self.length:
            self._paused = False
            self.seek(0.0)
            return
        self._hold()
        self._paused = not self._paused

    def faster(self) -> None:
        """Take the next higher speed."""
        self._hold()
        self.speed = next((speed for speed in SPEEDS if speed > self.speed), SPEEDS[-1])

    def slower(self) -> None:
        """Take the next lower speed."""
        self._hold()
        self.speed = next((speed for speed in reversed(SPEEDS) if speed < self.speed), SPEEDS[0])

    def step(self, seconds: float) -> None:
        """Go on, or back where negative."""
        self.seek(self.position + seconds)

    def pause_at(self, at: str) -> None:
        """Go to where a user names, and pause.

        Raises:
            SettingsError: that is no time of this run.
        """
        self.seek(parse_time(at, 0.0, self.length, self.marks))
        self._paused = True

    def seek(self, seconds: float) -> None:
        """Go to a time; beyond the ends is the nearest end."""
        to = min(max(seconds, 0.0), self.length)
        self._anchor = (self._clock.monotonic(), to)
        moment = self._moments.find_snapshot(bisect_right(self._times, to))
        back = self._next and to < self._times[self._next - 1]
        if back or moment.count > self._next:
            self._moment = moment
            self._next = moment.count
            self.generation += 1

    def _hold(self) -> None:
        """Count what has passed so far as passed, before the way of counting changes."""
        self._anchor = (self._clock.monotonic(), self.position)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Make many objects that all stay: looking for garbage among them takes half of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _all_of(reader: pool.JournalReader, moments: SnapshotLog) -> list[pool.events.Event]:
    """Read all events, and keep moments of them."""
    events: list[pool.events.Event] = []
    for event in reader.read():
        moments.record(event)
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
