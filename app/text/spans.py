"""The spans and landmarks of a timeline in words, for the timeline screen, traces and reports.

Pure. `app.model.timeline` has the facts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.format import format_size
from app.text.holder import format_holder
from app.text.rows import build_title
from pool import LimitName, Phase, WaitFor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.model.timeline import Cause, Landmark, Span, SpanKind
    from pool import BuildId, BuildState, events

__all__ = ["SPAN_NAMES", "cause_detail", "landmark_text", "span_detail"]

SPAN_NAMES: dict[SpanKind, str] = {
    Phase.FETCH: "fetch",
    Phase.UNPACK: "unpack",
    Phase.LOOKUP: "look into the cache",
    Phase.ENVIRONMENT: "environment",
    Phase.AWAIT_JOB: "wait for a job",
    Phase.GET_REQUIRES: "build requirements",
    Phase.METADATA: "metadata",
    Phase.BUILD: "build",
    Phase.CHECK: "check",
    WaitFor.SLOT: "queued",
    WaitFor.LOCK: "wait for a lock",
    WaitFor.MEMORY: "wait for memory",
    WaitFor.DEPENDENCY: "wait for another build",
    WaitFor.DOWNLOAD: "wait for a download",
    WaitFor.PAUSED: "paused",
    "work": "between phases",
    "resolve": "choose versions",
    "stage": "prepare the installation",
    "install": "install",
}
"""The name of each kind of span."""


def span_detail(span: Span) -> str:
    """Return what a span waits for and which process holds it; empty for other spans."""
    return cause_detail(span.cause)


def cause_detail(cause: Cause) -> str:
    """Return the reason of a wait in words; may be empty."""
    match cause.waiting_for:
        case WaitFor.LOCK:
            return f"{cause.subject}, {format_holder(cause.holder)}"
        case WaitFor.MEMORY if cause.needs:
            return f"needs {format_size(cause.needs)}, {format_size(cause.free)} free"
        case _:
            return cause.subject


def landmark_text(landmark: Landmark, builds: Mapping[BuildId, BuildState]) -> str:
    """Return a landmark as one sentence.

    Args:
        landmark: one of the run's timeline.
        builds: the builds of the run.
    """
    if landmark.change is not None:
        return _limit_change(landmark.change)
    if landmark.build is not None:
        return f"{build_title(builds[landmark.build])} failed: {landmark.message}"
    return landmark.message


def _limit_change(change: events.LimitChanged) -> str:
    old, new = (_limit_value(change.limit, value) for value in (change.old, change.new))
    return f"{change.limit} {old} to {new} ({change.why})"


def _limit_value(limit: LimitName, value: int) -> str:
    if limit is LimitName.MEMORY:
        return format_size(value) if value else "off"
    return str(value) if value else "paused"
