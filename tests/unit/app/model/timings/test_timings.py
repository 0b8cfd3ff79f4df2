"""The timings of runs from single events and from recordings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.model.timings.activity import Activity
from app.model.timings.timings import Timings
from app.runs.record import read_record
from pool import BuildId, LimitName, Outcome, Phase, WaitFor, events
from tests.support.paths import RECORDINGS
from tests.support.stories import at, measure_journal, queued, started_run

if TYPE_CHECKING:
    from collections.abc import Mapping

A, B, C = BuildId("a"), BuildId("b"), BuildId("c")
BUILT = Outcome.BUILT


def phase(build: BuildId, phase: Phase) -> events.BuildPhase:
    return events.BuildPhase(build=build, phase=phase)


def started(build: BuildId, slot: int = 1) -> events.BuildStarted:
    return events.BuildStarted(build=build, slot=slot)


def waiting(build: BuildId, reason: WaitFor, on: str = "", *builds: BuildId) -> events.BuildWaiting:
    return events.BuildWaiting(build=build, for_=reason, on=on, builds=builds)


def finished(build: BuildId, outcome: Outcome = BUILT) -> events.BuildFinished:
    return events.BuildFinished(build=build, outcome=outcome)


def run_finished() -> events.RunFinished:
    return events.RunFinished(exit_code=0, totals={})


def path_of(timings: Timings) -> list[tuple[str | None, float, float]]:
    return [(step.build, step.since, step.until) for step in timings.path]


def in_words(activities: Mapping[str, float]) -> dict[str, object]:
    return {str(one): pytest.approx(seconds) for one, seconds in activities.items()}


def check_consistent(timings: Timings) -> None:
    """Check what holds for every run."""
    assert sum(timings.wall.values()) == pytest.approx(timings.seconds)
    for build in timings.builds:
        assert sum(build.activities.values()) == pytest.approx(build.until - build.since)
    moments = [step.since for step in timings.path] + [timings.until]
    if timings.seconds:
        assert moments[0] == timings.since
        assert [step.until for step in timings.path] == moments[1:]
    for step in timings.path:
        assert step.since < step.until
        assert sum(step.activities.values()) == pytest.approx(step.seconds)


def test_measure_one_build_attributes_each_moment_once() -> None:
    timings = measure_journal(
        at(
            (0.0, started_run(startup=0.4)),
            (0.1, queued("a")),
            (0.1, started(A)),
            (0.2, waiting(A, WaitFor.DOWNLOAD, "build requirements: flit_core")),
            (0.3, events.DownloadStarted(file="f.whl", build=A)),
            (0.5, events.DownloadFinished(file="f.whl", bytes=9, build=A)),
            (0.5, events.InstallStarted(distribution="f", environment="cache", build=A)),
            (0.6, events.InstallFinished(distribution="f", environment="cache", build=A)),
            (0.6, started(A)),
            (0.6, phase(A, Phase.ENVIRONMENT)),
            (0.8, phase(A, Phase.AWAIT_JOB)),
            (0.9, phase(A, Phase.GET_REQUIRES)),
            (1.0, phase(A, Phase.BUILD)),
            (1.5, phase(A, Phase.CHECK)),
            (1.6, finished(A)),
            (1.7, run_finished()),
        )
    )
    check_consistent(timings)
    assert (timings.since, timings.until) == (-0.4, 1.7)
    activities = {
        "hooks": 0.6, "check": 0.1, "environment": 0.2, "unpack": 0.1, "download": 0.2,
        "resolve": 0.1, "prepare": 0.1, "job": 0.1,
    }  # fmt: skip
    assert timings.wall == in_words({**activities, "start": 0.5, "finish": 0.1})
    assert timings.busy == in_words(activities)
    assert timings.builds[0].activities == in_words(activities)
    assert path_of(timings) == [(None, -0.4, 0.1), (A, 0.1, 1.6), (None, 1.6, 1.7)]


def test_measure_run_without_builds_is_start() -> None:
    timings = measure_journal(at((0.0, started_run()), (0.5, run_finished())))
    check_consistent(timings)
    assert timings.wall == {Activity.START: 0.5}
    assert path_of(timings) == [(None, 0.0, 0.5)]
    assert not timings.builds


def test_measure_run_of_one_moment_is_empty() -> None:
    timings = measure_journal(at((0.0, started_run())))
    check_consistent(timings)
    assert (timings.wall, timings.path) == ({}, [])


def test_measure_nested_build_is_on_the_path_of_the_build_that_requires_it() -> None:
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (0.0, queued("a")),
            (0.0, started(A)),
            (1.0, waiting(A, WaitFor.DOWNLOAD)),
            (1.5, queued("b", needed_by=["a"])),
            (1.5, waiting(A, WaitFor.DEPENDENCY, "b", B)),
            (1.5, started(B)),
            (1.5, phase(B, Phase.BUILD)),
            (4.0, finished(B)),
            (4.5, started(A)),
            (4.5, phase(A, Phase.BUILD)),
            (6.0, finished(A)),
        )
    )
    check_consistent(timings)
    assert path_of(timings) == [(A, 0.0, 1.5), (B, 1.5, 4.0), (A, 4.0, 6.0)]
    assert timings.wall[Activity.HOOKS] == 4.0
    assert timings.wall[Activity.DEPENDENCY] == 0.5
    assert timings.busy[Activity.DEPENDENCY] == 3.0


def test_measure_two_nested_builds_one_after_the_other_are_both_on_the_path() -> None:
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (0.0, queued("a")),
            (0.0, queued("b", needed_by=["a"])),
            (0.0, waiting(A, WaitFor.DEPENDENCY, "b", B)),
            (0.0, started(B)),
            (2.0, finished(B)),
            (2.0, queued("c", needed_by=["a"])),
            (2.0, waiting(A, WaitFor.DEPENDENCY, "c", C)),
            (2.0, started(C)),
            (3.0, finished(C)),
            (3.0, started(A)),
            (4.0, finished(A)),
        )
    )
    check_consistent(timings)
    assert path_of(timings) == [(B, 0.0, 2.0), (C, 2.0, 3.0), (A, 3.0, 4.0)]


def test_measure_build_waits_for_slot_path_leads_to_the_build_that_released_it() -> None:
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (0.0, queued("a")),
            (0.0, queued("b")),
            (0.0, started(A)),
            (3.0, finished(A)),
            (3.1, started(B)),
            (3.1, phase(B, Phase.BUILD)),
            (5.0, finished(B)),
        )
    )
    check_consistent(timings)
    assert path_of(timings) == [(A, 0.0, 3.0), (B, 3.0, 5.0)]
    assert timings.path[1].activities == in_words({Activity.SLOT: 0.1, Activity.HOOKS: 1.9})


def test_measure_slot_after_a_raised_limit_is_the_wait_of_the_build_itself() -> None:
    raised = events.LimitChanged(limit=LimitName.BUILDS, old=1, new=2, why="user")
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (0.0, queued("a")),
            (0.0, queued("b")),
            (0.0, queued("c")),
            (0.0, started(C)),
            (1.0, finished(C)),
            (1.0, started(A)),
            (3.0, raised),
            (3.0, started(B, 2)),
            (4.0, finished(A)),
            (5.0, finished(B)),
        )
    )
    check_consistent(timings)
    assert path_of(timings) == [(B, 0.0, 5.0)]


@pytest.mark.parametrize("reason", [WaitFor.LOCK, WaitFor.MEMORY])
def test_measure_lock_and_memory_path_leads_to_the_build_that_released_it(reason: WaitFor) -> None:
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (0.0, queued("a")),
            (0.0, queued("b")),
            (0.0, started(A)),
            (0.0, events.LockAcquired(lock="/t", build=A)),
            (0.5, waiting(B, reason, "/t")),
            (3.0, events.LockReleased(lock="/t", build=A)),
            (3.0, finished(A)),
            (3.2, started(B)),
            (5.0, finished(B)),
        )
    )
    check_consistent(timings)
    assert path_of(timings) == [(A, 0.0, 3.0), (B, 3.0, 5.0)]


def test_measure_lock_of_another_process_is_a_wait_with_its_cause() -> None:
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (0.0, queued("a")),
            (0.0, started(A)),
            (1.0, waiting(A, WaitFor.LOCK, "/t")),
            (3.0, started(A)),
            (4.0, finished(A)),
        )
    )
    check_consistent(timings)
    (step,) = timings.path
    assert step.cause is not None
    assert (step.cause.waiting_for, step.cause.subject) == (WaitFor.LOCK, "/t")
    assert timings.wall[Activity.LOCK] == 2.0


def test_measure_retry_follows_the_attempt_before() -> None:
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (0.0, queued("a")),
            (0.0, started(A)),
            (2.0, queued("b", retry_of="a")),
            (2.5, finished(A, Outcome.FAILED)),
            (2.5, started(B)),
            (4.0, finished(B)),
        )
    )
    check_consistent(timings)
    assert path_of(timings) == [(A, 0.0, 2.5), (B, 2.5, 4.0)]


def test_measure_pause_is_paused_time() -> None:
    pause = events.LimitChanged(limit=LimitName.BUILDS, old=2, new=0, why="pause")
    resume = events.LimitChanged(limit=LimitName.BUILDS, old=0, new=2, why="resume")
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (0.0, queued("a")),
            (0.0, pause),
            (2.0, resume),
            (2.0, started(A)),
            (3.0, finished(A, Outcome.CACHED)),
        )
    )
    check_consistent(timings)
    assert timings.wall == {Activity.PAUSED: 2.0, Activity.PREPARE: 1.0}
    assert path_of(timings) == [(A, 0.0, 3.0)]


def test_measure_cancelled_run_ends_with_its_last_build() -> None:
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (0.0, queued("a")),
            (1.0, started(A)),
            (2.0, events.RunStopping(why="interrupted")),
            (2.5, finished(A, Outcome.CANCELLED)),
            (9.0, run_finished()),
        )
    )
    check_consistent(timings)
    assert timings.until == 2.5
    assert timings.builds[0].outcome == "cancelled"


@pytest.mark.parametrize(("startup", "until"), [(0.5, 60.0), (0.0, 1.0)], ids=["new", "old"])
def test_measure_end_leaves_out_the_time_of_a_screen(startup: float, until: float) -> None:
    timings = measure_journal(
        at(
            (0.0, started_run(startup)),
            (0.0, queued("a")),
            (0.0, started(A)),
            (1.0, finished(A)),
            (60.0, run_finished()),
        )
    )
    check_consistent(timings)
    assert timings.until == until


def test_measure_unfinished_journal_ends_with_its_last_event() -> None:
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (0.0, queued("a")),
            (0.0, started(A)),
            (1.0, phase(A, Phase.BUILD)),
            (1.0, events.DownloadStarted(file="f", build=A)),
            (5.0, events.Note(text="the last line")),
        )
    )
    check_consistent(timings)
    assert timings.wall == {Activity.HOOKS: 4.0, Activity.PREPARE: 1.0}
    assert timings.builds[0].outcome == ""


def test_measure_resolution_and_installation_belong_to_the_run() -> None:
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (0.5, events.ResolveStarted(requirements=("a",))),
            (1.0, queued("m", purpose="metadata", nested=True)),
            (1.0, started(BuildId("m"))),
            (1.0, phase(BuildId("m"), Phase.METADATA)),
            (2.0, finished(BuildId("m"))),
            (2.5, events.ResolveFinished(picked=())),
            (2.5, queued("a")),
            (2.5, started(A)),
            (2.5, phase(A, Phase.BUILD)),
            (4.0, finished(A)),
            (4.0, events.InstallStarted(distribution="a", environment="cache", build=A)),
            (4.5, events.InstallFinished(distribution="a", environment="cache", build=A)),
            (4.5, events.EnvironmentStaging(environment="/env", distributions=1)),
            (5.0, events.LockWaiting(lock="/env")),
            (6.0, events.LockAcquired(lock="/env")),
            (6.5, events.LockReleased(lock="/env")),
            (6.5, events.EnvironmentChanged(environment="/env", changes=())),
            (6.5, run_finished()),
        )
    )
    check_consistent(timings)
    assert timings.wall == in_words(
        {"hooks": 2.5, "install": 1.0, "unpack": 0.5, "resolve": 1.0, "lock": 1.0, "start": 0.5}
    )
    assert path_of(timings) == [
        (None, 0.0, 1.0), ("m", 1.0, 2.0), (None, 2.0, 2.5), (A, 2.5, 4.0), (None, 4.0, 6.5),
    ]  # fmt: skip
    assert timings.builds[1].until == 4.0


def test_measure_file_that_another_build_loads_counts_for_both() -> None:
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (0.0, queued("a")),
            (0.0, queued("b")),
            (0.0, waiting(A, WaitFor.DOWNLOAD)),
            (0.0, waiting(B, WaitFor.DOWNLOAD)),
            (0.0, events.DownloadStarted(file="f", build=A)),
            (2.0, events.DownloadFinished(file="f", bytes=9, build=A)),
            (3.0, started(A)),
            (3.0, started(B, 2)),
            (4.0, finished(A)),
            (4.0, finished(B)),
        )
    )
    check_consistent(timings)
    for build in timings.builds:
        assert build.activities == {
            Activity.DOWNLOAD: 2.0, Activity.RESOLVE: 1.0, Activity.PREPARE: 1.0,
        }  # fmt: skip


def test_measure_contradicting_references_end_at_the_start() -> None:
    """Builds that require each other, from the same moment on."""
    needed = events.BuildNeeded(build=A, by=B)
    timings = measure_journal(
        at(
            (0.0, started_run()),
            (1.0, queued("a")),
            (1.0, queued("b", needed_by=["a"])),
            (1.0, needed),
            (1.0, waiting(A, WaitFor.DEPENDENCY, "b", B)),
            (1.0, waiting(B, WaitFor.DEPENDENCY, "a", A)),
            (2.0, finished(A)),
            (2.0, finished(B)),
        )
    )
    check_consistent(timings)


@pytest.mark.parametrize("startup", [-1.0, 1e300, float("inf")])
def test_measure_impossible_startup_is_ignored(startup: float) -> None:
    timings = measure_journal(at((0.0, started_run(startup)), (1.0, run_finished())))
    assert timings.since == 0.0


@pytest.mark.parametrize("name", ["eve", "day", "install"])
def test_measure_recording_is_consistent(name: str) -> None:
    timings = read_record(RECORDINGS / f"{name}.jsonl").timings
    check_consistent(timings)
    assert timings.wall[Activity.HOOKS] > timings.seconds / 2
    assert len(timings.path) > 3
