"""Eviction of builds, with real processes and a budget that is far too small."""

from __future__ import annotations

from pathlib import Path

import pool
from pool.events import types as v
from pool.scheduling.history import BuildHistory
from tests.support.makers import make_sdist, make_tree
from tests.support.pool_runs import last_build, make_settings, run_pool

BUDGET = 12 << 20
"""Less than any interpreter with a backend has."""
UNTIL = """
_build = build_wheel
def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import signal, time
    {before}
    until = time.monotonic() + 60
    while not os.path.exists({go!r}) and time.monotonic() < until:
        time.sleep(0.02)
    return _build(wheel_directory)
"""


def small(root: Path, *names: str) -> None:
    """Record tiny peaks of builds, so that all of them are admitted."""
    for name in names:
        BuildHistory(root / "state" / "history.sqlite").record(
            name, "1.0", seconds=1.0, peak=1 << 20
        )


def until(go: Path, before: str = "pass") -> str:
    """Return a backend that builds until there is a file."""
    return UNTIL.format(go=str(go), before=before)


def again(event: v.KnownEvent) -> bool:
    return isinstance(event, v.BuildQueued) and event.retry_of is not None


async def test_the_youngest_build_is_evicted_retried_and_no_failure(
    tmp_path: Path,
) -> None:
    go = tmp_path / "go"
    names = ("one", "two")
    small(tmp_path, *names)
    trees = [make_tree(tmp_path, name, backend=until(go)) for name in names]

    def seen(event: v.KnownEvent, _: pool.RunState) -> None:
        if again(event):
            go.touch()

    how = make_settings(tmp_path, memory=BUDGET, fail_fast=True, retries=0, jobs=4)
    code, state = await run_pool(how, *trees, on_event=seen)
    assert code == 0
    assert state.totals == {pool.Outcome.BUILT: 2}
    ended, retry = [build for build in state.builds.values() if build.name == "two"]
    assert ended.superseded_by == retry.id
    assert (ended.outcome, ended.reference) == (pool.Outcome.CANCELLED, "made-room")
    assert ended.message.startswith("ended to make room: memory ")
    assert ended.message.endswith(" of 12 MiB; built again when there is room, with 2 jobs")
    assert retry.expected_peak == ended.peak > BUDGET
    assert retry.notes == (
        "it was ended to make room, so it is built again when there is room, with 2 jobs",
    )
    assert len(state.builds) == 3, "the one that was left went on"


async def test_a_dependent_of_an_evicted_build_waits_for_its_next_attempt(tmp_path: Path) -> None:
    go = tmp_path / "go"
    small(tmp_path, "h1", "h2", "t1", "t2")
    for name in ("h1", "h2"):
        make_sdist(tmp_path / "links", name, backend=until(go))
    trees = [make_tree(tmp_path, f"t{n}", build_requires=[f"h{n}"]) for n in (1, 2)]

    def seen(event: v.KnownEvent, _: pool.RunState) -> None:
        if again(event):
            go.touch()

    code, state = await run_pool(make_settings(tmp_path, memory=BUDGET), *trees, on_event=seen)
    assert code == 0, [build.message for build in state.builds.values()]
    assert state.totals == {pool.Outcome.BUILT: 2}
    ended = [build for build in state.builds.values() if build.superseded_by]
    assert [build.name[0] for build in ended] == ["h"], "only one, and it was nested"
    assert last_build(state, ended[0].name).outcome is pool.Outcome.BUILT


async def test_a_build_cancelled_during_its_eviction_is_not_retried(
    tmp_path: Path,
) -> None:
    go, asked = tmp_path / "go", tmp_path / "asked"
    small(tmp_path, "one", "two")
    deaf = f"signal.signal(signal.SIGTERM, lambda *_: open({str(asked)!r}, 'w').close())"
    trees = [make_tree(tmp_path, name, backend=until(go, deaf)) for name in ("one", "two")]

    def seen(event: v.KnownEvent, state: pool.RunState) -> pool.Control | None:
        if isinstance(event, v.BuildFinished):
            go.touch()
        return pool.Cancel(build=last_build(state, "two").id) if asked.exists() else None

    code, state = await run_pool(make_settings(tmp_path, memory=BUDGET), *trees, on_event=seen)
    assert code == 1
    assert state.totals == {pool.Outcome.BUILT: 1, pool.Outcome.CANCELLED: 1}
    assert last_build(state, "two").message == ""


async def test_a_stop_ends_the_retry_of_an_evicted_build(tmp_path: Path) -> None:
    go = tmp_path / "go"
    small(tmp_path, "one", "two")
    trees = [make_tree(tmp_path, name, backend=until(go)) for name in ("one", "two")]

    def seen(event: v.KnownEvent, _: pool.RunState) -> pool.Control | None:
        return pool.Stop() if again(event) else None

    code, state = await run_pool(make_settings(tmp_path, memory=BUDGET), *trees, on_event=seen)
    assert code == 130
    assert state.totals == {pool.Outcome.CANCELLED: 2}


async def test_the_only_build_is_never_evicted(tmp_path: Path) -> None:
    backend = until(tmp_path / "never").replace("+ 60", "+ 4")
    code, state = await run_pool(
        make_settings(tmp_path, memory=BUDGET), make_tree(tmp_path, "one", backend=backend)
    )
    assert code == 0
    assert len(state.builds) == 1
