"""Pruning removes unused entries, oldest first; entries in use stay until their run has ended."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pool.build.workspace import RunWorkspace
from pool.cache.prune import (
    CacheEntry,
    list_entries,
    list_live_runs,
    prune_cache,
    select_entries,
    shared_cache_lock,
)
from pool.common.errors import LockError
from pool.common.model import BuildId, RunId
from tests.support.lock_holders import another, child

if TYPE_CHECKING:
    from collections.abc import Sequence

FILES = {
    "built-1/wheels/aa/some-1.whl": "built wheels",
    "built-1/keys/bb": "notes of builds",
    "files/cc/some-1.tar.gz": "downloaded files",
    "wheels/cpython-311-a70d/dd/purelib/some.py": "unpacked wheels",
    "pages-2/ee": "index pages",
    "git/ff/HEAD": "git repositories",
    "builds/20261121-031205-1/b1/.kept": "build folders",
    "pages-0/gg": "other",
}
LATER = 4_000_000_000.0
"""A time at which everything is old."""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "cache" / name
        path.parent.mkdir(parents=True)
        path.write_text(name)
    return tmp_path / "cache"


def nobody(runs: Sequence[str]) -> None:
    pytest.fail(f"waited for {runs}")


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_each_kind_is_reported_with_its_size_and_use(cache: Path) -> None:
    found = list_entries(cache)
    assert [item.kind for item in found] == list(FILES.values())
    assert [item.bytes for item in found] == [len(name) for name in FILES]
    assert all(item.last_used > 1_000_000_000 for item in found)


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert list_entries(tmp_path / "gone") == []
    assert list_live_runs(tmp_path / "gone") == []


def test_a_file_with_two_names_counts_once(cache: Path) -> None:
    env = cache / "builds/20261121-031205-1/b1/env"
    env.mkdir()
    (env / "some.py").hardlink_to(cache / "wheels/cpython-311-a70d/dd/purelib/some.py")
    assert sum(item.bytes for item in list_entries(cache)) == sum(map(len, FILES))


def test_a_link_into_an_environment_is_a_use(cache: Path, tmp_path: Path) -> None:
    path = cache / "wheels/cpython-311-a70d/dd/purelib/some.py"
    os.utime(path, (0, 0))
    before = next(item for item in list_entries(cache) if item.kind == "unpacked wheels").last_used
    while path.stat().st_ctime <= before:
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").hardlink_to(path)
    assert (
        next(item for item in list_entries(cache) if item.kind == "unpacked wheels").last_used
        > before
    )


def test_everything_goes_but_the_lock(cache: Path) -> None:
    gone = prune_cache(cache, list, nobody).removed
    assert {item.kind for item in gone} == set(FILES.values())
    assert files(cache) == {".lock"}
    assert not list((cache / "builds").iterdir())


def test_prune_returns_paths_that_it_could_not_remove(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_for_gg(name: str, *, dir_fd: int | None = None) -> None:
        if name == "gg":
            raise PermissionError(errno.EPERM, "not permitted")
        unlink(name, dir_fd=dir_fd)

    unlink = os.unlink
    monkeypatch.setattr(os, "unlink", fail_for_gg)
    result = prune_cache(cache, list, nobody)
    assert {item.kind for item in result.removed} == set(FILES.values()) - {"other"}
    assert [path.name for path in result.left] == ["gg"]


def test_entries_that_are_not_selected_stay_unchanged(cache: Path) -> None:
    prune_cache(cache, lambda found: [item for item in found if item.kind == "other"], nobody)
    assert files(cache) == {*FILES, ".lock"} - {"pages-0/gg"}


def test_a_link_out_of_the_cache_is_removed_and_nothing_behind_it(
    cache: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (cache / "files/link").symlink_to(outside)
    prune_cache(cache, list, nobody)
    assert (outside / "precious").exists()


def test_entries_used_by_a_live_run_are_never_removed(cache: Path) -> None:
    """The run begins before the pruning, and sees all there is until it ends."""
    told: list[Sequence[str]] = []
    waiting = threading.Event()

    def tell(runs: Sequence[str]) -> None:
        told.append(runs)
        waiting.set()

    with shared_cache_lock(cache):
        run = RunWorkspace(cache, RunId("20261121-031205-4711"))
        run.build_dir(BuildId("b1")).make()
        pruning = threading.Thread(target=prune_cache, args=(cache, list, tell))
        pruning.start()
        assert waiting.wait(60)
        assert set(FILES) < files(cache)
        assert run.build_dir(BuildId("b1")).wheels.is_dir()
        run.close()
    pruning.join()
    assert told == [["20261121-031205-4711"]]
    assert files(cache) == {".lock"}


USE = """
import sys
from pathlib import Path
from pool.cache.prune import shared_cache_lock
with shared_cache_lock(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_run_that_was_killed_uses_nothing(cache: Path) -> None:
    with child(USE, [str(cache)]) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        told: list[Sequence[str]] = []

        def tell(runs: Sequence[str]) -> None:
            told.append(runs)
            process.kill()

        prune_cache(cache, list, tell)
        assert told == [[]]
    assert files(cache) == {".lock"}


def test_many_runs_use_a_cache_at_once(cache: Path) -> None:
    with shared_cache_lock(cache), shared_cache_lock(cache):
        pass
    prune_cache(cache, list, nobody)


def test_no_run_can_begin_while_pruning_decides(cache: Path) -> None:
    def choose(found: Sequence[CacheEntry]) -> Sequence[CacheEntry]:
        with (cache / ".lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return found

    assert len(prune_cache(cache, choose, nobody).removed) == len(FILES)


def test_live_runs_are_those_with_locked_folders(cache: Path) -> None:
    with another(cache / "builds/20261121-031205-1"):
        assert list_live_runs(cache) == ["20261121-031205-1"]
    assert list_live_runs(cache) == []


def test_a_cache_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(LockError, match=r"not a directory|file exists"),
        shared_cache_lock(tmp_path / "file"),
    ):
        pass


def test_a_cache_on_a_file_system_without_locks_is_used_but_not_pruned(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, how: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("pool.cache.prune.fcntl.flock", refuse)
    with shared_cache_lock(cache):
        pass
    with pytest.raises(LockError, match="has no locks"):
        prune_cache(cache, list, nobody)
    assert set(FILES) <= files(cache)


ITEMS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100)), max_size=12).map(
    lambda pairs: [
        CacheEntry(kind="k", path=Path(str(number)), bytes=size, last_used=float(used))
        for number, (size, used) in enumerate(pairs)
    ]
)


@given(ITEMS, st.none() | st.integers(0, 60), st.none() | st.integers(0, 300))
def test_remaining_entries_fit_the_limits_and_are_younger_than_removed_ones(
    found: list[CacheEntry], older_than: int | None, most: int | None
) -> None:
    going = select_entries(found, 100.0, older_than, most)
    staying = [item for item in found if item not in going]
    if older_than is not None:
        assert all(100.0 - item.last_used <= older_than for item in staying)
    if most is not None:
        assert sum(item.bytes for item in staying) <= most
    assert all(gone.last_used <= kept.last_used for gone in going for kept in staying)
    if going and older_than is None:
        assert most is not None
        assert sum(item.bytes for item in [*staying, going[-1]]) > most
    if older_than is None and most is None:
        assert going == []


def test_pruning_loads_no_engine() -> None:
    code = "import sys, app.plain.cache; sys.exit('pool.engine.pool' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
