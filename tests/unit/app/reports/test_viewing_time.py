"""Journals of older versions end when their screen was closed: that time is not the run's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import pool
from app.plain.report import record_to_json
from app.reports.html import render_html
from app.reports.junit import render_junit
from app.reports.markdown import render_markdown
from app.runs.compare import Side, Threshold, compare
from app.runs.record import RunRecord, read_record
from app.text.run_end import format_run_end
from pool import events
from tests.support.home import write_journal

if TYPE_CHECKING:
    from pathlib import Path

A = pool.BuildId("b1")


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    """A run of 7 s whose screen was closed after two minutes."""
    limits = {pool.LimitName.BUILDS: 2}
    story: list[events.KnownEvent] = [
        events.RunStarted(limits=limits, targets=1, out_dir="w", logs="logs"),
        events.BuildQueued(build=A, name="a", target="./a", log="a.log"),
        events.BuildStarted(build=A, slot=1, t=1.0),
        events.BuildFinished(
            build=A, outcome=pool.Outcome.FAILED, message="no compiler", seconds=6.0, t=7.0
        ),
        events.RunFinished(exit_code=1, totals={pool.Outcome.FAILED: 1}, t=127.0),
    ]
    return read_record(write_journal(tmp_path, story))


def test_reports_have_the_time_of_the_work(record: RunRecord) -> None:
    assert "1 failed in 7.0 s" in render_html(record)
    assert "1 failed in 7.0 s" in render_markdown(record)
    assert 'time="7.000"' in render_junit(record)
    assert json.loads(record_to_json(record))["seconds"] == 7.0
    for text in (render_html(record), render_markdown(record), render_junit(record)):
        assert "127" not in text
        assert "2 min 7 s" not in text


def test_json_of_a_report_has_failures(record: RunRecord) -> None:
    (failure,) = json.loads(record_to_json(record))["failures"]
    assert (failure["name"], failure["message"], failure["seconds"]) == ("a", "no compiler", 6.0)


def test_end_card_has_the_time_of_the_work(record: RunRecord) -> None:
    assert "1 failed in 7.0 s" in format_run_end(record.state, can_retry=True)


def test_comparison_has_the_time_of_the_work(record: RunRecord) -> None:
    side = Side(header=record.header, state=record.state, timeline=record.timeline)
    assert compare(side, side, Threshold()).a.wall == 7.0
