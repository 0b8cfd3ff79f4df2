"""The text of a build's row: name, status word, detail, numbers; and the glyph of each kind.

Pure: a row depends on the state and the time alone, so the screen, plain lines and replays show the
same words. Words come before glyphs and glyphs before colour: every status can be read without
either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from app.format import format_clock, format_count, format_duration, format_size
from app.model.progress import build_fraction
from app.model.status import kind_of, slowdown, working_seconds
from app.text.failure import short_cause
from app.text.holder import format_holder
from app.text.meters.bar import EIGHTHS
from pool import BuildState, LimitName, Outcome, Phase, Record, RunState, Status, WaitFor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.model.status import BuildKind

__all__ = [
    "GLYPHS",
    "TO_ASCII",
    "Row",
    "RowText",
    "build_row",
    "build_title",
    "describe",
    "format_counts",
    "format_done",
    "format_slowdown",
    "status_word",
]

GLYPHS: dict[BuildKind, tuple[str, str]] = {
    "building": ("●", ">"),
    "waiting": ("◌", "~"),
    "queued": ("○", "."),
    "failed": ("✗", "x"),
    "built": ("✓", "="),
    "cached": ("✓", "="),
    "fetched": ("✓", "="),
    "cancelled": ("⊘", "-"),
    "skipped": ("⊘", "-"),
    "retried": ("↻", "-"),
}
"""For each kind its glyph, and the ASCII character for terminals without Unicode."""

TO_ASCII = str.maketrans({"·": ",", "…": "~", "→": ">"})
"""Replaces punctuation for terminals that show ASCII only."""

_WAIT_WORDS = {
    WaitFor.LOCK: "locked",
    WaitFor.DEPENDENCY: "needs",
    WaitFor.DOWNLOAD: "fetching",
    WaitFor.MEMORY: "memory",
}


class RowText(Record, frozen=True):
    """The status of a build in words."""

    kind: BuildKind
    word: str
    """The status as one word of at most ten letters."""
    detail: str
    """The rest of the sentence; may be empty."""


class Row(Record, frozen=True):
    """The cells of one build in the table; equal rows look the same."""

    kind: BuildKind
    name: str
    word: str
    detail: str
    time: str
    """Of a running build its work and its usual time; of a waiting one, how long it waits."""
    memory: str
    peak: str
    last: str
    part: int | None = None
    """The part of a running build that is done, in eighths of ten cells; None if unknown."""


def build_title(build: BuildState) -> str:
    """Return the name of a build in a sentence: ``rich 14.2.0``, ``metadata of rich 14.2.0``."""
    match build.purpose:
        case "metadata":
            return f"metadata of {build.label}"
        case "editable":
            return f"{build.label} (editable)"
        case _:
            return build.label


def describe(build: BuildState, state: RunState, now: float, queue_position: str = "") -> RowText:
    """Return the status of a build in words.

    Args:
        build: one of the state's builds.
        state: the run.
        now: seconds since the start of the run.
        queue_position: its place in the queue in words (`app.text.wait_reasons`); empty if unknown.
    """
    text = _describe(build, state, now, queue_position)
    if build.purpose == "wheel":
        return text
    return replace(text, detail=" · ".join(filter(None, (build.purpose, text.detail))))


def _describe(build: BuildState, state: RunState, now: float, queue_position: str) -> RowText:
    match build.status:
        case Status.DONE:
            return _describe_outcome(build)
        case Status.BUILDING:
            return RowText("building", "building", _current_phase(build, state, now))
        case Status.WAITING:
            return RowText("waiting", status_word(build), _wait_detail(build, state, now))
        case Status.QUEUED:
            return RowText("queued", "queued", _queue_detail(build, state, queue_position))


def _describe_outcome(build: BuildState) -> RowText:
    outcome = build.outcome or Outcome.FAILED
    if build.superseded_by is not None:
        detail = f"{outcome}: {build.message}" if build.message else outcome
        return RowText("retried", "retried", detail)
    return RowText(outcome.value, outcome.value, build.message)


def status_word(build: BuildState) -> str:
    """Return the status of a build as one word."""
    if build.status is Status.DONE:
        return kind_of(build)
    if build.status is Status.WAITING and build.waiting_for is not None:
        return _WAIT_WORDS.get(build.waiting_for, "waiting")
    return build.status


def _wait_detail(build: BuildState, state: RunState, now: float) -> str:
    match build.waiting_for:
        case WaitFor.LOCK:
            return f"{format_holder(build.holder)} for {format_clock(now - build.since)}"
        case WaitFor.DEPENDENCY:
            return _dependencies(build, state)
        case WaitFor.DOWNLOAD:
            return _download(build, state)
        case WaitFor.MEMORY:
            return _memory(build)
        case _:
            return build.waiting_on


def _current_phase(build: BuildState, state: RunState, now: float) -> str:
    jobs = state.limits.get(LimitName.JOBS)
    if build.phase is Phase.AWAIT_JOB and jobs is not None:
        return f"waits for one of {format_count(jobs.cap, 'job')}"
    phase = build.phase or "starting"
    slow = format_slowdown(build, now)
    return f"{phase}, {slow}" if slow else phase


def format_slowdown(build: BuildState, now: float) -> str:
    """Return how much longer than usual a build takes: ``2.5x its usual time``; or nothing."""
    times = slowdown(build, now)
    return "" if times is None else f"{times:.1f}x its usual time"


def _memory(build: BuildState) -> str:
    if not build.needs:
        return build.waiting_on
    return f"needs {format_size(build.needs)}, {format_size(build.free)} free"


def _dependencies(build: BuildState, state: RunState) -> str:
    builds = (state.builds.get(name) for name in build.waiting_builds)
    titles = [f"{build_title(one)} ({status_word(one)})" for one in builds if one is not None]
    return ", ".join(titles) or build.waiting_on


def _download(build: BuildState, state: RunState) -> str:
    for (owner, file), download in state.downloads.items():
        if owner == build.id:
            # The number comes first: a long file name is cut off.
            if download.total:
                percent = 100 * download.bytes // download.total
                return f"{percent} % of {format_size(download.total)}  {file}"
            return f"{format_size(download.bytes)}  {file}"
    for owner, wheel in state.installs:
        if owner == build.id:
            return f"unpacking {wheel}"
    limit = state.limits.get(LimitName.DOWNLOADS)
    if build.phase is Phase.FETCH and limit is not None and len(state.downloads) >= limit.cap > 0:
        before = format_count(len(state.downloads), "download")
        return f"{before} before it  {build.waiting_on}"
    return build.waiting_on


def _queue_detail(build: BuildState, state: RunState, queue_position: str) -> str:
    limit = state.limits.get(LimitName.BUILDS)
    if limit is not None and limit.cap == 0:
        return "paused"
    return queue_position or ("to continue" if build.started_at is not None else "")


def build_row(build: BuildState, state: RunState, now: float, queue_position: str = "") -> Row:
    """Return the cells of a build's row; the arguments are those of `describe`."""
    text = describe(build, state, now, queue_position)
    if text.kind == "failed":
        text = replace(text, detail=_failure_detail(build))
    elif build.waiting_for is WaitFor.LOCK and text.kind == "waiting":
        # How long it waits is a cell of its own.
        text = replace(text, detail=format_holder(build.holder))
    return Row(
        kind=text.kind,
        name=build.label,
        word=text.word,
        detail=text.detail,
        time=_time(build, now),
        memory=format_size(build.rss) if build.rss else "-",
        peak=format_size(build.peak) if build.peak else "",
        last=_last_cell(build),
        part=_eighths(build, now) if text.kind == "building" else None,
    )


def _eighths(build: BuildState, now: float) -> int | None:
    fraction = build_fraction(build, now)
    return None if fraction is None else int(fraction * EIGHTHS)


def _failure_detail(build: BuildState) -> str:
    purpose = "" if build.purpose == "wheel" else build.purpose
    return " · ".join(filter(None, (purpose, short_cause(build))))


def _time(build: BuildState, now: float) -> str:
    match build.status:
        case Status.DONE:
            return format_duration(build.seconds) if build.seconds else ""
        case Status.BUILDING:
            worked = format_clock(working_seconds(build, now))
            return f"{worked} / {format_clock(build.expected)}" if build.expected else worked
        case Status.WAITING:
            return format_clock(now - build.since)
        case Status.QUEUED:
            return "" if build.started_at is None else format_clock(now - build.since)


def _last_cell(build: BuildState) -> str:
    """Return the last line of output while a build runs, later its wheel or the fix."""
    if build.wheel:
        return build.wheel.rpartition("/")[2]
    if build.status is Status.DONE:
        return build.hint or (f"log {build.log}" if build.lines else "")
    if build.waiting_for is WaitFor.LOCK:
        return build.waiting_on
    # The build waits: its last line of output is of an earlier step.
    return "" if build.phase is Phase.AWAIT_JOB else build.last


def format_counts(numbers: Mapping[BuildKind, int]) -> str:
    """Return the number of builds of each kind: ``18 built · 1 failed · 3 building · 9 queued``."""
    shown: Sequence[BuildKind] = (
        "built", "cached", "fetched", "failed", "skipped", "cancelled",
        "building", "waiting", "queued",
    )  # fmt: skip
    parts = (f"{numbers[kind]} {kind}" for kind in shown if numbers.get(kind))
    return " · ".join(parts) or "nothing yet"


def format_done(numbers: Mapping[BuildKind, int]) -> str:
    """Return how many builds have ended, and how many of them failed: ``8/22 · 1 failed``."""
    left = sum(numbers.get(kind, 0) for kind in ("building", "waiting", "queued"))
    whole = sum(numbers.values()) - numbers.get("retried", 0)
    failed = numbers.get("failed", 0)
    return f"{whole - left}/{whole}" + (f" · {failed} failed" if failed else "")
