"""Builds that depend on each other, when some fail, are cancelled, or are retried."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import pool
from pool.events import types as v
from pool.run import installer
from tests.support.makers import make_sdist, make_tree, make_wheel
from tests.support.pool_runs import (
    RUN_TIMEOUT_SECONDS,
    install_into,
    last_build,
    make_settings,
    open_run,
    outcome_of,
    run_pool,
)


async def test_an_abandoned_nested_build_is_started_again_for_a_later_dependent(
    tmp_path: Path,
) -> None:
    links, gate = tmp_path / "links", tmp_path / "gate"
    os.mkfifo(gate)
    late = f"""
def get_requires_for_build_wheel(config_settings=None):
    open({str(gate)!r}).close()
    return ["helper"]
"""
    make_sdist(links, "bad", backend="\nraise SystemExit('no')\n")
    make_sdist(links, "helper")
    first = make_tree(tmp_path, "first", build_requires=["bad", "helper"])
    second = make_tree(tmp_path, "second", backend=late)
    opener = threading.Thread(target=lambda: gate.open("w").close())

    def seen(event: v.KnownEvent, state: pool.RunState) -> None:
        if outcome_of(event, state, "helper") is pool.Outcome.CANCELLED:
            opener.start()

    code, state = await run_pool(make_settings(tmp_path), first, second, on_event=seen)
    opener.join()
    assert code == 1
    assert last_build(state, "first").outcome is pool.Outcome.SKIPPED
    assert last_build(state, "second").outcome is pool.Outcome.BUILT, last_build(
        state, "second"
    ).message


async def test_a_cycle_of_trees_is_named(tmp_path: Path) -> None:
    hen, egg = tmp_path / "hen-1.0", tmp_path / "egg-1.0"
    make_tree(tmp_path, "hen", build_requires=[f"egg @ {egg.as_uri()}"])
    make_tree(tmp_path, "egg", build_requires=[f"hen @ {hen.as_uri()}"])
    own = make_tree(tmp_path, "own", build_requires=[f"own @ {(tmp_path / 'own-1.0').as_uri()}"])
    code, state = await run_pool(make_settings(tmp_path), hen, own)
    assert code == 1
    assert "egg needs hen needs egg" in last_build(state, "egg").message
    assert last_build(state, "egg").cause == "build requirements in a cycle"
    assert last_build(state, "egg").hint == "give a wheel of egg with --find-links"
    assert "own needs own" in last_build(state, "own").message


async def test_the_failure_of_unpacking_is_the_reason_of_the_installation(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "links", "evil", files={"evil.py": "intact"})
    # Only reading the whole member shows that its checksum is wrong.
    wheel.write_bytes(wheel.read_bytes().replace(b"intact", b"broken"))

    how = make_settings(tmp_path, **install_into(tmp_path / "env"))
    code, state = await run_pool(how, "evil")
    assert code == 1
    assert state.environment is not None
    assert "evil 1.0, which cannot be unpacked: " in state.environment.message
    assert "evil.py" in state.environment.message


@pytest.mark.parametrize("moment", ["stage", "commit"])
async def test_a_stop_during_an_installation_emits_whether_it_was_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    make_wheel(tmp_path / "links", "top")
    work, stopped = getattr(installer, moment), threading.Event()
    loop = asyncio.get_running_loop()

    def stop(*given: Any) -> Any:
        loop.call_soon_threadsafe(control)
        assert stopped.wait(RUN_TIMEOUT_SECONDS)
        return work(*given)

    def control() -> None:
        run.control(pool.Stop())
        loop.call_soon(loop.call_soon, stopped.set)

    monkeypatch.setattr(installer, moment, stop)
    events: list[v.KnownEvent] = []
    wish = pool.parse_requirement("top", tmp_path)
    how = make_settings(tmp_path, **install_into(tmp_path / "env"))
    async with open_run(how, pool.Request(requirements=(wish,)), events.append) as run:
        assert await run.run() == 130
    assert not (tmp_path / "env" / ".wheelpool").exists()
    kinds = (v.EnvironmentChanged, v.EnvironmentFailed)
    (changed,) = (event for event in events if isinstance(event, kinds))
    assert isinstance(changed, v.EnvironmentFailed) == (moment == "stage")


async def test_events_have_no_credentials(tmp_path: Path) -> None:
    host = "https://me:hidden@127.0.0.1:9"
    pointing = make_tree(tmp_path, "pointing", build_requires=[f"x @ {host}/x-1.zip"])
    wrong = make_tree(tmp_path, "wrong", build_requires=[f"x @ {host}/x y"])
    wishes = (pointing, wrong, host, f"{host}/?name=x", f"y @ {host}/y-1.zip")

    def seen(event: v.KnownEvent, _: pool.RunState) -> pool.Control | None:
        # A connection to a closed port is retried many times.
        return pool.Stop(now=True) if isinstance(event, v.DownloadStarted) else None

    how = make_settings(tmp_path, builds=5)
    assert (await run_pool(how, *wishes, on_event=seen))[0] == 130
    told = (tmp_path / "run.jsonl").read_text()
    assert "127.0.0.1" in told
    assert "hidden" not in told


async def test_a_dependent_gets_the_next_attempt_of_its_build_requirement(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    fails = f"\nassert __import__('os').path.exists({str(flag)!r})\n"
    torch = make_tree(tmp_path, "torch", backend=fails)
    ext = make_tree(tmp_path, "ext", build_requires=["torch"], backend="\nimport torch\n")

    def seen(event: v.KnownEvent, state: pool.RunState) -> pool.Control | None:
        outcome = outcome_of(event, state, "ext") or outcome_of(event, state, "torch")
        builds = {build.name: build for build in state.builds.values()}
        match outcome:
            case pool.Outcome.SKIPPED if not flag.exists():
                flag.touch()
                return pool.Retry(build=builds["torch"].id)
            case pool.Outcome.BUILT if isinstance(event, v.BuildFinished):
                if event.build == builds["torch"].id:
                    return pool.Retry(build=builds["ext"].id)
        return None

    how = make_settings(
        tmp_path, not_isolated=frozenset({pool.ALL}), **install_into(tmp_path / "env")
    )
    _, state = await run_pool(how, ext, torch, on_event=seen)
    assert state.environment is not None
    assert {change.name for change in state.environment.changes} == {"torch", "ext"}
