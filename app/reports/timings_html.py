"""The timings of a run on the HTML page: activities, the critical path, and builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.reports.markup import element, table
from app.text.rows import build_title
from app.text.timings import (
    activity_rows,
    format_build,
    format_seconds,
    path_rows,
    select_builds,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree import ElementTree as ET

    from app.model.timings.timings import Timings
    from app.runs.record import RunRecord

__all__ = ["timings_section"]

_STEPS, _BUILDS = 60, 200
"""The maximum number of steps of the critical path, and of builds."""


def timings_section(record: RunRecord) -> Iterator[ET.Element]:
    """Yield the parts of the page; none for a run that did nothing."""
    if not record.timeline.builds and not record.timeline.run_spans:
        return
    timings = record.timings
    yield element("h2", "Timings")
    yield table(("activity", "run", "share", "all builds"), activity_rows(timings), (1, 2, 3))
    yield element("p", _explanation(timings), class_="aside")
    yield element("h3", "Critical path")
    yield element("p", "From the start to the end: what the run waited for.", class_="aside")
    yield table(
        ("at", "took", "build", "in"),
        (
            (row.at, format_seconds(row.seconds), row.name, row.detail)
            for row in path_rows(timings, record.state.builds, _STEPS)
        ),
        (0, 1),
    )
    yield from _builds(record, timings)


def _explanation(timings: Timings) -> str:
    start = f", {format_seconds(-timings.since)} of it before its journal" if timings.since else ""
    return (
        f"The run took {format_seconds(timings.seconds)}{start}. Each moment of it counts once, for"
        " the first activity of this order: hooks, check, environment, install, unpack, download,"
        " resolve, read source, waits. All builds: the sum over the builds."
    )


def _builds(record: RunRecord, timings: Timings) -> Iterator[ET.Element]:
    longest = select_builds(timings, _BUILDS)
    if not longest:
        return
    rows = (
        (build_title(record.state.builds[one.id]), format_seconds(one.working), *format_build(one))
        for one in longest
    )
    builds = table(("build", "worked", "in", "waited"), rows, (1,))
    shown = f"Time of each build: the {len(longest)} longest"
    yield element("details", element("summary", shown), builds)
