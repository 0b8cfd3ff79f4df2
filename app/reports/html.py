"""A run as one HTML page without network access and scripts, for phones and dark mode, too.

Outcomes first, then the timeline, failures with their reasons, all builds, timings, and changed
limits. The size is bounded for runs of any length; omitted rows are counted.
"""

from __future__ import annotations

from collections import Counter
from heapq import nlargest
from pathlib import Path
from typing import TYPE_CHECKING

import pool
from app.format import format_clock, format_count, format_duration, format_size
from app.reports.markup import document, element, shorten, table
from app.reports.timeline_svg import draw_swatch, draw_timeline
from app.reports.timings_html import timings_section
from app.text.failure import log_name
from app.text.rows import build_title, describe
from app.text.run_status import split_message
from app.text.spans import SPAN_NAMES, landmark_text
from app.text.summary import format_outcomes, summary_lines
from pool import Outcome, Phase, WaitFor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from xml.etree import ElementTree as ET

    from app.model.timeline import SpanKind
    from app.runs.record import RunRecord

__all__ = ["render_html"]

_STYLE = Path(__file__).with_name("html.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""A second line of defence behind the escaping: nothing on the page is run or fetched."""

_SLOTS, _PICTURED = 64, 60
"""The maximum number of rows of the chart of slots, and of that of builds."""
_LISTED, _WITH_EXTRACT, _CHANGES = 1000, 50, 200
"""The maximum number of rows of tables, of extracts of logs, and of changed limits."""
_EXTRACT = 40
"""Lines of a failed build's log."""
_SHORTEST_WAIT = 0.05
"""Seconds; shorter waits are left out."""
_LEGEND: tuple[tuple[SpanKind, str], ...] = (
    (Phase.BUILD, "build"),
    (Phase.ENVIRONMENT, "environment"),
    (Phase.GET_REQUIRES, "hooks before it"),
    (Phase.CHECK, "check"),
    ("work", "between phases"),
    (Phase.AWAIT_JOB, "wait for a job"),
    (WaitFor.DOWNLOAD, "download"),
    (WaitFor.SLOT, "queued"),
    (WaitFor.LOCK, "lock"),
    (WaitFor.MEMORY, "memory"),
    (WaitFor.DEPENDENCY, "another build"),
    (WaitFor.PAUSED, "paused"),
)


def render_html(record: RunRecord) -> str:
    """Return the page."""
    headline = _headline(record)
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"wheelpool: {headline}"),
    )
    style = element("style")
    # The style sheet is the only text that is not escaped.
    style.text = _STYLE.read_text("utf-8")
    head.append(style)
    main = element("main", *_top(record, headline), *_timeline(record), *_failures(record))
    main.extend([*_builds(record), *timings_section(record), *_changes(record), *_about(record)])
    return document(element("html", head, element("body", main), lang="en"))


# Outcomes


def _headline(record: RunRecord) -> str:
    outcomes = format_outcomes(record.requested)
    how = "" if record.finished else ", unfinished"
    return f"{outcomes} in {format_duration(record.end)}{how}"


def _top(record: RunRecord, headline: str) -> Iterator[ET.Element]:
    bad = record.failed or record.state.exit_code or not record.finished
    yield element("h1", headline, class_="bad" if bad else "good")
    header = record.header
    yield element("p", f"{header.started[:19].replace('T', ' ')} UTC", class_="aside")
    yield element("p", element("code", shorten(" ".join(header.argv))))
    if not record.finished:
        left = sum(build.outcome is None for build in record.requested)
        unfinished = f"{format_count(left, 'build')} unfinished"
        text = f"The log ends here, before the run finished: {unfinished}."
        yield element("p", text, class_="warning")
    # The first line of the summary is the headline.
    for line in [*summary_lines(record.state, record.peak)][1:]:
        yield element("p", shorten(line.text), class_="warning" if line.word == "failed" else "")
    figures = (
        element("div", element("dt", name), element("dd", value))
        for name, value in _figures(record)
    )
    yield element("dl", *figures, class_="figures")


def _figures(record: RunRecord) -> Iterator[tuple[str, str]]:
    state = record.state
    yield "took", format_duration(record.end)
    yield "builds", f"{len(state.builds):,}"
    if failed := len(record.failed):
        yield "failed", f"{failed:,}"
    if record.peak:
        yield "peak memory", format_size(record.peak)
    yield "most at once", str(record.timeline.series["running"].peak)
    worked = sum(build.seconds for build in state.builds.values())
    yield "total work", format_duration(worked)
    waited: Counter[SpanKind] = Counter()
    for build in record.timeline.builds:
        waited.update(_waits(record, build))
    for kind, seconds in waited.most_common():
        if kind not in (WaitFor.SLOT, WaitFor.DOWNLOAD) and seconds >= 1:
            yield SPAN_NAMES[kind], format_duration(seconds)
    if state.traffic.bytes:
        yield "downloaded", format_size(state.traffic.bytes)


def _waits(record: RunRecord, build: pool.BuildId) -> dict[SpanKind, float]:
    """Return the seconds that a build waited, for each reason."""
    waits: dict[SpanKind, float] = {}
    for span in record.timeline.builds[build]:
        if isinstance(span.kind, WaitFor) or span.kind in (Phase.AWAIT_JOB, Phase.FETCH):
            # The wait for a download and its fetch phase are one reason.
            kind = WaitFor.DOWNLOAD if span.kind == Phase.FETCH else span.kind
            waits[kind] = waits.get(kind, 0.0) + span.end(record.state.now) - span.since
    return waits


# The timeline


def _timeline(record: RunRecord) -> Iterator[ET.Element]:
    if not record.timeline.builds and not record.timeline.run_spans:
        return
    yield element("h2", "Timeline")
    yield _figure(draw_timeline(record, by_build=False, most=_SLOTS))
    by_build = _figure(draw_timeline(record, by_build=True, most=_PICTURED))
    hidden = len(record.timeline.builds) - _PICTURED
    which = f": the {_PICTURED} longest of {len(record.timeline.builds):,}" if hidden > 0 else ""
    yield element("details", element("summary", f"By build, with waits{which}"), by_build)
    legend = element("ul", class_="legend")
    legend.extend(element("li", draw_swatch(kind), f" {word}") for kind, word in _LEGEND)
    yield legend


def _figure(svg: ET.Element) -> ET.Element:
    hint = element("figcaption", "The chart is wider than this screen: scroll it sideways.")
    # With the focus, keys scroll it.
    return element("figure", hint, svg, tabindex="0")


# Failures


def _failures(record: RunRecord) -> Iterator[ET.Element]:
    resolve, environment = record.state.resolve, record.state.environment
    parts = [
        _failure(what, state.message, state.hint)
        for what, state in (("no versions", resolve), ("not installed", environment))
        if state is not None and state.message
    ]
    failed = record.failed
    for number, build in enumerate(failed[:_LISTED]):
        title = ": ".join(filter(None, (build_title(build), build.cause)))
        part = _failure(title, build.message, build.hint)
        part.extend(_details(record, build, extract=number < _WITH_EXTRACT))
        parts.append(part)
    if parts:
        yield element("h2", "Failed")
        yield from parts
    if len(failed) > _LISTED:
        yield _more(len(failed) - _LISTED, "failed build")


def _failure(what: str, message: str, hint: str) -> ET.Element:
    part = element("section", element("h3", shorten(what)), class_="failure")
    part.extend(element("p", shorten(one)) for one in split_message(message))
    if hint:
        part.append(element("p", "Fix: ", hint, class_="hint"))
    return part


def _details(record: RunRecord, build: pool.BuildState, *, extract: bool) -> Iterator[ET.Element]:
    if extract:
        why, end = record.extract(build, _EXTRACT), record.tail(build, _EXTRACT)
        if why and why != end[-len(why) :]:
            yield _log("why, from its log", why, open="open")
            yield _log("the end of its log", end)
        elif end:
            yield _log("the end of its log", end, open="open")
    if name := log_name(build, record.state):
        yield element("p", "Log: ", element("code", name))
    if build.rerun:
        yield element("p", "Rerun: ", element("code", build.rerun))


def _log(what: str, lines: Sequence[str], **attributes: str) -> ET.Element:
    text = "\n".join(map(shorten, lines))
    return element(
        "details", element("summary", what), element("pre", text, tabindex="0"), **attributes
    )


# Tables


def _builds(record: RunRecord) -> Iterator[ET.Element]:
    every = list(record.state.builds.values())
    if not every:
        return
    shown = nlargest(_LISTED, every, key=_weight)
    yield element("h2", "Builds")
    head = ("build", "state", "time", "waited", "peak", "most of it in")
    yield table(head, (_build(record, build) for build in shown), number=(2, 4))
    if len(every) > len(shown):
        yield _more(len(every) - len(shown), "build")


def _weight(build: pool.BuildState) -> tuple[bool, bool, float]:
    """Return a key for failures, then other unsuccessful builds, then the longest builds."""
    good = build.outcome is not None and build.outcome.is_success
    return build.outcome is Outcome.FAILED and build.superseded_by is None, not good, build.seconds


def _build(record: RunRecord, build: pool.BuildState) -> tuple[str, ...]:
    state = record.state
    waits = {k: s for k, s in _waits(record, build.id).items() if s >= _SHORTEST_WAIT}
    longest = max(waits, key=lambda kind: waits[kind], default=None)
    phase = max(build.phases, key=lambda one: build.phases[one], default=None)
    unfinished = "" if build.outcome is not None else "unfinished: "
    return (
        build_title(build),
        unfinished + describe(build, state, state.now).word,
        format_duration(build.seconds) if build.seconds else "",
        f"{format_duration(sum(waits.values()))} ({dict(_LEGEND)[longest]})" if longest else "",
        format_size(build.peak) if build.peak else "",
        f"{SPAN_NAMES[phase]}, {format_duration(build.phases[phase])}" if phase else "",
    )


def _changes(record: RunRecord) -> Iterator[ET.Element]:
    marks = [mark for mark in record.timeline.landmarks if mark.kind == "cap"]
    if not marks:
        return
    yield element("h2", "Changed limits")
    yield table(
        ("at", "what"),
        (
            (format_clock(mark.t), landmark_text(mark, record.state.builds))
            for mark in marks[:_CHANGES]
        ),
    )
    if len(marks) > _CHANGES:
        yield _more(len(marks) - _CHANGES, "change")


def _about(record: RunRecord) -> Iterator[ET.Element]:
    header = record.header
    cpus, memory = format_count(header.host.cpus, "processor"), format_size(header.host.memory)
    machine = f"{cpus}, {memory} of memory"
    text = f"wheelpool {header.wheelpool}, Python {header.python}, {machine}, run {header.run}"
    yield element("footer", text)


def _more(left: int, noun: str) -> ET.Element:
    return element("p", f"and {format_count(left, f'more {noun}')}", class_="aside")
