"""A run as a Markdown page, for the job summary of a CI system.

Outcomes first, then failures with their reasons, then time, memory and timings. The size is
bounded: a page of any run fits into GitHub's limit of 1 MiB. Names and messages are escaped, so
they cannot change the layout.
"""

from __future__ import annotations

import re
from heapq import nlargest
from operator import itemgetter
from typing import TYPE_CHECKING

from app.format import format_count, format_duration, format_size
from app.runs.build_log import RULE
from app.text.failure import log_name, short_cause
from app.text.rows import build_title
from app.text.spans import SPAN_NAMES, span_detail
from app.text.summary import format_outcomes, summary_lines
from app.text.timings import activity_rows, format_seconds, path_rows
from pool import Outcome, WaitFor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pool
    from app.model.timeline import Span, SpanKind
    from app.runs.record import RunRecord

__all__ = ["render_markdown"]

_LISTED, _WITH_EXTRACT, _SLOWEST, _WHEELS = 100, 20, 10, 200
"""The maximum number of failures, of extracts of logs, and of rows of other tables."""
_EXTRACT = 30
"""Lines of a failed build's log."""
_LONGEST = 300
"""Characters of foreign text in a cell."""
_LONGEST_COMMAND = 2000
_SPECIAL = re.compile(r"([\\`*\[\]<>|~$&#]|(?<!\w)_|_(?!\w))")
_SHORTEST_WAIT = 0.05
"""Seconds; shorter waits are left out."""


def render_markdown(record: RunRecord) -> str:
    """Return the page."""
    parts = [
        _head(record),
        _unfinished(record),
        _failures(record),
        _slowest(record),
        _largest(record),
        _waits(record),
        _timings(record),
        _wheels(record),
    ]
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(record: RunRecord) -> Iterator[str]:
    state = record.state
    builds = record.requested
    outcomes = format_outcomes(builds, reversed(Outcome))
    how = "" if record.finished else ", unfinished"
    yield f"## wheelpool: {outcomes} in {format_duration(record.end)}{how}"
    yield ""
    if not record.finished:
        left = sum(build.outcome is None for build in builds)
        unfinished = format_count(left, "build")
        yield f"- **the log ends here, before the run finished: {unfinished} unfinished**"
    # The first line of the summary is the headline.
    yield from (f"- {_escaped(line.text)}" for line in [*summary_lines(state, record.peak)][1:])
    if record.peak:
        yield f"- peak of all builds together: {format_size(record.peak)}"
    caps = (f"{name} {_cap(name, limit.cap)}" for name, limit in state.limits.items())
    yield f"- limits at the end: {', '.join(caps)}" if state.limits else "- unknown limits"
    yield f"- Python {_escaped(record.header.python)}, {_code(' '.join(record.header.argv))}"
    yield ""


def _cap(name: pool.LimitName, cap: int) -> str:
    if name != "memory":
        return str(cap) if cap else "paused"
    return format_size(cap) if cap else "off"


def _unfinished(record: RunRecord) -> Iterator[str]:
    """Yield the table of builds that were unfinished at the end of the journal."""
    builds = [build for build in record.state.builds.values() if build.outcome is None]
    if record.finished or not builds:
        return
    spans = ((build, record.timeline.builds[build.id][-1]) for build in builds[:_LISTED])
    rows = (
        (
            build_title(build),
            SPAN_NAMES[span.kind],
            format_duration(record.state.now - span.since),
            _last(build, span),
        )
        for build, span in spans
    )
    yield from ("### Unfinished", "")
    yield from _table(("build", "in", "since", "last"), rows)
    yield from _more(len(builds) - _LISTED, "build")


def _last(build: pool.BuildState, span: Span) -> str:
    return span_detail(span) or build.last


def _failures(record: RunRecord) -> Iterator[str]:
    failed = record.failed
    if not failed:
        return
    yield from ("### Failed", "")
    rows = (
        (build_title(one), short_cause(one), one.hint, _time(one.seconds), one.origin)
        for one in failed[:_LISTED]
    )
    yield from _table(("build", "cause", "fix", "time", "requested in"), rows)
    yield from _more(len(failed) - _LISTED, "failed build")
    for build in failed[:_WITH_EXTRACT]:
        yield from _extract(record, build)


def _extract(record: RunRecord, build: pool.BuildState) -> Iterator[str]:
    lines, end = record.extract(build, _EXTRACT), record.tail(build, _EXTRACT)
    if not end:
        return
    if lines and lines != end[-len(lines) :]:
        lines += ["", f"{RULE} the end of the log {RULE}"]
        lines += end
    else:
        lines = end
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", "\n".join(lines))), default=0))
    yield f"<details><summary>{_escaped(build_title(build))}: from its log</summary>"
    yield from ("", f"{fence}text", *lines, fence)
    if name := log_name(build, record.state):
        yield from ("", f"Log: {_code(name)}")
    if build.rerun:
        yield from ("", f"Rerun: {_code(build.rerun)}")
    yield from ("", "</details>", "")


def _slowest(record: RunRecord) -> Iterator[str]:
    builds = sorted(record.requested, key=lambda one: one.seconds, reverse=True)
    rows = [_slow(build) for build in builds[:_SLOWEST] if build.seconds]
    if rows:
        yield from ("### Slowest", "")
        yield from _table(("build", "time", "most of it in", "outcome"), rows)


def _slow(build: pool.BuildState) -> tuple[str, str, str, str]:
    phase = max(build.phases, key=lambda one: build.phases[one], default=None)
    most = f"{phase}, {format_duration(build.phases[phase])}" if phase else ""
    return build_title(build), format_duration(build.seconds), most, build.outcome or "unfinished"


def _largest(record: RunRecord) -> Iterator[str]:
    builds = sorted(record.state.builds.values(), key=lambda one: one.peak, reverse=True)
    rows = [
        (
            build_title(one),
            format_size(one.peak),
            format_size(one.expected_peak) if one.expected_peak else "",
        )
        for one in builds[:_SLOWEST]
        if one.peak
    ]
    if rows:
        yield from ("### Most memory", "")
        yield from _table(("build", "peak", "in earlier runs"), rows)


def _waits(record: RunRecord) -> Iterator[str]:
    waits = [
        (span.end(record.state.now) - span.since, span)
        for spans in [*record.timeline.builds.values(), record.timeline.run_spans]
        for span in spans
        if isinstance(span.kind, WaitFor)
    ]
    waits = [(seconds, span) for seconds, span in waits if seconds >= _SHORTEST_WAIT]
    if not waits:
        return
    total: dict[SpanKind, float] = {}
    for seconds, span in waits:
        total[span.kind] = total.get(span.kind, 0.0) + seconds
    most = sorted(total, key=lambda kind: total[kind], reverse=True)
    totals = ", ".join(f"{SPAN_NAMES[kind]} {format_duration(total[kind])}" for kind in most)
    yield from ("### Waited", "", f"Of all builds together: {totals}.", "")
    # Every build waits for a slot; the other reasons are worth listing.
    telling = (wait for wait in waits if wait[1].kind is not WaitFor.SLOT)
    longest = nlargest(_SLOWEST, telling, key=itemgetter(0))
    rows = (
        (_subject(span, record), SPAN_NAMES[span.kind], format_duration(s), span_detail(span))
        for s, span in longest
    )
    yield from _table(("build", "what", "how long", "on"), rows)


def _subject(span: Span, record: RunRecord) -> str:
    return "the environment" if span.build is None else build_title(record.state.builds[span.build])


def _timings(record: RunRecord) -> Iterator[str]:
    if not record.timeline.builds and not record.timeline.run_spans:
        return
    timings = record.timings
    yield from ("### Timings", "")
    yield from _table(("activity", "run", "share", "all builds"), activity_rows(timings))
    rows = path_rows(timings, record.state.builds, _SLOWEST)
    yield from ("Critical path:", "")
    yield from _table(
        ("at", "took", "build", "in"),
        ((row.at, format_seconds(row.seconds), row.name, row.detail) for row in rows),
    )


def _wheels(record: RunRecord) -> Iterator[str]:
    made = [one for one in record.requested if one.wheel and one.outcome and one.outcome.is_success]
    if not made:
        return
    yield f"<details><summary>{format_count(len(made), 'wheel')}</summary>"
    yield ""
    rows = (
        (
            one.wheel.rpartition("/")[2],
            format_size(one.wheel_bytes or 0),
            one.outcome,
            one.sha256 or "",
        )
        for one in made[:_WHEELS]
        if one.wheel and one.outcome
    )
    yield from _table(("wheel", "size", "how", "sha256"), rows)
    yield from _more(len(made) - _WHEELS, "wheel")
    yield from ("</details>", "")


def _time(seconds: float) -> str:
    return format_duration(seconds) if seconds else ""


def _more(left: int, noun: str) -> Iterator[str]:
    if left > 0:
        yield from (f"and {format_count(left, f'more {noun}')}", "")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_escaped, row))} |"
    yield ""


def _escaped(text: str) -> str:
    """Return text as one line of Markdown that shows it literally."""
    line = " ".join(text.split())
    cut = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
    return _SPECIAL.sub(r"\\\1", cut)


def _code(text: str) -> str:
    """Return a command as code, whatever quotes are in it."""
    line = " ".join(text.split())[:_LONGEST_COMMAND]
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"
