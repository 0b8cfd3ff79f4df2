"""The status of a build derived from its state, and when the work of a run ended.

Pure. It returns words of a closed set and numbers; `app.text.rows` makes sentences of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pool import Outcome, Phase, Status

if TYPE_CHECKING:
    from pool import BuildState, RunState

__all__ = ["BuildKind", "end_of_work", "kind_of", "slowdown", "working_seconds"]

BuildKind = Literal[
    "building", "waiting", "queued", "failed",
    "built", "cached", "fetched", "cancelled", "skipped", "retried",
]  # fmt: skip
"""The status and outcome of a build as one word; it selects the glyph and the colour of a row."""

_MIN_SLOWDOWN, _MIN_DELAY = 1.5, 10.0
"""A build is slow from this multiple of its usual time on, and this many seconds beyond it."""


def kind_of(build: BuildState) -> BuildKind:
    """Return the kind of a build's row."""
    if build.status is Status.DONE:
        if build.superseded_by is not None:
            return "retried"
        return (build.outcome or Outcome.FAILED).value
    if build.status is Status.WAITING:
        return "waiting"
    return "building" if build.slot else "queued"


def working_seconds(build: BuildState, now: float) -> float:
    """Return the seconds of a build's phases without downloads and waits."""
    phases = dict(build.phases)
    if build.phase is not None and build.phase_since is not None:
        phases[build.phase] = phases.get(build.phase, 0.0) + max(0.0, now - build.phase_since)
    return sum(seconds for phase, seconds in phases.items() if phase is not Phase.FETCH)


def slowdown(build: BuildState, now: float) -> float | None:
    """Return the multiple of its usual time that a slow build has taken; None for other builds."""
    if not build.expected or (seconds := working_seconds(build, now)) < build.expected + _MIN_DELAY:
        return None
    times = seconds / build.expected
    return times if times >= _MIN_SLOWDOWN else None


def end_of_work(state: RunState) -> float:
    """Return the time at which the last work of a finished run ended.

    A screen may have been open much longer in runs of older versions. The time of the last event
    if the run is not finished.
    """
    if not state.finished:
        return state.now
    ends = [build.finished_at for build in state.builds.values()]
    ends += [one.finished_at for one in (state.resolve, state.environment) if one is not None]
    return max((end for end in ends if end is not None), default=state.now)
