"""What a build's exception means: its outcome, and the words a user can act on."""

from __future__ import annotations

import shlex
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pool.common.errors import BackendError, PoolError, SkippedError, system_error
from pool.common.model import Outcome
from pool.common.redaction import redact_urls
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from pool.build.job import BuildJob

__all__ = ["Failure", "failure_from"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a build has no wheel."""

    outcome: Outcome
    reference: str
    message: str
    hint: str = ""
    rerun: str = ""
    """A shell command to try again by hand."""
    details: str = ""
    """For the build's log: the traceback of an error of our own."""


def failure_from(problem: BaseException, job: BuildJob) -> Failure:
    """Put an exception into words."""
    match problem:
        case BaseExceptionGroup(exceptions=[first, *_]):
            return failure_from(first, job)
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
                hint=redact_urls(problem.hint),
                rerun=(isinstance(problem, BackendError) and problem.rerun) or _again(job),
            )
        case OSError(errno=int()):
            return failure_from(system_error(problem), job)
        case _:
            return _of_ours(problem)


def _again(job: BuildJob) -> str:
    source = job.source
    if isinstance(source, IndexFile):
        return shlex.join(["wheelpool", "build", f"{source.project}=={source.version}"])
    return shlex.join(["wheelpool", "build", source.label])


def _of_ours(problem: BaseException) -> Failure:
    return Failure(
        outcome=Outcome.FAILED,
        reference="internal",
        message=redact_urls(f"an error of wheelpool's own: {type(problem).__name__}: {problem}"),
        hint="the traceback is at the end of the build's log",
        details=redact_urls("".join(traceback.format_exception(problem))),
    )
