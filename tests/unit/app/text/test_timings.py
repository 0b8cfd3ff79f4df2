"""The words of timings: tables with the longest first, short things left out or summed up."""

from __future__ import annotations

import pool
from app.model.timeline import Timeline
from app.model.timings.activity import Activity
from app.model.timings.timings import TimingsRecorder, measure
from app.model.timings.transfers import Transfers
from app.runs.record import read_record
from app.text.timings import ACTIVITY_NAMES, format_activities, path_rows, timings_lines
from pool import BuildId, Holder, Outcome, Phase, WaitFor, events
from tests.support.paths import RECORDINGS
from tests.support.stories import at, queued, started_run

A, B = BuildId("a"), BuildId("b")
HOLDER = Holder(pid=7, command="uv build ./a")


def lines_of(journal: list[events.KnownEvent]) -> list[str]:
    state, recorder = pool.RunState(), TimingsRecorder()
    for event in journal:
        pool.apply(state, event)
        recorder.record(event, state)
    return [line.text for line in timings_lines(recorder.measure(state), state.builds)]


def test_timings_lines_run_of_two_builds_lists_activities_path_and_builds() -> None:
    held = "./a, held by uv build ./a (pid 7)"
    locked = events.BuildWaiting(build=A, for_=WaitFor.LOCK, on="./a", holder=HOLDER)
    lines = lines_of(
        at(
            (0.0, started_run(startup=0.5)),
            (0.1, queued("a", version="1.0")),
            (0.1, queued("b", version="2.0")),
            (0.1, events.BuildStarted(build=B, slot=1)),
            (0.1, events.BuildPhase(build=B, phase=Phase.BUILD)),
            (0.1, locked),
            (2.0, events.BuildFinished(build=B, outcome=Outcome.BUILT)),
            (70.0, events.BuildStarted(build=A, slot=1)),
            (70.0, events.BuildPhase(build=A, phase=Phase.BUILD)),
            (75.0, events.BuildFinished(build=A, outcome=Outcome.BUILT)),
        )
    )
    assert lines == [
        "",
        "timings   1 min 16 s from start to end",
        "                          run        all builds",
        "  wait for a lock  1 min 08 s  90 %  1 min 10 s",
        "  hooks                6.90 s   9 %      6.90 s",
        "  start                0.60 s   1 %           -",
        "critical path",
        "  0:00      0.60 s         start 0.60 s",
        f"  0:00  1 min 15 s  a 1.0  wait for a lock 1 min 10 s, hooks 5.00 s ({held})",
        "longest builds",
        "  a 1.0  5.00 s  hooks 5.00 s; wait for a lock 1 min 10 s",
        "  b 2.0  1.90 s  hooks 1.90 s",
    ]


def test_timings_lines_run_without_builds_is_short() -> None:
    lines = lines_of(at((0.0, started_run()), (0.2, events.RunFinished(exit_code=0, totals={}))))
    assert lines[1:] == [
        "timings   0.20 s from start to end",
        "            run         all builds",
        "  start  0.20 s  100 %           -",
        "critical path",
        "  0:00  0.20 s    start 0.20 s",
    ]


def test_path_rows_many_short_steps_are_one_row() -> None:
    record = read_record(RECORDINGS / "eve.jsonl")
    rows = path_rows(record.timings, record.state.builds, 20)
    assert rows[0].detail == "11 short steps"
    assert [row.name for row in rows[1:]] == ["rich 14.2.0", "build-helper 0.9", "fast-math 2.8"]
    few = path_rows(record.timings, record.state.builds, 1)
    assert [row.name for row in few] == ["", "fast-math 2.8"]
    for some in (rows, few):
        assert sum(row.seconds for row in some) > record.timings.seconds - 0.01


def test_format_activities_small_shares_are_left_out() -> None:
    activities = {Activity.HOOKS: 20.0, Activity.CHECK: 0.1, Activity.DOWNLOAD: 2.0}
    assert format_activities(activities) == "hooks 20.0 s, download 2.00 s"
    assert format_activities({Activity.CHECK: 0.001}) == "check 0.00 s"
    assert format_activities({}) == ""


def test_every_activity_has_a_name() -> None:
    assert set(ACTIVITY_NAMES) == set(Activity)
    assert len(set(ACTIVITY_NAMES.values())) == len(Activity)


def test_recorder_and_report_measure_the_same() -> None:
    record = read_record(RECORDINGS / "install.jsonl")
    state, recorder = pool.RunState(), TimingsRecorder()
    for event in record.events:
        pool.apply(state, event)
        recorder.record(event, state)
    assert recorder.measure(state) == record.timings
    again = measure(state, Timeline.of(record.events), Transfers.of(record.events))
    assert again == record.timings
