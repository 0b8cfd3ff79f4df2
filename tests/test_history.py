"""What builds took before: by version, then by name, the newest only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pool.history import History, Past

MIB = 1 << 20


def test_the_same_version_counts_before_the_same_name(tmp_path: Path) -> None:
    history = History(tmp_path / "state" / "history.sqlite")
    history.record("Some.Name", "1.0", seconds=10.0, peak=100 * MIB)
    history.record("some-name", "2.0", seconds=30.0, peak=300 * MIB)
    asked = [("some_name", "1.0"), ("some_name", "3.0"), ("some_name", None), ("other", "1.0")]
    assert history.expected(asked) == [
        Past(seconds=10.0, peak=100 * MIB),
        Past(seconds=20.0, peak=300 * MIB),
        Past(seconds=20.0, peak=300 * MIB),
        Past(),
    ]


def test_the_largest_of_the_newest_peaks_counts_and_old_ones_fade(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    for peak in (900, 100, 120, 110, 0, 90):
        history.record("a", "1", seconds=1.0, peak=peak * MIB)
    assert history.expected([("a", "1")]) == [Past(seconds=1.0, peak=120 * MIB)]


def test_a_build_whose_peak_nobody_saw_has_none(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.record("a", "1", seconds=1.0, peak=0)
    assert history.expected([("a", "1")]) == [Past(seconds=1.0, peak=None)]


def test_a_file_that_cannot_be_read_knows_nothing_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "history.sqlite").write_text("no database, but long enough to be looked at" * 9)
    history = History(tmp_path / "history.sqlite")
    history.record("a", "1", seconds=1.0, peak=1)
    assert history.expected([("a", "1"), ("b", "1")]) == [Past(), Past()]


def test_several_write_at_the_same_time(tmp_path: Path) -> None:
    def write(number: int) -> None:
        history = History(tmp_path / "history.sqlite")
        history.record(f"p{number}", "1", seconds=1.0, peak=number + 1)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(40)))
    known = History(tmp_path / "history.sqlite").expected([(f"p{n}", "1") for n in range(40)])
    assert [past.peak for past in known] == list(range(1, 41))
