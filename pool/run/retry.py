"""Second tries: what is built again by itself for want of memory, and with how much less.

What ran out of memory: alone, with half the jobs; if that is too much as well, with one. What we
ended to make room for others: with half the jobs, when there is room; after the second time alone,
when it cannot be ended again. Deliberately only the decision: that nothing runs beside it is the
gate's doing, how many jobs it gets is the allotment's, and that those who wait for it go on waiting
is `pool.run.scheduler`'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pool.common.errors import OutOfMemoryError
from pool.run.ending import EVICTED

__all__ = ["MOST", "RetryAttempt", "next_retry"]

MOST = 2
"""Automatic tries of one build that runs out of memory."""
_MOST_ROOM = 2
"""Times that one build is ended to make room; after that nobody runs beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryAttempt:
    """An automatic try."""

    jobs: int
    """How many compilers it may start."""
    failed: int = 0
    """How often it ran out of memory before."""
    made_room: int = 0
    """How often it was ended to make room before."""
    after: str = ""
    """How the one before ended, as `pool.common.errors` and `pool.run.ending` refer to it."""

    @property
    def alone(self) -> bool:
        """Whether nothing may run beside it."""
        return self.failed > 0 or self.made_room >= _MOST_ROOM

    @property
    def how(self) -> str:
        """How it is tried, as one would say it."""
        jobs = "1 job" if self.jobs == 1 else f"{self.jobs} jobs"
        return f"alone, with {jobs}" if self.alone else f"when there is room, with {jobs}"

    @property
    def words(self) -> str:
        """What it is, and why, as one would say it."""
        if self.after == EVICTED:
            return f"it was ended to make room, so it is built again {self.how}"
        return f"it ran out of memory, so it is tried again {self.how}"


def next_retry(
    reference: str, before: RetryAttempt | None, jobs: int, most: int
) -> RetryAttempt | None:
    """Return how a build that did not end well is tried again; None if it is not.

    Args:
        reference: of the failure.
        before: the try that failed, if it was an automatic one.
        jobs: how many there were for the first one.
        most: how many tries the user allows of what runs out of memory.
    """
    past = before or RetryAttempt(jobs=jobs)
    fewer = replace(past, jobs=max(1, past.jobs // 2), after=reference)
    if reference == EVICTED:
        return replace(fewer, made_room=past.made_room + 1)
    if reference != OutOfMemoryError.reference or past.failed >= min(most, MOST):
        return None
    if past.failed:
        fewer = replace(fewer, jobs=1)
    if past.alone and past.jobs == 1:
        # Nothing would be different.
        return None
    return replace(fewer, failed=past.failed + 1)
