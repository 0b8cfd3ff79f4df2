"""Finds moments in recordings by what goes on then, so that they hold for a new recording, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pool

__all__ = ["Moment", "Seen", "at_its_fullest", "end", "when"]

Seen = Callable[[pool.RunState], object]
Moment = Callable[[Path], float]
"""Seconds into a recording."""


def when(condition: Seen, *, after: float = 0.0) -> Moment:
    """Return the first moment at which something has been so for some seconds."""

    def found(recording: Path) -> float:
        state = pool.RunState()
        since: float | None = None
        with pool.JournalReader(recording) as reader:
            for event in reader.read():
                if since is not None and event.t >= since + after:
                    return since + after
                pool.apply(state, event)
                since = (event.t if since is None else since) if condition(state) else None
        raise SystemExit(f"{recording.name}: there is no such moment")

    return found


def at_its_fullest(condition: Seen = lambda _state: True) -> Moment:
    """Return the moment at which builds are in the most different states."""

    def found(recording: Path) -> float:
        state, best = pool.RunState(), (0, 0.0)
        with pool.JournalReader(recording) as reader:
            for event in reader.read():
                pool.apply(state, event)
                if isinstance(event, pool.events.Sample) and condition(state):
                    best = max(best, (_states(state), event.t))
        return best[1] + 0.01

    return found


def _states(state: pool.RunState) -> int:
    """Count the states that can be told apart, and a little more for each that builds."""
    builds = state.builds.values()
    kinds = {(build.status, build.waiting_for, build.outcome) for build in builds}
    return 10 * len(kinds) + len(state.slots)


def end(recording: Path) -> float:
    """Return the end of a recording."""
    with pool.JournalReader(recording) as reader:
        return max(event.t for event in reader.read())
