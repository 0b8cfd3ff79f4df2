"""Automatic retries of builds that ran out of memory or were evicted: whether, with how many jobs.

A build that ran out of memory is retried exclusively with half the jobs, then with one job. An
evicted build is retried with half the jobs as soon as it is admitted; after the second eviction it
runs exclusively, so that it cannot be evicted again. Deliberately only the decision: the gate
enforces exclusivity, `pool.build.frontend.hook_jobs` the number of jobs, and `pool.run.scheduler`
lets dependents wait for the next attempt.
"""

from __future__ import annotations

from msgspec.structs import replace

from pool.build.job import RetryAttempt
from pool.common.errors import OutOfMemoryError
from pool.run.outcome import EVICTED

__all__ = ["MAX_OOM_RETRIES", "describe_retry", "next_retry", "retry_conditions"]

MAX_OOM_RETRIES = 2
"""Automatic retries of one build that runs out of memory."""
_MAX_EVICTIONS = 2
"""Evictions of one build; after these it runs exclusively."""


def next_retry(
    reference: str, previous: RetryAttempt | None, jobs: int, most: int
) -> RetryAttempt | None:
    """Return how a build that did not succeed is retried; None if it is not.

    Args:
        reference: the error reference of the failure.
        previous: the attempt that failed, if it was an automatic retry.
        jobs: the number of jobs of the first attempt.
        most: the retries that the user allows for builds that run out of memory.
    """
    past = previous or RetryAttempt(jobs=jobs)
    attempt = replace(past, jobs=max(1, past.jobs // 2), after=reference)
    if reference == EVICTED:
        evictions = past.evictions + 1
        exclusive = past.exclusive or evictions >= _MAX_EVICTIONS
        return replace(attempt, evictions=evictions, exclusive=exclusive)
    if reference != OutOfMemoryError.reference or past.oom_failures >= min(most, MAX_OOM_RETRIES):
        return None
    if past.exclusive and past.jobs == 1:
        # Another attempt would run under the same conditions.
        return None
    if past.oom_failures:
        attempt = replace(attempt, jobs=1)
    return replace(attempt, oom_failures=past.oom_failures + 1, exclusive=True)


def describe_retry(attempt: RetryAttempt) -> str:
    """Return why a build is retried and how, as a clause."""
    if attempt.after == EVICTED:
        return f"it was ended to make room, so it is built again {retry_conditions(attempt)}"
    return f"it ran out of memory, so it is tried again {retry_conditions(attempt)}"


def retry_conditions(attempt: RetryAttempt) -> str:
    """Return how a build is retried: ``alone, with 1 job``."""
    jobs = "1 job" if attempt.jobs == 1 else f"{attempt.jobs} jobs"
    return f"alone, with {jobs}" if attempt.exclusive else f"when there is room, with {jobs}"
