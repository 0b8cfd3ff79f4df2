"""A trace follows its format and has a slice for every span of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pool
from app.reports.chrome_trace import render_trace
from app.runs.record import read_record
from pool import events
from tests.support.home import write_journal
from tests.support.paths import RECORDINGS
from tests.support.trace_format import check_trace

if TYPE_CHECKING:
    from collections.abc import Sequence

A, B = pool.BuildId("b1"), pool.BuildId("b2")
STARTED = events.RunStarted(
    limits={pool.LimitName.BUILDS: 2, pool.LimitName.MEMORY: 1 << 30},
    targets=1,
    out_dir="w",
    logs="logs",
)


def queued(build: pool.BuildId, name: str = "a") -> events.BuildQueued:
    return events.BuildQueued(build=build, name=name, target="./a", log=f"{build}.log")


def traced(folder: Path, *story: Any) -> list[dict[str, Any]]:
    return check_trace(render_trace(read_record(write_journal(folder, story))))


def slices(found: Sequence[dict[str, Any]], pid: int) -> list[tuple[str, int, int]]:
    """Return name, start and length of a process's slices, in seconds."""
    return [
        (one["name"], one["ts"] // 1_000_000, one["dur"] // 1_000_000)
        for one in found
        if one["ph"] == "X" and one["pid"] == pid
    ]


@pytest.mark.parametrize("recording", ["day", "install"])
def test_recorded_runs_keep_the_format(recording: str) -> None:
    record = read_record(RECORDINGS / f"{recording}.jsonl")
    found = check_trace(render_trace(record))
    held = {one["args"]["build"] for one in found if one.get("cat") == "build"}
    assert len(held) == len(
        {span.build for spans in record.timeline.slots.values() for span in spans}
    )


def test_a_slot_has_its_builds_with_their_phases_inside(tmp_path: Path) -> None:
    found = traced(
        tmp_path,
        STARTED,
        queued(A),
        events.BuildStarted(build=A, slot=1, t=2.0),
        events.BuildPhase(build=A, phase=pool.Phase.METADATA, t=2.0),
        events.BuildPhase(build=A, phase=pool.Phase.BUILD, t=4.0),
        events.BuildFinished(build=A, outcome=pool.Outcome.BUILT, peak=1 << 20, t=9.0),
        events.RunFinished(exit_code=0, totals={}, t=9.0),
    )
    assert slices(found, 2) == [("a", 2, 7), ("metadata", 2, 2), ("build", 4, 5)]
    assert slices(found, 3) == [("queued", 1, 1)]
    (build,) = (one for one in found if one.get("cat") == "build")
    assert build["args"]["peak"] == "1 MiB"
    assert build["args"]["outcome"] == "built"


def test_waits_are_on_the_track_of_the_build_with_their_reason(tmp_path: Path) -> None:
    holder = pool.Holder(pid=7, command="uv build")
    found = traced(
        tmp_path,
        STARTED,
        queued(A, "tree"),
        events.BuildWaiting(build=A, for_=pool.WaitFor.LOCK, on="/t", holder=holder, t=1.0),
        events.BuildWaiting(build=A, for_=pool.WaitFor.MEMORY, on="", t=3.0),
        events.BuildStarted(build=A, slot=1, t=6.0),
    )
    assert slices(found, 3) == [("wait for a lock", 1, 2), ("wait for memory", 3, 3)]
    (lock,) = (one for one in found if one["name"] == "wait for a lock")
    assert lock["args"]["on"] == "/t, held by uv build (pid 7)"
    named = {one["tid"]: one["args"]["name"] for one in found if one["name"] == "thread_name"}
    assert named[lock["tid"]] == "tree"


def test_a_killed_run_ends_at_its_last_event_and_is_marked(tmp_path: Path) -> None:
    found = traced(
        tmp_path,
        STARTED,
        queued(A),
        events.BuildStarted(build=A, slot=1, t=2.0),
        queued(B, "b"),
        events.BuildOutput(build=A, lines=1, bytes=1, last="x", t=8.0),
    )
    (build,) = (one for one in found if one.get("cat") == "build")
    assert (build["ts"], build["dur"]) == (2_000_000, 6_000_000)
    assert build["args"]["outcome"] == "unfinished"


def test_caps_and_memory_are_counters_and_changes_are_marked(tmp_path: Path) -> None:
    found = traced(
        tmp_path,
        STARTED,
        events.LimitChanged(limit=pool.LimitName.BUILDS, old=2, new=3, why="user", t=5.0),
    )
    counted = {
        (one["name"], value): one["ts"]
        for one in found
        if one["ph"] == "C"
        for value in one["args"].items()
    }
    assert counted["cap of", ("builds", 3)] == 5_000_000
    assert counted["memory budget", ("bytes", 1 << 30)] == 0
    (mark,) = (one for one in found if one["ph"] == "i")
    assert mark["args"]["what"] == "builds 2 to 3 (user)"
