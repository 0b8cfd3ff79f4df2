"""The one event that tells how a build ended, from what came out of it or what went wrong.

Pure; who is told, and when, is `pool.run.scheduler`' business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from pool.common.model import Outcome
from pool.common.text import clean_line

if TYPE_CHECKING:
    from pool.build.job import BuildJob, BuildResult
    from pool.events.types import BuildFinished
    from pool.run.outcome import Failure

__all__ = ["EVICTED", "bad", "followed", "good", "in_need", "made_room"]

EVICTED = "made-room"
"""The reference of what was ended because memory did not suffice for all."""


def good(ended: BuildFinished, built: BuildResult, *, published: bool) -> BuildFinished:
    """Add what came out; ``published`` tells whether the wheel is the user's."""
    return replace(
        ended,
        version=built.version,
        wheel=str(built.wheel) if published else None,
        sha256=built.sha256 or None,
        bytes=built.bytes or None,
        message=built.note,
    )


def bad(ended: BuildFinished, failure: Failure) -> BuildFinished:
    """Add why there is no wheel."""
    return replace(
        ended,
        reference=failure.reference,
        message=clean_line(failure.message),
        hint=failure.hint,
        rerun=failure.rerun,
    )


def made_room(ended: BuildFinished, why: str) -> BuildFinished:
    """Add that it was ended for others, and why."""
    return replace(ended, reference=EVICTED, message=f"ended to make room: {why}")


def followed(ended: BuildFinished, conditions: str) -> BuildFinished:
    """Add that an evicted build is built again; a failed one has a note at the next attempt."""
    if ended.reference != EVICTED:
        return ended
    return replace(ended, message=f"{ended.message}; built again {conditions}")


def in_need(job: BuildJob, ended: BuildFinished) -> str:
    """Return what is said of those who need a build that went wrong."""
    became = "was cancelled" if ended.outcome is Outcome.CANCELLED else "was not built"
    return f"needs {job.title}, which {became}"
