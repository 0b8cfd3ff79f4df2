"""The one event that tells how a build ended, from what came out of it or what went wrong.

Pure; who is told, and when, is `pool.builders`' business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from pool.backend.output import clean_line
from pool.model import Outcome

if TYPE_CHECKING:
    from pool.events.vocabulary import BuildFinished
    from pool.failure import Failure
    from pool.job import Built, Job

__all__ = ["bad", "good", "in_need"]


def good(ended: BuildFinished, built: Built, *, published: bool) -> BuildFinished:
    """Add what came out; ``published`` tells whether the wheel is the user's."""
    return replace(
        ended,
        version=built.version,
        wheel=str(built.wheel) if published else None,
        sha256=built.sha256 or None,
        bytes=built.bytes or None,
        message=built.remark,
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


def in_need(job: Job, ended: BuildFinished) -> str:
    """Return what is said of those who need a build that went wrong."""
    became = "was cancelled" if ended.outcome is Outcome.CANCELLED else "was not built"
    return f"needs {job.title}, which {became}"
