"""Builds that ran out of memory are retried; their dependents keep waiting."""

from __future__ import annotations

from pathlib import Path

import pytest

import pool
from pool.build.job import RetryAttempt
from pool.events import types as v
from pool.run.outcome import EVICTED
from pool.run.retry import describe_retry, next_retry
from tests.support.makers import make_sdist, make_tree
from tests.support.pool_runs import install_into, last_build, make_settings, run_pool

OUT = "out-of-memory"


def hungry(counter: Path, times: int) -> str:
    """A backend that runs out of memory so many times."""
    return f"""
_build = build_wheel
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open({str(counter)!r}, "a") as file:
        file.write("x")
    if os.path.getsize({str(counter)!r}) <= {times}:
        raise MemoryError
    return _build(wheel_directory)
"""


@pytest.mark.parametrize(
    ("jobs", "most", "tries"),
    [
        (8, 2, [4, 1]),
        (8, 1, [4]),
        (8, 0, []),
        (2, 2, [1]),
        (1, 2, [1]),
        (3, 2, [1]),
        (4, 9, [2, 1]),
    ],
)
def test_half_the_jobs_and_then_one(jobs: int, most: int, tries: list[int]) -> None:
    attempt, seen = None, list[int]()
    while (attempt := next_retry(OUT, attempt, jobs, most)) is not None:
        seen.append(attempt.jobs)
    assert seen == tries


def test_other_failures_are_not_tried_again() -> None:
    assert next_retry("backend", None, 8, 2) is None
    assert next_retry("", RetryAttempt(jobs=4, oom_failures=1), 8, 2) is None


async def test_the_last_try_counts(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, "hog", backend=hungry(tmp_path / "n", 2))
    remarks = list[v.Note]()

    def seen(event: v.KnownEvent, _: pool.RunState) -> None:
        if isinstance(event, v.Note) and event.build:
            remarks.append(event)

    code, state = await run_pool(make_settings(tmp_path, jobs=4), tree, on_event=seen)
    assert code == 0
    first, second, third = state.builds.values()
    assert [build.reference for build in (first, second, third)] == [OUT, OUT, ""]
    assert (second.retry_of, third.retry_of) == (first.id, second.id)
    assert third.outcome is pool.Outcome.BUILT
    assert state.totals == {pool.Outcome.BUILT: 1}
    said = "it ran out of memory, so it is tried again alone, with"
    assert [remark.text for remark in remarks] == [f"{said} 2 jobs", f"{said} 1 job"]
    assert [remark.build for remark in remarks] == [second.id, third.id]
    assert first.message == 'out of memory (probable): its output says "MemoryError"'


async def test_it_fails_when_the_last_try_does_and_not_before(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, "hog", backend=hungry(tmp_path / "n", 9))
    code, state = await run_pool(make_settings(tmp_path, jobs=4, retries=1, fail_fast=True), tree)
    assert code == 1
    assert len(state.builds) == 2
    assert state.totals == {pool.Outcome.FAILED: 1}


async def test_without_retries_there_are_none(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, "hog", backend=hungry(tmp_path / "n", 1))
    code, state = await run_pool(make_settings(tmp_path, jobs=4, retries=0), tree)
    assert code == 1
    assert len(state.builds) == 1


@pytest.mark.parametrize("builds", [1, 3])
async def test_a_build_waits_for_the_next_try_of_its_nested_build(
    tmp_path: Path, builds: int
) -> None:
    make_sdist(tmp_path / "links", "helper", backend=hungry(tmp_path / "n", 2))
    trees = [make_tree(tmp_path, f"t{n}", build_requires=["helper"]) for n in range(3)]
    code, state = await run_pool(make_settings(tmp_path, jobs=4, builds=builds), *trees)
    assert code == 0, [build.message for build in state.builds.values()]
    tries = [build for build in state.builds.values() if build.name == "helper"]
    assert [build.outcome for build in tries] == ["failed", "failed", "built"]
    assert all(build.nested for build in tries)
    assert len(state.builds) == 6, "nobody had to begin again for it"


@pytest.mark.parametrize("builds", [1, 2])
async def test_a_second_try_that_needs_a_nested_build_gets_it(tmp_path: Path, builds: int) -> None:
    """Its requirement is asked for by the hook, and only from the second try on."""
    make_sdist(tmp_path / "links", "helper")
    wants = (
        hungry(tmp_path / "n", 1)
        + f"""
def get_requires_for_build_wheel(config_settings=None):
    return ["helper"] if os.path.exists({str(tmp_path / "n")!r}) else []
"""
    )
    trees = [make_tree(tmp_path, "hog", backend=wants), make_tree(tmp_path, "fine")]
    code, state = await run_pool(make_settings(tmp_path, jobs=4, builds=builds), *trees)
    assert code == 0, [build.message for build in state.builds.values()]
    assert last_build(state, "helper").outcome is pool.Outcome.BUILT


async def test_an_installation_waits_for_the_last_try(tmp_path: Path) -> None:
    make_sdist(tmp_path / "links", "lib", backend=hungry(tmp_path / "n", 1))
    make_sdist(tmp_path / "links", "app", requires=["lib"])
    code, state = await run_pool(
        make_settings(tmp_path, jobs=4, **install_into(tmp_path / "env")), "app"
    )
    assert code == 0
    assert state.environment is not None
    assert {change.name for change in state.environment.changes} == {"app", "lib"}


async def test_nothing_runs_beside_a_second_try(tmp_path: Path) -> None:
    hogs = [make_tree(tmp_path, f"hog{n}", backend=hungry(tmp_path / f"n{n}", 2)) for n in range(2)]
    trees = [make_tree(tmp_path, f"t{n}") for n in range(4)]
    beside = list[int]()

    def seen(event: v.KnownEvent, state: pool.RunState) -> None:
        if isinstance(event, v.BuildStarted):
            running = [state.builds[build] for build in state.slots.values()]
            if any(build.retry_of for build in running):
                beside.append(len(running))

    code, _ = await run_pool(
        make_settings(tmp_path, jobs=4, builds=4), *hogs, *trees, on_event=seen
    )
    assert code == 0
    assert set(beside) == {1}


async def test_a_cancelled_second_try_is_the_end_of_it(tmp_path: Path) -> None:
    tree = make_tree(tmp_path, "hog", backend=hungry(tmp_path / "n", 9))

    def seen(event: v.KnownEvent, _: pool.RunState) -> pool.Control | None:
        again = isinstance(event, v.BuildStarted) and event.build != "b1"
        return (
            pool.Cancel(build=event.build) if again and isinstance(event, v.BuildStarted) else None
        )

    code, state = await run_pool(make_settings(tmp_path, jobs=4), tree, on_event=seen)
    assert code == 1
    assert state.totals == {pool.Outcome.CANCELLED: 1}


def test_an_evicted_build_is_retried_regardless_of_retries_and_the_third_time_alone() -> None:
    attempt, seen = None, list[tuple[int, bool]]()
    for _ in range(4):
        attempt = next_retry(EVICTED, attempt, 8, 0)
        assert attempt is not None
        seen.append((attempt.jobs, attempt.exclusive))
    assert seen == [(4, False), (2, True), (1, True), (1, True)]
    assert attempt is not None
    assert (
        describe_retry(attempt)
        == "it was ended to make room, so it is built again alone, with 1 job"
    )


def test_an_evicted_build_that_runs_out_of_memory_is_tried_alone() -> None:
    room = next_retry(EVICTED, None, 2, 2)
    assert room is not None
    assert describe_retry(room).endswith("so it is built again when there is room, with 1 job")
    alone = next_retry(OUT, room, 2, 2)
    assert alone is not None
    assert (alone.jobs, alone.exclusive, alone.evictions) == (1, True, 1)
    assert next_retry(OUT, alone, 2, 2) is None
