"""The timings of a run in words: lines for the summary, names and parts for reports.

Pure. `app.model.timings` has the numbers.
"""

from __future__ import annotations

from heapq import nlargest
from typing import TYPE_CHECKING

from app.format import format_clock, format_count, format_duration
from app.model.timings.activity import Activity
from app.text.lines import Line
from app.text.rows import build_title
from app.text.spans import cause_detail
from pool import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pool
    from app.model.timings.timings import BuildTimings, PathStep, Timings

__all__ = [
    "ACTIVITY_NAMES",
    "PathRow",
    "activity_rows",
    "format_activities",
    "format_build",
    "format_seconds",
    "path_rows",
    "select_builds",
    "timings_lines",
]

ACTIVITY_NAMES: Mapping[Activity, str] = {
    Activity.HOOKS: "hooks",
    Activity.CHECK: "check",
    Activity.ENVIRONMENT: "environment",
    Activity.INSTALL: "install",
    Activity.UNPACK: "unpack",
    Activity.DOWNLOAD: "download",
    Activity.RESOLVE: "resolve",
    Activity.PREPARE: "read source",
    Activity.LOCK: "wait for a lock",
    Activity.MEMORY: "wait for memory",
    Activity.JOB: "wait for a job",
    Activity.DEPENDENCY: "wait for another build",
    Activity.SLOT: "queued",
    Activity.PAUSED: "paused",
    Activity.START: "start",
    Activity.FINISH: "finish",
    Activity.OTHER: "other",
}
"""The name of each activity."""

_STEPS, _BUILDS = 20, 10
"""The maximum number of rows of the critical path, and of builds, in lines."""
_SHORT_SHARE = 0.005
"""Steps of the critical path below this share of the run are summed up."""
_SHORTEST, _SMALL_SHARE = 0.005, 0.01
"""Activities of a build that took fewer seconds, or less than this share of it, are left out."""
_LONGEST_NAME = 32


class PathRow(Record, frozen=True, kw_only=True):
    """One row of the critical path: a step, or several short ones together."""

    at: str
    """When it begins, as on the timeline."""
    seconds: float
    name: str
    """The build; empty for the run itself."""
    detail: str
    """Its activities, the longest first."""


def timings_lines(timings: Timings, builds: Mapping[pool.BuildId, pool.BuildState]) -> list[Line]:
    """Return the timings as lines: activities, the critical path, the longest builds.

    Args:
        timings: of the run.
        builds: the builds of the run.
    """
    return [
        Line(text=""),
        Line(
            word="timings",
            text=f"timings   {format_duration(timings.seconds, fine=True)} from start to end",
        ),
        *_activity_lines(timings),
        *_path_lines(path_rows(timings, builds, _STEPS)),
        *_build_lines(select_builds(timings, _BUILDS), builds),
    ]


def _list_activities(timings: Timings) -> list[tuple[Activity, float, float]]:
    """Return each activity with its seconds of the run and of all builds, the longest first."""
    rows = [
        (one, timings.wall.get(one, 0.0), timings.busy.get(one, 0.0))
        for one in Activity
        if one in timings.wall or one in timings.busy
    ]
    shown = (row for row in rows if max(row[1:]) >= _SHORTEST)
    return sorted(shown, key=lambda row: row[1:], reverse=True)


def _format_share(seconds: float, whole: float) -> str:
    """Return a part of the run: ``12 %``."""
    return f"{100 * seconds / whole:.0f} %" if whole > 0 else ""


def format_activities(activities: Mapping[Activity, float]) -> str:
    """Return activities in words, the longest first: ``hooks 0.52 s, environment 0.19 s``.

    Activities that hardly count are left out.
    """
    parts = sorted(activities.items(), key=lambda part: part[1], reverse=True)
    least = max(_SHORTEST, _SMALL_SHARE * sum(activities.values()))
    shown = [part for part in parts if part[1] >= least] or parts[:1]
    return ", ".join(f"{ACTIVITY_NAMES[one]} {format_seconds(s)}" for one, s in shown)


def format_build(build: BuildTimings) -> tuple[str, str]:
    """Return what a build did, and what it waited for; may be empty."""
    work, waits = (
        {one: seconds for one, seconds in build.activities.items() if one.is_wait is waiting}
        for waiting in (False, True)
    )
    return format_activities(work), format_activities(waits)


def format_seconds(seconds: float) -> str:
    """Return a duration, with two decimals below 10 s."""
    return format_duration(seconds, fine=True)


def path_rows(
    timings: Timings, builds: Mapping[pool.BuildId, pool.BuildState], most: int
) -> list[PathRow]:
    """Return the critical path in order; steps that hardly count are summed up.

    Args:
        timings: of the run.
        builds: the builds of the run.
        most: the maximum number of steps with a row of their own.
    """
    least = _SHORT_SHARE * timings.seconds
    longest = {id(step) for step in nlargest(most, timings.path, key=lambda one: one.seconds)}
    rows: list[PathRow] = []
    short: list[PathStep] = []
    for step in timings.path:
        if step.seconds < least or id(step) not in longest:
            short.append(step)
            continue
        rows += [*_short_rows(short, builds), _path_row(step, builds)]
        short = []
    return [*rows, *_short_rows(short, builds)]


def _path_row(step: PathStep, builds: Mapping[pool.BuildId, pool.BuildState]) -> PathRow:
    detail = format_activities(step.activities)
    cause = cause_detail(step.cause) if step.cause is not None else ""
    return PathRow(
        at=format_clock(step.since),
        seconds=step.seconds,
        name=build_title(builds[step.build]) if step.build is not None else "",
        detail=f"{detail} ({cause})" if cause else detail,
    )


def _short_rows(
    steps: Sequence[PathStep], builds: Mapping[pool.BuildId, pool.BuildState]
) -> Iterator[PathRow]:
    if len(steps) == 1:
        yield _path_row(steps[0], builds)
    elif steps:
        yield PathRow(
            at=format_clock(steps[0].since),
            seconds=sum(step.seconds for step in steps),
            name="",
            detail=format_count(len(steps), "short step"),
        )


def select_builds(timings: Timings, most: int) -> list[BuildTimings]:
    """Return the builds that worked longest, the longest first."""
    worked = (build for build in timings.builds if build.working >= _SHORTEST)
    return nlargest(most, worked, key=lambda build: build.working)


def activity_rows(timings: Timings) -> list[tuple[str, str, str, str]]:
    """Return each activity with its time of the run, its share, and its time of all builds."""
    return [
        (
            ACTIVITY_NAMES[one],
            format_seconds(wall) if wall else "-",
            _format_share(wall, timings.seconds) if wall else "",
            format_seconds(busy) if busy else "-",
        )
        for one, wall, busy in _list_activities(timings)
    ]


def _activity_lines(timings: Timings) -> Iterator[Line]:
    yield from _table([("", "run", "", "all builds"), *activity_rows(timings)], left=(0,))


def _path_lines(rows: Sequence[PathRow]) -> Iterator[Line]:
    if rows:
        yield Line(text="critical path")
        cells = [(row.at, format_seconds(row.seconds), row.name, row.detail) for row in rows]
        yield from _table(cells, left=(2, 3))


def _build_lines(
    longest: Sequence[BuildTimings], builds: Mapping[pool.BuildId, pool.BuildState]
) -> Iterator[Line]:
    if longest:
        yield Line(text="longest builds")
        cells = [
            (build_title(builds[one.id]), format_seconds(one.working), _did_and_waited(one))
            for one in longest
        ]
        yield from _table(cells, left=(0, 2))


def _did_and_waited(build: BuildTimings) -> str:
    did, waited = format_build(build)
    return f"{did}; {waited}" if waited else did


def _table(rows: Iterable[Sequence[str]], left: Sequence[int]) -> Iterator[Line]:
    """Yield rows with aligned columns.

    Args:
        rows: the cells of each.
        left: the columns that are aligned to the left; others to the right.
    """
    rows = list(rows)
    widths = [min(max(map(len, column)), _LONGEST_NAME) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if number in left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield Line(text=f"  {'  '.join(cells)}".rstrip())
