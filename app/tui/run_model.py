"""The model that all screens read: the current state of the run, and models derived from it.

One per app. Widgets read it and never change it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, cast

import pool
from app.model.estimate import Estimate
from app.model.memory_history import MemoryHistory
from app.model.queue import SlotQueue
from app.model.status import kind_of
from app.model.timeline import Timeline
from app.source.snapshots import Snapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from app.model.status import BuildKind
    from app.source.base import EventSource, ReplayControls

__all__ = ["RunModel"]


class RunModel:
    """Applies the events of a source to a state and to the derived models."""

    def __init__(self, source: EventSource, clock: pool.Clock) -> None:
        self.source = source
        self.state = pool.RunState(header=source.header)
        self.changed: set[pool.BuildId] = set()
        """The builds that have changed since the table was last updated."""
        self.counts: Counter[BuildKind] = Counter()
        """The number of builds of each kind."""
        self.slot_queue = SlotQueue()
        """The builds that wait for a slot, next one first."""
        self.estimate = Estimate()
        """The estimate of the remaining time."""
        self.timeline = Timeline()
        """The timeline of the run so far."""
        self.memory = MemoryHistory()
        """The memory use of each build so far."""
        self._kinds: dict[pool.BuildId, BuildKind] = {}
        self._clock = clock
        self._generation = source.generation
        self._last_event_at = clock.monotonic()

    def advance(self) -> None:
        """Poll the source and apply new events."""
        events = self.source.poll()
        started_over = self._generation != self.source.generation
        if started_over:
            self._restart()
        if events:
            self._apply_events(events)
            self._last_event_at = self._clock.monotonic()

    def _restart(self) -> None:
        """Restart from the beginning, or from the snapshot of a replay."""
        self._generation = self.source.generation
        moment = Snapshot() if self.replay is None else self.replay.snapshot()
        self.state, self.timeline, self.memory = moment.state, moment.timeline, moment.memory
        self.state.header = self.source.header
        self.changed.clear()
        self.counts.clear()
        self._kinds.clear()
        self.slot_queue = SlotQueue()
        self.estimate = Estimate()
        self._update_counts(self.state.builds.keys())

    def _apply_events(self, events: Sequence[pool.events.Event]) -> None:
        dirty: set[pool.BuildId] = set()
        for event in events:
            dirty |= pool.apply(self.state, event)
            self.timeline.record(event, self.state)
            self.memory.record(event)
        self.changed |= dirty
        self._update_counts(dirty)

    def _update_counts(self, dirty: Collection[pool.BuildId]) -> None:
        """Update the counts and derived models for the changed builds."""
        self.slot_queue.update(self.state, dirty)
        self.estimate.update(self.state, dirty)
        for build in dirty:
            kind = kind_of(self.state.builds[build])
            if kind != (before := self._kinds.get(build)):
                self._kinds[build] = kind
                self.counts[kind] += 1
                if before is not None:
                    self.counts[before] -= 1

    @property
    def now(self) -> float:
        """The time in seconds since the start of the run; it advances between events."""
        if self.replay is not None:
            return self.replay.position
        if self.state.finished or self.source.exhausted:
            return self.state.now
        return self.state.now + self._clock.monotonic() - self._last_event_at

    @property
    def detachable(self) -> bool:
        """Whether the run belongs to another process and continues after this screen is closed."""
        return self.source.attached and not self.source.exhausted

    @property
    def replay(self) -> ReplayControls | None:
        """The controls of a replay; None for a live run."""
        return None if self.source.live else cast("ReplayControls", self.source)

    @property
    def ended(self) -> bool:
        """Whether a live run has ended: nothing controls it any more."""
        return self.source.live and self.source.exhausted

    @property
    def controllable(self) -> bool:
        """Whether controls change the run: it is live and has not ended."""
        return self.source.live and not (self.state.finished or self.source.exhausted)

    def log_path(self, build: pool.BuildState) -> Path | None:
        """Return the path of a build's log; the file may not exist yet."""
        journal = self.source.journal
        return None if journal is None else pool.logs_path(journal) / build.log
