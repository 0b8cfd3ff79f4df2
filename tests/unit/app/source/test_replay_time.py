"""Times of a run as users type them; invalid times are errors."""

from __future__ import annotations

import pytest

import pool
from app.source.base import Mark
from app.source.replay_time import next_failure, parse_time, previous_failure

MARKS = (
    Mark(t=0.0, kind="failure"),
    Mark(t=40.0, kind="cap"),
    Mark(t=60.0, kind="failure"),
    Mark(t=5000.0, kind="failure"),
)
LENGTH = 7200.5


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("12:30", 750.0),
        ("1:02:03", 3723.0),
        ("90", 90.0),
        ("90s", 90.0),
        (" 1.5 ", 1.5),
        ("+30", 130.0),
        ("-30", 70.0),
        ("-10:00", 0.0),
        ("+9:00:00", LENGTH),
        ("50%", LENGTH / 2),
        ("100 %", LENGTH),
        ("0", 0.0),
        ("7200", 7200.0),
        ("start", 0.0),
        ("END", LENGTH),
        ("failure", 5000.0),
    ],
)
def test_a_time_is_found(text: str, at: float) -> None:
    assert parse_time(text, 100.0, LENGTH, MARKS) == at


@pytest.mark.parametrize(
    "text", ["", "x", "12:", ":30", "1:2:3:4", "101%", "-50%", "%", "++3", "1e3", "½", "٣", "nan"]
)
def test_invalid_time_is_an_error_with_examples(text: str) -> None:
    with pytest.raises(pool.SettingsError, match=r"^invalid time ") as refused:
        parse_time(text, 100.0, LENGTH, MARKS)
    assert "12:30" in refused.value.hint


def test_a_time_after_the_end_is_refused() -> None:
    with pytest.raises(pool.SettingsError, match="99:00 is after the end of the run, 1:30"):
        parse_time("99:00", 0.0, 90.0, ())


def test_the_first_failure_may_be_at_the_very_beginning() -> None:
    assert parse_time("failure", 0.0, LENGTH, MARKS) == 0.0


@pytest.mark.parametrize(
    ("marks", "told"), [(MARKS[:1], "in this run after that"), (MARKS[1:2], "in this run$")]
)
def test_run_without_failures_rejects_seek_to_failure(marks: tuple[Mark, ...], told: str) -> None:
    with pytest.raises(pool.SettingsError, match=told):
        parse_time("failure", 100.0, LENGTH, marks)


def test_failures_are_gone_through_in_both_directions() -> None:
    assert next_failure(0.0, MARKS) == 60.0
    assert next_failure(60.0, MARKS) == 5000.0
    assert next_failure(5000.0, MARKS) is None
    assert previous_failure(5000.0, MARKS) == 60.0
    assert previous_failure(0.0, MARKS) is None
