"""What the screens look at: the state so far, and the moment it is looked at.

One feed for the whole app; widgets read it and never change it.
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
    """Folds what a source tells into a state."""

    def __init__(self, source: EventSource, clock: pool.Clock) -> None:
        self.source = source
        self.state = pool.RunState(header=source.header)
        self.changed: set[pool.BuildId] = set()
        """The builds that have changed since the table looked."""
        self.numbers: Counter[BuildKind] = Counter()
        """How many builds are of each kind."""
        self.line = SlotQueue()
        """Who waits for a slot, the next one first."""
        self.estimate = Estimate()
        """How long it will still take."""
        self.timeline = Timeline()
        """What has happened so far."""
        self.memory = MemoryHistory()
        """What each build had of memory so far."""
        self._kinds: dict[pool.BuildId, BuildKind] = {}
        self._ended = 0.0
        """When the last build ended."""
        self._clock = clock
        self._generation = source.generation
        self._heard = clock.monotonic()

    def advance(self) -> None:
        """Take in what has happened."""
        events = self.source.poll()
        started_over = self._generation != self.source.generation
        if started_over:
            self._start_over()
        if events:
            self._take_in(events)
            self._heard = self._clock.monotonic()

    def _start_over(self) -> None:
        """Go on from where the source goes on: from the beginning, or a moment of a replay."""
        self._generation = self.source.generation
        moment = Snapshot() if self.replay is None else self.replay.snapshot()
        self.state, self.timeline, self.memory = moment.state, moment.timeline, moment.memory
        self.state.header = self.source.header
        self.changed.clear()
        self.numbers.clear()
        self._kinds.clear()
        self.line = SlotQueue()
        self.estimate = Estimate()
        self._ended = 0.0
        self._recount(self.state.builds.keys())

    def _take_in(self, events: Sequence[pool.events.Event]) -> None:
        dirty: set[pool.BuildId] = set()
        for event in events:
            dirty |= pool.apply(self.state, event)
            self.timeline.record(event, self.state)
            self.memory.record(event)
        self.changed |= dirty
        self._recount(dirty)

    def _recount(self, dirty: Collection[pool.BuildId]) -> None:
        """Bring up to date what is counted."""
        self.line.update(self.state, dirty)
        self.estimate.update(self.state, dirty)
        for build in dirty:
            self._ended = max(self._ended, self.state.builds[build].finished_at or 0.0)
            kind = kind_of(self.state.builds[build])
            if kind != (before := self._kinds.get(build)):
                self._kinds[build] = kind
                self.numbers[kind] += 1
                if before is not None:
                    self.numbers[before] -= 1

    @property
    def now(self) -> float:
        """Seconds since the start of the run, going on between events."""
        if self.replay is not None:
            return self.replay.position
        if self.state.finished or self.idle or self.source.done:
            return self.state.now
        return self.state.now + self._clock.monotonic() - self._heard

    @property
    def detachable(self) -> bool:
        """Whether the run is another process's, and goes on when the screen is left."""
        return self.source.attached and not self.source.done

    @property
    def replay(self) -> ReplayControls | None:
        """The controls of a replay; None for a live run."""
        return None if self.source.live else cast("ReplayControls", self.source)

    @property
    def idle(self) -> bool:
        """Whether everything that was announced has ended."""
        going_on: tuple[BuildKind, ...] = ("building", "waiting", "queued")
        if any(self.numbers[kind] for kind in going_on):
            return False
        resolve = self.state.resolve
        if resolve is not None and (resolve.finished_at is None or resolve.message):
            return bool(resolve.message)
        return self._settled if self.state.environment is not None else bool(self.state.builds)

    @property
    def _settled(self) -> bool:
        """Whether nothing more is to be expected of the environment."""
        environment = self.state.environment
        if environment is None or environment.locked or self.state.installs:
            return False
        if environment.waiting_since is not None:
            return False
        # Where a build went wrong nothing is installed, and there may be no word about it.
        wrong: tuple[BuildKind, ...] = ("failed", "cancelled", "skipped")
        if any(self.numbers[kind] for kind in wrong):
            return True
        # What was built after it was changed is still to be installed.
        return environment.finished_at is not None and environment.finished_at >= self._ended

    def log(self, build: pool.BuildState) -> Path | None:
        """Return where a build's log is, or would be."""
        journal = self.source.journal
        return None if journal is None else pool.logs_of(journal) / build.log
