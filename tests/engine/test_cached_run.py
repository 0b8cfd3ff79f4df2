"""Runs from the cache alone have the events of the engine's; what is unusual is left to it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

import pool
from pool.events import types as v
from pool.sources import evidence
from tests.support.makers import make_sdist, make_tree, make_wheel
from tests.support.pool_runs import make_settings, run_pool

if TYPE_CHECKING:
    from collections.abc import Callable

IRRELEVANT = {
    "seq": 0, "t": 0.0, "seconds": 0.0, "priority": None, "reserved": 0,
    "expected": None, "expected_peak": None,
}  # fmt: skip
"""Times and estimates, which differ from run to run."""


def complete(settings: pool.Settings, *targets: Path) -> pool.CachedRun | None:
    parsed = tuple(pool.parse_requirement(str(path), settings.cache_dir) for path in targets)
    request = pool.Request(requirements=parsed)
    return pool.complete_from_cache(settings, request, pool.SystemClock())


def without_times(event: v.Event) -> v.Event:
    fields = {name: IRRELEVANT[name] for name in event.__struct_fields__ if name in IRRELEVANT}
    return msgspec.structs.replace(event, **fields)


async def test_cached_run_has_the_events_of_the_engine(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    sources = (make_tree(tmp_path, "some-tree"), make_sdist(tmp_path, "some-sdist"))
    await run_pool(settings, *sources)
    events: list[v.KnownEvent] = []

    def record(event: v.KnownEvent, _state: pool.RunState) -> None:
        events.append(event)

    _, state = await run_pool(settings, *sources, on_event=record)
    run = complete(settings, *sources)
    assert run is not None
    # The engine looks up several builds at once, and lets an sdist wait for its slot.
    engine = [event for event in events if not isinstance(event, v.BuildWaiting)]
    one_slot = [
        msgspec.structs.replace(event, slot=1) if isinstance(event, v.BuildStarted) else event
        for event in engine
    ]
    key = lambda event: (getattr(event, "build", None) or "", event.seq)  # noqa: E731
    assert list(map(without_times, sorted(run.events, key=key))) == list(
        map(without_times, sorted(one_slot, key=key))
    )
    with pool.JournalReader(run.journal) as journal:
        assert list(journal.read()) == list(run.events)
        assert journal.header == run.header
    cached = pool.RunState(header=run.header)
    pool.apply_all(cached, run.events)
    assert {build.wheel for build in cached.builds.values()} == {
        build.wheel for build in state.builds.values()
    }


def lock(tree: Path) -> int:
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return fd


def edit(tree: Path) -> None:
    (tree / "new.txt").write_text("")


def damage(tree: Path) -> None:
    for wheel in tree.parent.glob("cache/built-*/wheels/*/*.whl"):
        wheel.write_bytes(b"damaged")


def forget_rules(tree: Path) -> None:
    for key in tree.parent.glob("cache/built-*/keys/*"):
        entries = msgspec.json.decode(key.read_bytes())
        key.write_bytes(msgspec.json.encode([{**entry, "rules": 0} for entry in entries]))


def refuse_output(tree: Path) -> None:
    (tree.parent / "out" / "a-1.0-py3-none-any.whl").unlink()
    (tree.parent / "out" / "a-1.0-py3-none-any.whl").mkdir()


@pytest.mark.parametrize("change", [lock, edit, damage, forget_rules, refuse_output])
async def test_cached_run_of_a_changed_source_is_none_and_leaves_nothing(
    tmp_path: Path, change: Callable[[Path], int | None]
) -> None:
    settings = msgspec.structs.replace(make_settings(tmp_path), journal=None)
    tree = make_tree(tmp_path, "a")
    await run_pool(settings, tree)
    assert complete(settings, tree) is not None
    runs = sorted((tmp_path / "state" / "runs").iterdir())
    held = change(tree)
    try:
        assert complete(settings, tree) is None
    finally:
        if held is not None:
            os.close(held)
    assert sorted((tmp_path / "state" / "runs").iterdir()) == runs


@pytest.mark.parametrize(
    "field",
    [
        {"cache": False},
        {"refresh": frozenset({"a"})},
        {"not_isolated": frozenset({":all:"})},
        {"copy": True},
        {"deps": True},
        {"python": Path("python3")},
        {"config_settings": {"x": "y"}},
        {"environ": {"PATH": os.defpath, "CFLAGS": "-O3"}},
    ],
    ids=str,
)
async def test_cached_run_with_other_settings_is_none(
    tmp_path: Path, field: dict[str, object]
) -> None:
    settings = make_settings(tmp_path)
    tree = make_tree(tmp_path, "a")
    await run_pool(settings, tree)
    assert complete(settings, tree) is not None
    assert complete(msgspec.structs.replace(settings, **field), tree) is None


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a build requirement, which counts as old enough."""
    monkeypatch.setattr(evidence, "_YOUNG_SECONDS", 0.0)
    return make_wheel(tmp_path / "links", "needed").parent


def add_newer(links: Path) -> None:
    make_wheel(links, "needed", "2.0")


def rewrite(links: Path) -> None:
    make_wheel(links, "needed", files={"needed.py": "changed = True"})


@pytest.mark.parametrize("change", [add_newer, rewrite])
async def test_cached_run_needs_the_same_build_requirements(
    tmp_path: Path, links: Path, change: Callable[[Path], None]
) -> None:
    settings = make_settings(tmp_path)
    tree = make_tree(tmp_path, "a", build_requires=["needed"])
    await run_pool(settings, tree)
    assert complete(settings, tree) is not None
    other = msgspec.structs.replace(settings.index, index_url="https://other.example/simple")
    assert complete(msgspec.structs.replace(settings, index=other), tree) is None
    change(links)
    assert complete(settings, tree) is None


async def test_cached_run_of_a_young_requirement_is_none(tmp_path: Path) -> None:
    make_wheel(tmp_path / "links", "needed")
    settings = make_settings(tmp_path)
    tree = make_tree(tmp_path, "a", build_requires=["needed"])
    await run_pool(settings, tree)
    assert complete(settings, tree) is None


async def test_cached_run_of_two_sources_of_one_wheel_is_none(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    trees = make_tree(tmp_path / "one", "a"), make_tree(tmp_path / "two", "a")
    for tree in trees:
        await run_pool(settings, tree)
        assert complete(settings, tree) is not None
    assert complete(settings, *trees) is None
