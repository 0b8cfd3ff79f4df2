"""Full file systems during a run: what needs them fails by their name, the rest is built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

import pool
from tests.support.makers import make_tree
from tests.support.mounts import mounted
from tests.support.pool_runs import make_settings, run_pool

if TYPE_CHECKING:
    from collections.abc import Iterator

FILLS = """
import os
real = build_wheel

def build_wheel(*arguments):
    with open(os.path.join(FULL, "fill"), "wb", 0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    print("output " * 10_000)
    return real(*arguments)
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    with mounted(folder, size="1m"):
        yield folder


async def _run(
    small: Path, tmp_path: Path, **places: Path
) -> tuple[dict[str, pool.BuildState], pool.RunState]:
    """Build a tree that fills the small file system, then one that does not."""
    fills = make_tree(tmp_path, "fills", backend=f"FULL = {str(small)!r}\n" + FILLS)
    good = make_tree(tmp_path, "good")
    changed: dict[str, Any] = dict(places)
    settings = msgspec.structs.replace(make_settings(tmp_path, builds=1), **changed)
    code, state = await run_pool(settings, fills, good)
    assert code in (0, 1)
    return {build.name: build for build in state.builds.values()}, state


async def test_full_cache_is_named_by_the_builds_that_need_it(small: Path, tmp_path: Path) -> None:
    builds, _ = await _run(small, tmp_path, cache_dir=small / "cache")
    for build in builds.values():
        assert build.outcome is pool.Outcome.FAILED
        assert build.message.startswith(f"no space left in {small}/cache")
        assert "XDG_CACHE_HOME" in build.hint


async def test_full_folder_of_wheels_is_named(small: Path, tmp_path: Path) -> None:
    builds, _ = await _run(small, tmp_path, out_dir=small)
    assert {build.outcome for build in builds.values()} == {pool.Outcome.FAILED}
    assert all(f"no space left in {small}" in build.message for build in builds.values())


async def test_full_folder_of_logs_leaves_a_journal_that_can_be_read(
    small: Path, tmp_path: Path
) -> None:
    journal = small / "run.jsonl"
    builds, state = await _run(small, tmp_path, journal=journal)
    assert builds["good"].outcome is pool.Outcome.BUILT
    assert builds["fills"].outcome is pool.Outcome.FAILED
    assert builds["fills"].message.startswith(f"no space left in {small}/run.logs")
    assert state.warning == f"the log is incomplete: {small}: no space left on device"
    with pool.JournalReader(journal) as reader:
        assert len(list(reader.read())) >= 3


REMOVE_ONCE = """
import os, shutil
def remove_cache():
    if not os.path.exists({flag!r}):
        open({flag!r}, "w").close()
        shutil.rmtree({cache!r})
"""
MOMENTS = {
    "before_the_wheel": """
real = build_wheel
def build_wheel(*arguments):
    remove_cache()
    return real(*arguments)
""",
    "after_the_wheel": """
real = build_wheel
def build_wheel(folder, *arguments):
    try:
        return real(folder, *arguments)
    finally:
        remove_cache()
""",
    "and_made_again_in_part": """
real = build_wheel
def build_wheel(folder, *arguments):
    remove_cache()
    os.makedirs(folder, exist_ok=True)
    return real(folder, *arguments)
""",
    "with_the_requirements": """
def get_requires_for_build_wheel(config_settings=None):
    remove_cache()
    return []
""",
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_cache_removed_while_builds_run_is_made_again(tmp_path: Path, moment: str) -> None:
    flag, cache = str(tmp_path / "flag"), str(tmp_path / "cache")
    removes = REMOVE_ONCE.format(flag=flag, cache=cache) + MOMENTS[moment]
    trees = [make_tree(tmp_path, "removes", backend=removes)]
    trees += [make_tree(tmp_path, f"good{number}") for number in range(3)]
    code, state = await run_pool(make_settings(tmp_path, builds=2), *trees)
    assert code == 0
    outcomes = {build.outcome for build in state.builds.values()}
    assert outcomes == {pool.Outcome.BUILT}
    assert not [*(tmp_path / "cache/builds").glob("*")]
    with pool.JournalReader(tmp_path / "run.jsonl") as reader:
        assert list(reader.read())[-1].seq == state.seq


async def test_cache_that_a_build_always_removes_fails_it(tmp_path: Path) -> None:
    removes = f"import shutil; shutil.rmtree({str(tmp_path / 'cache')!r})"
    tree = make_tree(tmp_path, "removes", backend=removes)
    code, state = await run_pool(make_settings(tmp_path), tree)
    (removed,) = state.builds.values()
    assert (code, removed.outcome) == (1, pool.Outcome.FAILED)
