"""The cache command: its listing, its selection, and its errors."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import pool
from app.cli import main as cli
from app.config.paths import cache_dir
from app.plain import cache as caches
from pool.cache.prune import CacheEntry, shared_cache_lock
from pool.cache.wheel_cache import WheelCache
from tests.support.cache_keys import make_cache_key

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.home import Home


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "wheelpool"


@pytest.fixture
def full(cache: Path) -> Path:
    for number in range(3):
        file = cache / "files" / str(number) / "some-1.tar.gz"
        file.parent.mkdir(parents=True)
        file.write_bytes(bytes(1 << 20))
        # In the order of their numbers; the later one counts where a file was also just made.
        os.utime(file, (4e9 + number, 4e9 + number))
    wheel = cache.parent / "some-1-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    WheelCache(cache, pool.SystemClock()).store(
        wheel,
        [make_cache_key()],
        hook_requires=[],
        wheels=[],
        name="some",
        version="1",
        seconds=252.0,
    )
    return cache


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], list[str]]:
    code = cli.run(["cache", *words])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def downloads(cache: Path) -> list[str]:
    return sorted(folder.name for folder in (cache / "files").iterdir())


def test_the_folder_is_printed_alone(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "dir") == (0, [str(cache)], [])
    assert not cache.exists()


def test_empty_cache_has_one_line(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "info") == (0, [str(cache), "empty"], [])
    assert run(capsys, "prune", "--all") == (0, ["nothing to remove"], [])
    assert not cache.exists()


def test_each_kind_has_its_line(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = run(capsys, "info")
    assert code == 0
    words = [line.split()[:-2] for line in lines[2:-1]]
    assert words == [
        ["built", "wheels", "1", "5", "B"],
        ["notes", "of", "builds", "2", *words[1][4:]],
        ["downloaded", "files", "3", "3", "MiB"],
        ["total", "6", "3", "MiB"],
    ]
    assert lines[-1] == "the built wheels took 4 min 12 s to build"


def test_the_longest_unused_go_until_the_rest_is_small_enough(
    full: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines, _ = run(capsys, "prune", "--max-size", "1.5M")
    assert code == 0
    assert lines[-2:] == ["removed downloaded files: 2, 2 MiB", "removed in total: 2 MiB"]
    assert downloads(full) == ["2"]


def test_recently_used_entries_stay(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "prune") == (0, ["nothing to remove"], [])
    assert run(capsys, "prune", "--older-than", "1") == (0, ["nothing to remove"], [])


def test_a_dry_run_removes_nothing(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with shared_cache_lock(full):
        code, lines, err = run(capsys, "prune", "--all", "--dry-run")
    assert (code, err) == (0, [])
    assert "would remove downloaded files: 3, 3 MiB" in lines
    assert downloads(full) == ["0", "1", "2"]


def test_paths_that_could_not_be_removed_are_an_error(
    full: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pool.cache.prune.remove_tree", lambda path: [path / "x", path / "y"])
    code, lines, err = run(capsys, "prune", "--all")
    assert (code, lines) == (2, ["nothing to remove"])
    assert "x and 11 more: cannot be removed" in err[0]


def test_all_goes(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = run(capsys, "prune", "--all")
    assert code == 0
    assert "removed built wheels: 1, 5 B" in lines
    assert run(capsys, "info")[1] == [str(full), "empty"]


def test_runs_that_use_the_cache_are_listed_while_waiting(home: Home) -> None:
    place = home.root / "cache" / "wheelpool"
    with shared_cache_lock(place):
        process = home.start("cache", "prune", "--all")
        assert process.stderr
        assert process.stderr.readline() == "wheelpool: the cache is in use; waiting\n"
    assert process.communicate()[0] == "nothing to remove\n"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        (["20261121-031205-4711"], "1 run is using the cache (pid 4711); waiting"),
        (["1-2-1", "1-2-2"], "2 runs are using the cache (pid 1, 2); waiting"),
        (["1-2-7", "1-2-7-2"], "2 runs are using the cache (pid 7); waiting"),
    ],
)
def test_runs_are_named_by_their_pids(runs: list[str], told: str) -> None:
    assert caches._users(runs) == told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--older-than", "soon"], "--older-than: 'soon' is not a number of days"),
        (["--older-than", "-1"], "--older-than: '-1' is not a number of days"),
        (["--older-than", "nan"], "--older-than: 'nan' is not a number of days"),
        (["--max-size", "5X"], "--max-size: '5X' is not a size"),
        (["--max-size", "-5"], "--max-size: '-5' is not a size"),
        (["--max-size", ""], "--max-size: '' is not a size"),
        (["--max-size", "9" * 400], "--max-size: '999"),
        (["--all", "--max-size", "5"], "--all cannot be combined"),
    ],
)
def test_invalid_values_are_errors_and_nothing_is_pruned(
    full: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "prune", *words)
    assert (code, out) == (2, [])
    assert err[0].startswith(f"wheelpool: {told}")
    assert downloads(full) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("text", "stays"),
    [("3", 3), ("2k", 2048), ("2KiB", 2048), ("1.5 GB", 3 << 29), ("1T", 1 << 40)],
)
def test_sizes_are_read_as_people_write_them(text: str, stays: int) -> None:
    choose = caches.parse_selection(None, text, everything=False)
    item = CacheEntry(kind="k", path=cache_dir(), bytes=stays, last_used=0.0)
    assert choose([item]) == []
    assert choose([CacheEntry(kind="k", path=item.path, bytes=stays + 1, last_used=0.0)]) != []
