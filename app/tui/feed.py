"""What the screens look at: the state so far, and the moment it is looked at.

One feed for the whole app; widgets read it and never change it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pool

if TYPE_CHECKING:
    from pathlib import Path

    from app.replay import ReplayControls
    from app.session import EventSource

__all__ = ["Feed"]


class Feed:
    """Folds what a source tells into a state."""

    def __init__(self, source: EventSource, clock: pool.Clock) -> None:
        self.source = source
        self.state = pool.State(header=source.header)
        self.revision = 0
        """Grows with every batch of events."""
        self._clock = clock
        self._generation = source.generation
        self._heard = clock.monotonic()

    def advance(self) -> bool:
        """Take in what has happened; tell whether anything has."""
        events = self.source.poll()
        started_over = self._generation != self.source.generation
        if started_over:
            self._generation = self.source.generation
            self.state = pool.State(header=self.source.header)
        if events:
            pool.fold_all(self.state, events)
            self._heard = self._clock.monotonic()
        if events or started_over:
            self.revision += 1
        return bool(events) or started_over

    @property
    def now(self) -> float:
        """Seconds since the start of the run, going on between events."""
        if self.replay is not None:
            return self.replay.position
        if self.state.finished or self.idle:
            return self.state.now
        return self.state.now + self._clock.monotonic() - self._heard

    @property
    def replay(self) -> ReplayControls | None:
        """The controls of a replay; None for a live run."""
        return None if self.source.live else cast("ReplayControls", self.source)

    @property
    def idle(self) -> bool:
        """Whether everything that was announced has ended."""
        builds = self.state.builds.values()
        return bool(builds) and all(build.status is pool.Status.DONE for build in builds)

    def log(self, build: pool.BuildState) -> Path | None:
        """Return where a build's log is, or would be."""
        journal = self.source.journal
        return None if journal is None else pool.logs_of(journal) / build.log
