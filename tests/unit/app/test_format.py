"""Durations, sizes and counts as text."""

from __future__ import annotations

import pytest

from app.format import format_clock, format_duration, format_estimate, format_size, format_size_of


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "0.0 s"),
        (4.14, "4.1 s"),
        (59.94, "59.9 s"),
        (59.97, "1 min 00 s"),
        (252, "4 min 12 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1024, "1 KiB"),
        (88 << 10, "88 KiB"),
        (412 << 20, "412 MiB"),
        (int(3.1 * (1 << 30)), "3.1 GiB"),
        (24 << 30, "24 GiB"),
    ],
)
def test_sizes(count: int, words: str) -> None:
    assert format_size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0:00"), (7.9, "0:07"), (750, "12:30"), (3723, "1:02:03")]
)
def test_clocks(seconds: float, words: str) -> None:
    assert format_clock(seconds) == words


def test_a_part_of_a_size_has_one_unit_where_one_is_enough() -> None:
    assert format_size_of(12 << 20, 40 << 20) == "12 of 40 MiB"
    assert format_size_of(900 << 10, 2 << 20) == "900 KiB of 2 MiB"
    assert (format_size(4.1 * (1 << 20)), format_size(4.1 * (1 << 20), fine=True)) == (
        "4 MiB",
        "4.1 MiB",
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "a few seconds"), (9.0, "a few seconds"), (14.0, "about 20 s"), (50.0, "about 50 s"),
        (58.0, "about 1 min"), (170.0, "about 3 min"), (700.0, "about 15 min"),
        (3500.0, "about 1 h"), (5000.0, "about 1.5 h"),
    ],
)  # fmt: skip
def test_guesses(seconds: float, words: str) -> None:
    assert format_estimate(seconds) == words
