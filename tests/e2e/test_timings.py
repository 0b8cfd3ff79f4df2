"""Timings of real runs: below the summary, as JSON, and on the HTML page."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from app.reports.html import render_html
from app.runs.record import read_record
from tests.support.home import home  # noqa: F401 - a fixture
from tests.support.paths import RECORDINGS

if TYPE_CHECKING:
    from tests.support.home import Home

ROWS = ("start", "hooks", "environment")


def timings_of(text: str) -> str:
    """Return the part of an output from the heading of the timings on."""
    assert text.count("\ntimings   ") == 1, text
    return text[text.index("\ntimings   ") :]


def test_build_with_timings_prints_them_below_the_summary(home: Home) -> None:  # noqa: F811
    done = home.run("build", home.tree("liba"), "--timings", "--log", "run.jsonl")
    assert done.returncode == 0, done.stderr
    printed = timings_of(done.stderr)
    assert "critical path\n" in printed
    assert re.search(r"\n  liba 1\.0  +\d.* s  .*hooks", printed)
    for row in ROWS:
        assert f"\n  {row} " in printed, row
    assert len(done.stdout.splitlines()) == 1, "the path of the wheel"
    reported = home.run("report", "run.jsonl", "--timings")
    assert timings_of(reported.stdout) == printed
    assert "critical path" not in home.run("report", "run.jsonl").stdout


def test_timings_by_variable_and_quiet_run_are_printed(home: Home) -> None:  # noqa: F811
    done = home.run("build", home.tree("liba"), "-q", WHEELPOOL_TIMINGS="1")
    assert "hooks" in timings_of(done.stderr)
    plain = home.run("report", "--junit", "-", WHEELPOOL_TIMINGS="1")
    assert plain.stdout.endswith("</testsuites>\n")


def test_report_as_json_has_startup_activities_and_path(home: Home) -> None:  # noqa: F811
    home.run("build", home.tree("liba"), "--log", "run.jsonl")
    document = json.loads(home.run("report", "run.jsonl", "--json").stdout)
    timings = document["timings"]
    assert document["finished"]
    assert -60 < timings["since"] < 0 < timings["until"]
    assert abs(sum(timings["wall"].values()) - (timings["until"] - timings["since"])) < 1e-6
    assert [build["name"] for build in timings["builds"]] == ["liba 1.0"]
    assert [step["build"] for step in timings["path"]] == [None, "b1", None]


def test_two_reports_on_stdout_are_refused(home: Home) -> None:  # noqa: F811
    log = str(RECORDINGS / "install.jsonl")
    for flags in (["--timings", "--junit", "-"], ["--json", "--junit", "-"]):
        done = home.run("report", log, *flags)
        assert done.returncode == 2
        assert "only one report" in done.stderr


def test_page_of_a_run_has_its_timings(home: Home) -> None:  # noqa: F811
    home.run("build", home.tree("liba"), home.tree("libb"), "--log", "run.jsonl")
    page = render_html(read_record(home.root / "run.jsonl"))
    for words in ("Timings", "Critical path", "Time of each build: the 2 longest", "hooks"):
        assert words in page
