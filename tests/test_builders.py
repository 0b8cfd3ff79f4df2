"""Builds that need each other, when some go wrong, are given up, or are tried again."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pool
from pool.events import vocabulary as v
from tests.integration.target import Target
from tests.makers import make_sdist, make_tree, make_wheel

PATIENCE_SECONDS = 60
"""Only what waits for ever takes so long."""


def settings(root: Path, **more: Any) -> pool.Settings:
    environ = {"PATH": os.environ["PATH"], "PIP_CONFIG_FILE": os.devnull, "TMPDIR": str(root)}
    overrides = pool.IndexOverrides(no_index=True, find_links=(str(root / "links"),))
    given: dict[str, Any] = {"builds": 2, "jobs": 2, "out_dir": root / "out", **more}
    return pool.Settings(
        downloads=1, installs=1, cache_dir=root / "cache", state_dir=root / "state",
        journal=root / "run.jsonl", environ=environ, argv=("test",),
        index=pool.index_settings(environ, overrides), **given,
    )  # fmt: skip


def into(path: Path) -> dict[str, Any]:
    """What settings have where an environment is the aim."""
    return {"out_dir": None, "installs_into": Target(path).path, "deps": True}


async def ran(
    how: pool.Settings,
    *wishes: str | Path,
    seen: Callable[[v.KnownEvent, pool.State], pool.Control | None] = lambda *_: None,
    linger: bool = False,
) -> tuple[int, pool.State]:
    """Run to the end; return the exit code and the state.

    Args:
        how: the settings.
        wishes: what is asked for.
        seen: answers events with commands.
        linger: as the pool takes it.
    """
    state, loop = pool.State(), asyncio.get_running_loop()

    def listen(event: v.KnownEvent) -> None:
        pool.fold(state, event)
        if (control := seen(event, state)) is not None:
            loop.call_soon(the_pool.control, control)

    asked = tuple(pool.parse_wish(str(wish), how.cache_dir.parent) for wish in wishes)
    the_pool = pool.Pool(how, pool.Request(wishes=asked), listen, linger=linger)
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await the_pool.run(), state


def last(state: pool.State, name: str) -> pool.BuildState:
    """Return the last build of a name."""
    return [build for build in state.builds.values() if build.name == name][-1]


def ended(event: v.KnownEvent, state: pool.State, name: str) -> pool.Outcome | None:
    """Return the outcome of a build of that name, if that is what an event tells."""
    mine = isinstance(event, v.BuildFinished) and state.builds[event.build].name == name
    return event.outcome if mine and isinstance(event, v.BuildFinished) else None


async def test_what_was_given_up_is_built_for_who_needs_it_later(tmp_path: Path) -> None:
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

    def seen(event: v.KnownEvent, state: pool.State) -> None:
        if ended(event, state, "helper") is pool.Outcome.CANCELLED:
            opener.start()

    code, state = await ran(settings(tmp_path), first, second, seen=seen)
    opener.join()
    assert code == 1
    assert last(state, "first").outcome is pool.Outcome.SKIPPED
    assert last(state, "second").outcome is pool.Outcome.BUILT, last(state, "second").message


async def test_it_is_said_why_what_was_fetched_cannot_be_unpacked(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", "evil", files={"../evil.py": ""})

    def seen(event: v.KnownEvent, _: pool.State) -> pool.Control | None:
        return pool.Stop() if isinstance(event, v.EnvironmentFailed) else None

    how = settings(tmp_path, **into(tmp_path / "env"))
    code, state = await ran(how, "evil", seen=seen, linger=True)
    assert code == 1
    assert state.environment is not None
    assert "evil 1.0, which cannot be unpacked: " in state.environment.message
    assert "../evil.py" in state.environment.message


async def test_who_is_built_with_something_gets_its_next_try(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    fails = f"\nassert __import__('os').path.exists({str(flag)!r})\n"
    torch = make_tree(tmp_path, "torch", backend=fails)
    ext = make_tree(tmp_path, "ext", build_requires=["torch"], backend="\nimport torch\n")

    def seen(event: v.KnownEvent, state: pool.State) -> pool.Control | None:
        if isinstance(event, v.EnvironmentChanged) and event.changes[-1].name == "ext":
            return pool.Stop()
        outcome = ended(event, state, "ext") or ended(event, state, "torch")
        builds = {build.name: build for build in state.builds.values()}
        match outcome:
            case pool.Outcome.SKIPPED if not flag.exists():
                flag.touch()
                return pool.Retry(build=builds["torch"].id)
            case pool.Outcome.BUILT if isinstance(event, v.BuildFinished):
                if event.build == builds["torch"].id:
                    return pool.Retry(build=builds["ext"].id)
        return pool.Stop() if flag.exists() and outcome is pool.Outcome.SKIPPED else None

    how = settings(tmp_path, not_isolated=frozenset({pool.ALL}), **into(tmp_path / "env"))
    _, state = await ran(how, ext, torch, seen=seen, linger=True)
    assert state.environment is not None
    assert {change.name for change in state.environment.changes} == {"torch", "ext"}
