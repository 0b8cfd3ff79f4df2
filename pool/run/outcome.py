"""The outcome of a build: from its result or exception to the one terminal event. Pure."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pool.common.errors import FULL_HINT, BackendError, PoolError, SkippedError, system_error
from pool.common.model import Outcome
from pool.common.record import Record
from pool.common.redaction import redact_urls
from pool.common.text import clean_line, format_command
from pool.sources.index.simple_api import IndexFile
from pool.system.process_limits import ShortageError, shortage_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pool.build.job import BuildJob, BuildResult
    from pool.events.types import BuildFinished
    from pool.sources.index.settings import IndexSettings

__all__ = [
    "EVICTED",
    "Failure",
    "evicted",
    "failed",
    "failure_from",
    "skip_reason",
    "succeeded",
    "with_full_folders",
    "with_retry",
]

_LONGEST_COMMAND = 2000
EVICTED = "made-room"
"""The reference of a build that was ended to free memory for others."""


class Failure(Record, frozen=True, kw_only=True):
    """Why a build has no wheel."""

    outcome: Outcome
    reference: str
    message: str
    cause: str = ""
    """The message in at most 40 characters; empty if there is none."""
    hint: str = ""
    rerun: str = ""
    """A shell command that repeats what failed."""
    traceback: str = ""
    """For the log of the build: only an error of wheelpool's own has one."""


def failure_from(problem: BaseException, job: BuildJob, index: IndexSettings) -> Failure:
    """Return the outcome, the message and the hint for an exception of a build.

    Args:
        problem: the exception.
        job: the build.
        index: the settings of the index client; a command that repeats the build needs the same.
    """
    if not isinstance(problem, ShortageError) and (shortage := shortage_error(problem)) is not None:
        return failure_from(shortage, job, index)
    match problem:
        case BaseExceptionGroup(exceptions=[first, *_]):
            return failure_from(first, job, index)
        case SkippedError():
            return Failure(
                outcome=Outcome.SKIPPED,
                reference=problem.reference,
                message=redact_urls(str(problem)),
            )
        case PoolError():
            return Failure(
                outcome=Outcome.FAILED,
                reference=problem.reference,
                message=redact_urls(str(problem)),
                cause=redact_urls(problem.cause),
                hint=redact_urls(problem.hint),
                rerun=(isinstance(problem, BackendError) and problem.rerun)
                or _build_command(job, index.arguments),
            )
        case OSError(errno=int()):
            return failure_from(system_error(problem), job, index)
        case _:
            return _internal_failure(problem)


def with_full_folders(failure: Failure, folders: Sequence[Path]) -> Failure:
    """Add which folders have no space left: a build's own output rarely says it."""
    if failure.outcome is not Outcome.FAILED or not folders:
        return failure
    names = ", ".join(map(str, folders))
    return replace(
        failure,
        message=f"no space left in {names}: {failure.message}",
        cause="no space left on the disk",
        hint=failure.hint or FULL_HINT,
    )


def _build_command(job: BuildJob, arguments: Sequence[str]) -> str:
    """Return a command that builds the source again, from the same indexes."""
    source = job.source
    if isinstance(source, IndexFile):
        target = f"{source.project}=={source.version}"
    else:
        target = source.label
    return format_command(["wheelpool", "build", target, *arguments], longest=_LONGEST_COMMAND)


def _internal_failure(problem: BaseException) -> Failure:
    return Failure(
        outcome=Outcome.FAILED,
        reference="internal",
        message=redact_urls(f"an error of wheelpool's own: {type(problem).__name__}: {problem}"),
        hint="the traceback is at the end of the build's log",
        traceback=redact_urls("".join(traceback.format_exception(problem))),
    )


def succeeded(ended: BuildFinished, result: BuildResult, *, published: bool) -> BuildFinished:
    """Add the result; the wheel only if it is ``published`` in the output folder."""
    return replace(
        ended,
        version=result.version,
        wheel=str(result.wheel) if published else None,
        sha256=result.sha256 or None,
        bytes=result.bytes or None,
        message=result.note,
    )


def failed(ended: BuildFinished, failure: Failure) -> BuildFinished:
    """Add the reason why there is no wheel."""
    return replace(
        ended,
        reference=failure.reference,
        message=clean_line(failure.message),
        cause=clean_line(failure.cause),
        hint=failure.hint,
        rerun=failure.rerun,
    )


def evicted(ended: BuildFinished, reason: str) -> BuildFinished:
    """Add that the build was ended to free memory for others, and the reason."""
    return replace(ended, reference=EVICTED, message=f"ended to make room: {reason}")


def with_retry(ended: BuildFinished, conditions: str) -> BuildFinished:
    """Add that an evicted build is built again; a failed one has a note at the next attempt."""
    if ended.reference != EVICTED:
        return ended
    return replace(ended, message=f"{ended.message}; built again {conditions}")


def skip_reason(job: BuildJob, ended: BuildFinished) -> str:
    """Return the message of builds that are skipped because this one has no wheel."""
    verb = "was cancelled" if ended.outcome is Outcome.CANCELLED else "was not built"
    return f"needs {job.title}, which {verb}"
