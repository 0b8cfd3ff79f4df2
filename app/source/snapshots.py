"""A long run as it was at some moments, so that going to any time costs little.

Folding a million events takes seconds; folding those since the last moment that is kept does not.
What can no longer change (builds and bars that have ended) is shared between moments, so one more
costs little memory. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import TYPE_CHECKING

import pool
from app.model.memory_history import MemoryHistory
from app.model.timeline import Timeline

if TYPE_CHECKING:
    from pool import events

__all__ = ["Snapshot", "SnapshotLog"]

_APART = 16384
"""Events from one moment to the next, at first."""
_MOST = 32
"""So many moments are kept; when there are more every second one goes."""


@dataclass(slots=True, kw_only=True)
class Snapshot:
    """What some events came to."""

    count: int = 0
    """How many events."""
    state: pool.RunState = field(default_factory=pool.RunState)
    timeline: Timeline = field(default_factory=Timeline)
    memory: MemoryHistory = field(default_factory=MemoryHistory)

    def apply(self, event: events.Event) -> frozenset[pool.BuildId]:
        """Go on by one event; return the builds that it changed."""
        dirty = pool.apply(self.state, event)
        self.timeline.record(event, self.state)
        self.memory.record(event)
        self.count += 1
        return dirty

    def copy(self) -> Snapshot:
        """Return the same moment, for somebody else to go on from."""
        return self._with_state(self.state.copy())

    def with_builds(self, builds: dict[pool.BuildId, pool.BuildState]) -> Snapshot:
        """Return the same moment with copies of its builds that the caller has made."""
        return self._with_state(self.state.copy_with_builds(builds))

    def _with_state(self, state: pool.RunState) -> Snapshot:
        return replace(self, state=state, timeline=self.timeline.copy(), memory=self.memory.copy())


class SnapshotLog:
    """The moments of one run; `see` is called with each of its events, in order."""

    def __init__(self, header: events.Header, *, apart: int = _APART) -> None:
        self._now = Snapshot(state=pool.RunState(header=header))
        self._kept = [self._now.copy()]
        self._apart = apart
        self._dirty: set[pool.BuildId] = set()
        """The builds that have changed since a moment was kept."""
        self._builds: dict[pool.BuildId, pool.BuildState] = {}
        """As they were when the last moment was kept."""

    def record(self, event: events.Event) -> None:
        """Go on by one event."""
        self._dirty |= self._now.apply(event)
        if self._now.count % self._apart == 0:
            self._keep()

    @property
    def end(self) -> pool.RunState:
        """What all events so far come to; it is nobody's to change."""
        return self._now.state

    def find_snapshot(self, count: int) -> Snapshot:
        """Return the last moment that is kept of those with at most so many events.

        It is nobody's to change: `Snapshot.copy` is.
        """
        return self._kept[bisect_right(self._kept, count, key=attrgetter("count")) - 1]

    def _keep(self) -> None:
        for build in self._dirty:
            self._builds[build] = self._now.state.builds[build].copy()
        self._dirty.clear()
        # In the order of the state, which is that of announcement.
        builds = {name: self._builds[name] for name in self._now.state.builds}
        self._kept.append(self._now.with_builds(builds))
        if len(self._kept) > _MOST:
            self._apart *= 2
            self._kept = [one for one in self._kept if one.count % self._apart == 0]
