"""Controls that a run cannot apply are rejected with a reason; all others are applied."""

from __future__ import annotations

from pathlib import Path

import pytest

import pool
from pool.common.model import BuildId, LimitName
from pool.run.control_server import reject_reason
from tests.support.makers import make_tree
from tests.support.pool_runs import make_settings, open_run

BUILDS, MEMORY = LimitName.BUILDS, LimitName.MEMORY


@pytest.mark.parametrize(
    ("control", "words"),
    [
        (pool.Resize(limit=BUILDS, value=1), ""),
        (pool.Resize(limit=BUILDS, value=pool.MAX_BUILDS), ""),
        (pool.Resize(limit=BUILDS, by=-1000), ""),
        (
            pool.Resize(limit=BUILDS, value=0),
            f"builds: the limit must be between 1 and {pool.MAX_BUILDS}, not 0",
        ),
        (pool.Resize(limit=BUILDS, value=10**30), "builds: the limit must be between 1 and"),
        (pool.Resize(limit=MEMORY, value=0), ""),
        (pool.Resize(limit=MEMORY, value=8 << 30), ""),
        (pool.Resize(limit=MEMORY, value=-1), "memory: no machine has that much"),
        (pool.Resize(limit=MEMORY, value=10**30), "memory: no machine has that much"),
        (pool.Resize(limit=MEMORY, by=10**30), "memory: no machine has that much"),
        (pool.Pause(), ""),
        (pool.Stop(), ""),
        (pool.Cancel(build=BuildId("b1")), "there is no build b1"),
        (pool.Retry(build=BuildId("b1")), "there is no build b1"),
    ],
    ids=str,
)
def test_controls_before_any_build(control: pool.Control, words: str) -> None:
    refused = reject_reason(control, pool.RunState(), stopping=False)
    assert refused.startswith(words)
    assert bool(refused) == bool(words)


async def test_the_outcome_of_a_build_decides_which_controls_it_takes(tmp_path: Path) -> None:
    good, bad = make_tree(tmp_path, "good"), make_tree(tmp_path, "bad", backend="raise SystemExit")
    wishes = tuple(pool.parse_requirement(str(tree), tmp_path) for tree in (good, bad))
    ended: list[str] = []
    how = make_settings(tmp_path)
    answers: dict[str, str] = {}

    def listen(event: pool.events.KnownEvent) -> None:
        if isinstance(event, pool.events.BuildQueued):
            answers[f"begun {event.name}"] = reason_of(pool.Cancel(build=event.build))
            answers[f"again {event.name}"] = reason_of(pool.Retry(build=event.build))
        if isinstance(event, pool.events.BuildFinished):
            ended.append(event.build)
            if len(ended) == 2:
                ask()

    def reason_of(control: pool.Control, *, stopping: bool = False) -> str:
        return reject_reason(control, run.state, stopping=stopping)

    def ask() -> None:
        one, other = BuildId("b1"), BuildId("b2")
        answers["cancel good"] = reason_of(pool.Cancel(build=one))
        answers["retry good"] = reason_of(pool.Retry(build=one))
        answers["retry bad"] = reason_of(pool.Retry(build=other))
        answers["retry late"] = reason_of(pool.Retry(build=other), stopping=True)

    async with open_run(how, pool.Request(requirements=wishes), listen) as run:
        await run.run()
    assert answers == {
        "begun good": "",
        "begun bad": "",
        "again good": "good 1.0 did not fail, or was retried",
        "again bad": "bad 1.0 did not fail, or was retried",
        "cancel good": "good 1.0 has ended: built",
        "retry good": "good 1.0 did not fail, or was retried",
        "retry bad": "",
        "retry late": "the run is ending",
    }


async def test_controls_of_unknown_builds_are_ignored(tmp_path: Path) -> None:
    def listen(event: pool.events.KnownEvent) -> None:
        if isinstance(event, pool.events.RunStarted):
            run.control(pool.Cancel(build=BuildId("b9")))
            run.control(pool.Retry(build=BuildId("b9")))

    wish = pool.parse_requirement(str(make_tree(tmp_path, "good")), tmp_path)
    async with open_run(make_settings(tmp_path), pool.Request(requirements=(wish,)), listen) as run:
        assert await run.run() == 0
