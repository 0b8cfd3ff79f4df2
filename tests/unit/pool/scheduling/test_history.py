"""The build history: estimates by version, then by name, from the newest builds only."""

from __future__ import annotations

import resource
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

import pytest

from pool.scheduling.history import BuildHistory, Estimate

MIB = 1 << 20


def test_estimates_prefer_builds_of_the_same_version(tmp_path: Path) -> None:
    history = BuildHistory(tmp_path / "state" / "history.sqlite")
    history.record("Some.Name", "1.0", seconds=10.0, peak=100 * MIB)
    history.record("some-name", "2.0", seconds=30.0, peak=300 * MIB)
    asked = [("some_name", "1.0"), ("some_name", "3.0"), ("some_name", None), ("other", "1.0")]
    assert history.estimate(asked) == [
        Estimate(seconds=10.0, peak=100 * MIB),
        Estimate(seconds=20.0, peak=300 * MIB),
        Estimate(seconds=20.0, peak=300 * MIB),
        Estimate(),
    ]


def test_the_estimated_peak_is_the_highest_of_the_newest_builds(tmp_path: Path) -> None:
    history = BuildHistory(tmp_path / "history.sqlite")
    for peak in (900, 100, 120, 110, 0, 90):
        history.record("a", "1", seconds=1.0, peak=peak * MIB)
    assert history.estimate([("a", "1")]) == [Estimate(seconds=1.0, peak=120 * MIB)]


def test_a_build_without_a_sampled_peak_has_no_estimated_peak(tmp_path: Path) -> None:
    history = BuildHistory(tmp_path / "history.sqlite")
    history.record("a", "1", seconds=1.0, peak=0)
    assert history.estimate([("a", "1")]) == [Estimate(seconds=1.0, peak=None)]


def test_an_unreadable_file_gives_no_estimates_and_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_text("no database, but long enough to be looked at" * 9)
    history = BuildHistory(tmp_path / "history.sqlite")
    history.record("a", "1", seconds=1.0, peak=1)
    assert history.estimate([("a", "1"), ("b", "1")]) == [Estimate(), Estimate()]
    assert history.trouble.endswith("history.sqlite: file is not a database")


@pytest.mark.parametrize(
    "content", [b"no database, but long" * 99, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_damaged_file_is_set_aside_and_begins_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(content)
    path.with_name("history.sqlite-wal").write_bytes(b"old")
    history = BuildHistory.load(path)
    assert "was damaged and begins anew" in history.notice
    history.record("a", "1", seconds=1.0, peak=1)
    assert not history.trouble
    assert BuildHistory.load(path).estimate([("a", "1")]) == [Estimate(seconds=1.0, peak=1)]
    assert BuildHistory.load(path).notice == ""
    assert (tmp_path / "history.damaged").read_bytes() == content


def test_a_folder_that_cannot_be_created_raises_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file is in the way")
    history = BuildHistory(tmp_path / "state" / "history.sqlite")
    history.record("a", "1", seconds=1.0, peak=1)
    assert history.summarize() is None
    assert history.trouble.startswith("the build history is not used: ")


def test_a_file_of_a_newer_schema_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript("CREATE TABLE other (x); PRAGMA user_version=99;")
    history = BuildHistory(path)
    history.record("a", "1", seconds=1.0, peak=1)
    assert history.trouble.endswith("written by a newer wheelpool")
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("other",)]


def test_a_file_without_a_schema_version_is_used(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    BuildHistory(path).record("a", "1", seconds=7.0, peak=1)
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=0")
    history = BuildHistory.load(path)
    history.record("b", "1", seconds=8.0, peak=1)
    assert [past.seconds for past in history.estimate([("a", "1"), ("b", "1")])] == [7.0, 8.0]
    assert not history.trouble


def test_a_full_disk_is_reported_and_raises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    history = BuildHistory(path)
    history.record("a", "1", seconds=1.0, peak=1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The kernel refuses to make files larger: as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        history.record("b", "1", seconds=1.0, peak=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "history.sqlite: " in history.trouble
    assert [
        past.seconds for past in BuildHistory.load(path).estimate([("a", "1"), ("b", "1")])
    ] == [
        1.0,
        None,
    ]


def test_eight_processes_record_a_thousand_builds_in_a_new_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state" / "history.sqlite"
    context = get_context("spawn")
    writers = [context.Process(target=write_many, args=(path, number)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
        writer.close()
    known = BuildHistory(path).summarize()
    assert known is not None
    assert known.names == 1000


def write_many(path: Path, number: int) -> None:
    """Record 125 builds, as a process of its own."""
    history = BuildHistory(path)
    for build in range(125):
        history.record(f"p{number}-{build}", "1", seconds=1.0, peak=1)
    assert not history.trouble, history.trouble


def test_threads_record_at_the_same_time(tmp_path: Path) -> None:
    def write(number: int) -> None:
        history = BuildHistory(tmp_path / "history.sqlite")
        history.record(f"p{number}", "1", seconds=1.0, peak=number + 1)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(40)))
    known = BuildHistory.load(tmp_path / "history.sqlite").estimate(
        [(f"p{n}", "1") for n in range(40)]
    )
    assert [past.peak for past in known] == list(range(1, 41))


def test_a_history_that_was_read_before_is_known_without_sqlite(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    BuildHistory(path).record("a", "1", seconds=7.0, peak=1)
    BuildHistory.load(path)
    with patch("sqlite3.connect", side_effect=AssertionError):
        history = BuildHistory.load(path)
    assert history.estimate([("a", "1")]) == [Estimate(seconds=7.0, peak=1)]


def test_a_history_that_was_written_since_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    BuildHistory(path).record("a", "1", seconds=7.0, peak=1)
    BuildHistory.load(path)
    BuildHistory(path).record("a", "1", seconds=9.0, peak=3)
    (estimate,) = BuildHistory.load(path).estimate([("a", "1")])
    assert estimate == Estimate(seconds=8.0, peak=3)
