"""Snapshots of a saved run, so that a seek applies few events.

Applying a million events takes seconds; applying those since the last snapshot does not. Snapshots
share what can no longer change (finished builds and closed spans), so each needs little memory.
Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING

from msgspec import field
from msgspec.structs import replace

import pool
from app.model.memory_history import MemoryHistory
from app.model.timeline import Timeline
from pool import MutableRecord

if TYPE_CHECKING:
    from pool import events

__all__ = ["Snapshot", "SnapshotLog"]

_INTERVAL = 16384
"""Events between two snapshots, at first."""
_MAX_SNAPSHOTS = 32
"""With more of them, every second one is dropped and the interval doubles."""


class Snapshot(MutableRecord, kw_only=True):
    """The state of a run after its first ``count`` events."""

    count: int = 0
    state: pool.RunState = field(default_factory=pool.RunState)
    timeline: Timeline = field(default_factory=Timeline)
    memory: MemoryHistory = field(default_factory=MemoryHistory)

    def apply(self, event: events.Event) -> frozenset[pool.BuildId]:
        """Apply one event; return the builds that it changed."""
        dirty = pool.apply(self.state, event)
        self.timeline.record(event, self.state)
        self.memory.record(event)
        self.count += 1
        return dirty

    def copy(self) -> Snapshot:
        """Return a copy to apply events to."""
        return self._with_state(self.state.copy())

    def with_builds(self, builds: dict[pool.BuildId, pool.BuildState]) -> Snapshot:
        """Return a copy whose builds are the given ones, which the caller has copied."""
        return self._with_state(self.state.copy_with_builds(builds))

    def _with_state(self, state: pool.RunState) -> Snapshot:
        return replace(self, state=state, timeline=self.timeline.copy(), memory=self.memory.copy())


class SnapshotLog:
    """The snapshots of one run; `record` is called with each of its events, in order."""

    def __init__(self, header: events.Header, *, interval: int = _INTERVAL) -> None:
        self._now = Snapshot(state=pool.RunState(header=header))
        self._snapshots = [self._now.copy()]
        self._interval = interval
        self._dirty: set[pool.BuildId] = set()
        """The builds that changed since the last snapshot."""
        self._builds: dict[pool.BuildId, pool.BuildState] = {}
        """Copies of the builds as of the last snapshot."""

    def record(self, event: events.Event) -> None:
        """Apply the next event; add a snapshot when one is due."""
        self._dirty |= self._now.apply(event)
        if self._now.count % self._interval == 0:
            self._add_snapshot()

    @property
    def end(self) -> pool.RunState:
        """The state after all events so far; read-only."""
        return self._now.state

    def find_snapshot(self, count: int) -> Snapshot:
        """Return the last snapshot of at most ``count`` events; read-only, use `Snapshot.copy`."""
        return self._snapshots[bisect_right(self._snapshots, count, key=attrgetter("count")) - 1]

    def _add_snapshot(self) -> None:
        for build in self._dirty:
            self._builds[build] = self._now.state.builds[build].copy()
        self._dirty.clear()
        # In the order of announcement, as in the state.
        builds = {name: self._builds[name] for name in self._now.state.builds}
        self._snapshots.append(self._now.with_builds(builds))
        if len(self._snapshots) > _MAX_SNAPSHOTS:
            self._interval *= 2
            self._snapshots = [
                snapshot for snapshot in self._snapshots if snapshot.count % self._interval == 0
            ]
