"""Runs from the cache alone have the events of the engine's; what is unusual is left to it."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from packaging.requirements import Requirement

import pool
from pool.events import types as v
from pool.requirements.request import Constraint
from pool.sources import evidence
from tests.support.makers import make_sdist, make_tree, make_wheel
from tests.support.pool_runs import make_settings, open_run, run_pool

if TYPE_CHECKING:
    from collections.abc import Callable

IRRELEVANT = {
    "seq": 0, "t": 0.0, "seconds": 0.0, "priority": None, "reserved": 0,
    "expected": None, "expected_peak": None,
}  # fmt: skip
"""Times and estimates, which differ from run to run."""


def complete(settings: pool.Settings, *targets: Path | str, **fields: Any) -> pool.CachedRun | None:
    parsed = tuple(pool.parse_requirement(str(text), settings.cache_dir) for text in targets)
    request = pool.Request(requirements=parsed, **fields)
    return pool.complete_from_cache(settings, request, pool.SystemClock())


def without_times(event: v.Event) -> v.Event:
    fields = {name: IRRELEVANT[name] for name in event.__struct_fields__ if name in IRRELEVANT}
    return msgspec.structs.replace(event, **fields)


async def test_cached_run_has_the_events_of_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "_YOUNG_SECONDS", 0.0)
    settings = make_settings(tmp_path)
    make_sdist(tmp_path / "links", "some-name")
    trees = (make_tree(tmp_path, "some-tree"), make_sdist(tmp_path, "some-sdist"))
    sources = (*trees, "some-name==1.0", "some-name; python_version > '3'", "no; os_name == 'x'")
    await run_pool(settings, *sources)
    events: list[v.KnownEvent] = []

    def record(event: v.KnownEvent, _state: pool.RunState) -> None:
        events.append(event)

    _, state = await run_pool(settings, *sources, on_event=record)
    run = complete(settings, *sources)
    assert run is not None
    # The engine looks up several builds at once, and lets an sdist wait for its slot and its file.
    fetching = (v.BuildWaiting, v.DownloadStarted, v.DownloadFinished)
    engine = [
        event
        for event in events
        if not isinstance(event, fetching)
        and not (isinstance(event, v.BuildPhase) and event.phase is pool.Phase.FETCH)
    ]
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


def hash_of(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def constraint(text: str) -> Constraint:
    return Constraint(requirement=Requirement(text), origin="constraints.txt:1")


async def test_cached_run_of_a_name_needs_the_same_rules(tmp_path: Path, links: Path) -> None:
    settings = make_settings(tmp_path)
    make_sdist(links, "a")
    await run_pool(settings, "a")
    assert complete(settings, "a") is not None
    assert complete(settings, "a", constraints=(constraint("b<1"),)) is not None
    assert complete(settings, "a<3") is None
    assert complete(settings, "a", constraints=(constraint("a<3"),)) is None
    assert complete(settings, "a", pre=True) is None
    assert complete(settings, "a", require_hashes=True) is None
    only_wheels = pool.FormatControl(only_binary=frozenset({"a"}))
    assert complete(settings, "a", formats=only_wheels) is None


@pytest.mark.parametrize("digest", ["right", "wrong"])
async def test_cached_run_of_a_name_has_one_of_its_hashes(
    tmp_path: Path, links: Path, digest: str
) -> None:
    settings = make_settings(tmp_path)
    right = hash_of(make_sdist(links, "a"))
    named = pool.parse_requirement("a", tmp_path)
    hashes = {"right": right, "wrong": f"sha256:{64 * '0'}"}
    spec = msgspec.structs.replace(named, hashes=frozenset({hashes[digest]}))
    request = pool.Request(requirements=(spec,), require_hashes=True)
    async with open_run(settings, request, lambda _: None) as run:
        assert await run.run() == (0 if digest == "right" else 1)
    found = pool.complete_from_cache(settings, request, pool.SystemClock())
    assert (found is not None) == (digest == "right")


def publish(links: Path) -> None:
    make_sdist(links, "a", "2.0")


def replace(links: Path) -> None:
    make_sdist(links, "a", files={"a.py": "changed = True"})


def delete(links: Path) -> None:
    (links / "a-1.0.tar.gz").unlink()


@pytest.mark.parametrize("change", [publish, replace, delete])
async def test_cached_run_of_a_name_is_none_after_its_files_changed(
    tmp_path: Path, links: Path, change: Callable[[Path], None]
) -> None:
    settings = make_settings(tmp_path)
    make_sdist(links, "a")
    await run_pool(settings, "a")
    assert complete(settings, "a") is not None
    change(links)
    assert complete(settings, "a") is None


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
