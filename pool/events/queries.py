"""Questions about the state of a run that the engine and the user interfaces answer alike. Pure.

The engine folds its own events, too: whether a build can be retried, and how the requested builds
have ended, is decided from the same state that the journal gives.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pool.common.model import WaitFor
from pool.events.state import Status

if TYPE_CHECKING:
    from pool.common.model import BuildId, Outcome
    from pool.events.state import BuildState, RunState

__all__ = ["count_outcomes", "find_retryable", "has_failed", "has_progress"]


def has_failed(build: BuildState) -> bool:
    """Return whether a build has ended without a wheel and was not retried."""
    ended = build.outcome is not None and not build.outcome.is_success
    return ended and build.superseded_by is None


def find_retryable(state: RunState, build: BuildId) -> list[BuildId]:
    """Return the builds to retry if the user retries this one.

    That is the build itself, or, for a nested build, the builds that the user requested and that
    failed for lack of it. Builds that succeeded, are running, or were retried already are not
    retried.
    """
    one = state.builds[build]
    if not one.nested:
        return [build] if has_failed(one) else []
    dependents = (find_retryable(state, dependent) for dependent in sorted(one.needed_by))
    return list(dict.fromkeys(retry for group in dependents for retry in group))


def has_progress(state: RunState) -> bool:
    """Return whether a build can end by itself: it has not ended, and waits for no other build.

    The last builds are looked at first, as they start last.
    """
    return any(_has_progress(build, state) for build in reversed(state.builds.values()))


def _has_progress(build: BuildState, state: RunState) -> bool:
    if build.status is Status.DONE:
        return False
    if build.waiting_for is not WaitFor.DEPENDENCY:
        return True
    # A build that it waited for has ended: its next event is on its way.
    return any(state.builds[one].status is Status.DONE for one in build.waiting_builds)


def count_outcomes(state: RunState) -> dict[Outcome, int]:
    """Count the outcomes of the last attempts of the builds that the user requested."""
    last_attempts = (
        build
        for build in state.builds.values()
        if not build.nested and build.superseded_by is None and build.outcome is not None
    )
    return dict(Counter(build.outcome for build in last_attempts if build.outcome is not None))
