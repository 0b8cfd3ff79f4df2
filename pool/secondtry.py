"""Second tries: what is built again by itself after it ran out of memory, and with how much less.

Alone, with half the jobs; if that is too much as well, with one. Deliberately only the decision:
that nothing runs beside it is the gate's doing, how many jobs it gets is the allotment's, and that
those who wait for it go on waiting is `pool.builders`'.
"""

from __future__ import annotations

from dataclasses import dataclass

from pool.errors import OutOfMemoryError

__all__ = ["MOST", "Attempt", "next_attempt"]

MOST = 2
"""Automatic tries of one build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """An automatic try."""

    number: int
    """From 1: the first build of all is none."""
    jobs: int
    """How many compilers it may start."""

    @property
    def words(self) -> str:
        """What it is, and why, as one would say it."""
        jobs = "1 job" if self.jobs == 1 else f"{self.jobs} jobs"
        return f"it ran out of memory, so it is tried again alone, with {jobs}"


def next_attempt(reference: str, before: Attempt | None, jobs: int, most: int) -> Attempt | None:
    """Return how a failed build is tried again; None if it is not.

    Args:
        reference: of the failure.
        before: the try that failed, if it was an automatic one.
        jobs: how many there were for the first one.
        most: how many tries the user allows.
    """
    number = before.number + 1 if before else 1
    if reference != OutOfMemoryError.reference or number > min(most, MOST):
        return None
    if before is None:
        return Attempt(number=number, jobs=max(1, jobs // 2))
    # With one job it was alone already: nothing would be different.
    return Attempt(number=number, jobs=1) if before.jobs > 1 else None
