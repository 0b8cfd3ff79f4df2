"""A run as JUnit XML for CI systems: one suite, one case for each build.

It follows the schema of Jenkins' xUnit plugin, as Surefire's reports do: the earlier attempts of a
retried build are flaky or repeated failures of one case. Nested builds are in the class
``wheelpool.nested``. XML 1.0 has no control characters, so they are dropped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from app.format import format_clock, format_size
from app.text.failure import log_name, short_cause
from app.text.rows import build_title
from pool import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pool
    from app.runs.record import RunRecord

__all__ = ["render_junit"]

_EXTRACT, _OUTPUT, _SHORT_OUTPUT = 40, 200, 10
"""The number of lines of a failure's extract, of its output, and of the output of other builds."""
_SECONDS = len("2026-11-21T03:12:05")
"""Readers accept different suffixes, so there is none."""
_INVALID = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 excludes, even escaped (section 2.2)."""


def render_junit(record: RunRecord) -> str:
    """Return the document."""
    cases = [_case(record, build) for build in record.state.builds.values() if _is_case(build)]
    cases += _run_cases(record)
    suite = _element(
        "testsuite",
        name="wheelpool",
        tests=str(len(cases)),
        failures=str(_count(cases, "failure")),
        errors=str(_count(cases, "error")),
        skipped=str(_count(cases, "skipped")),
        time=_seconds(record.end),
        timestamp=record.header.started[:_SECONDS],
        id=record.header.run,
    )
    suite.append(_properties(record))
    suite.extend(cases)
    suites = _element("testsuites", name="wheelpool", time=_seconds(record.end))
    suites.append(suite)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, "unicode") + "\n"


def _is_case(build: pool.BuildState) -> bool:
    """Return whether a build has a case: earlier attempts and most metadata have none."""
    counts = build.purpose != "metadata" or build.outcome is Outcome.FAILED
    return counts and build.superseded_by is None


def _properties(record: RunRecord) -> ET.Element:
    header = record.header
    facts = {
        "wheelpool": header.wheelpool,
        "python": header.python,
        "command": " ".join(header.argv),
        "processors": str(header.host.cpus),
        "memory": str(header.host.memory),
        "peak": str(record.peak),
    }
    if not record.finished:
        facts["unfinished"] = "the log ends before the run finished"
    properties = ET.Element("properties")
    properties.extend(_element("property", name=key, value=facts[key]) for key in facts)
    return properties


def _case(record: RunRecord, build: pool.BuildState) -> ET.Element:
    nested = "wheelpool.nested" if build.needed_by else "wheelpool"
    case = _element(
        "testcase",
        name=build_title(build),
        classname=nested,
        time=_seconds(_duration(record, build)),
    )
    case.extend(_results(record, build))
    good = build.outcome is not None and build.outcome.is_success
    for earlier in record.earlier_attempts(build):
        case.append(_earlier(record, earlier, "flakyFailure" if good else "rerunFailure"))
    shown = _OUTPUT if build.outcome is Outcome.FAILED else _SHORT_OUTPUT
    if output := "\n".join([*_facts(record, build), *record.tail(build, shown)]):
        case.append(_element("system-out", output))
    return case


def _duration(record: RunRecord, build: pool.BuildState) -> float:
    if build.status is Status.DONE or build.started_at is None:
        return build.seconds
    return record.state.now - build.started_at


def _results(record: RunRecord, build: pool.BuildState) -> Iterator[ET.Element]:
    """Yield the result elements; none for a successful build."""
    match build.outcome:
        case None:
            yield _element("error", type="unfinished", message=_unfinished(record, build))
        case Outcome.FAILED:
            fix = [f"fix: {build.hint}"] if build.hint else []
            log = [f"log: {name}"] if (name := log_name(build, record.state)) else []
            text = "\n".join([build.message, *fix, *log, "", *_extract(record, build)])
            yield _element("failure", text, type=build.reference, message=short_cause(build))
        case Outcome.SKIPPED | Outcome.CANCELLED:
            message = ": ".join(filter(None, (build.outcome, build.message)))
            yield _element("skipped", type=build.outcome, message=message)
        case _:
            return


def _unfinished(record: RunRecord, build: pool.BuildState) -> str:
    doing = build.phase or build.waiting_for or build.status
    return f"unfinished: the log ends after {format_clock(record.state.now)}, in {doing}"


def _earlier(record: RunRecord, build: pool.BuildState, tag: str) -> ET.Element:
    element = _element(tag, type=build.reference or "failed", message=build.message)
    element.append(_element("stackTrace", "\n".join(_extract(record, build))))
    return element


def _extract(record: RunRecord, build: pool.BuildState) -> list[str]:
    lines = record.extract(build, _EXTRACT)
    return [*lines, *([f"rerun: {build.rerun}"] if build.rerun else [])]


def _facts(record: RunRecord, build: pool.BuildState) -> Iterator[str]:
    """Yield lines about a build that come before its output."""
    if build.outcome is not None and build.outcome.is_success:
        yield f"{build.outcome}: {build.wheel or build.target}"
    if build.needed_by:
        needed = (record.state.builds[one] for one in build.needed_by)
        yield f"needed by {', '.join(build_title(one) for one in needed)}"
    if build.peak:
        yield f"peak {format_size(build.peak)}"
    yield from build.notes


def _run_cases(record: RunRecord) -> Iterator[ET.Element]:
    """Yield the cases of version resolution and installation."""
    resolve, environment = record.state.resolve, record.state.environment
    if resolve is not None and (resolve.finished_at is not None or not record.finished):
        until = record.state.now if resolve.finished_at is None else resolve.finished_at
        yield _step("resolve", until - resolve.since, resolve.message, resolve.hint)
    if environment is not None and (environment.changes or environment.message):
        yield _step(f"install into {environment.path}", 0.0, environment.message, environment.hint)


def _step(name: str, seconds: float, message: str, hint: str) -> ET.Element:
    case = _element("testcase", name=name, classname="wheelpool.run", time=_seconds(seconds))
    if message:
        case.append(_element("error", hint, type=name.split(maxsplit=1)[0], message=message))
    return case


def _count(cases: list[ET.Element], tag: str) -> int:
    return sum(case.find(tag) is not None for case in cases)


def _seconds(seconds: float) -> str:
    return f"{max(seconds, 0.0):.3f}"


def _element(tag: str, text: str = "", /, **attributes: str) -> ET.Element:
    cleaned = {key: _INVALID.sub("", value) for key, value in attributes.items()}
    element = ET.Element(tag, cleaned)
    element.text = _INVALID.sub("", text) or None
    return element
