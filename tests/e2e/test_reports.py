"""Reports of real runs, good, failed and killed, read by the programs they are for."""

from __future__ import annotations

import re
import signal
import stat
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import xmlschema

from tests.support.home import home  # noqa: F401 - a fixture
from tests.support.paths import JUNIT_SCHEMA, RECORDINGS
from tests.support.trace_format import check_trace
from tests.support.trace_processor import TraceProcessor, needs_trace_processor

if TYPE_CHECKING:
    from tests.support.home import Home

SCHEMA = JUNIT_SCHEMA
HOSTILE = """
def build_wheel(*_):
    print("::add-path::/tmp/evil")
    print("##[set-env name=X;]y")
    print("fetching https://me:secret@example.org/x")
    raise SystemExit("no compiler, 100% sure: a, b")
"""
HELD = """
import pathlib, time
def build_wheel(*_):
    pathlib.Path("../begun").touch()
    while True:
        time.sleep(0.01)
"""


def failed_run(home: Home, *flags: str, **environ: str) -> str:  # noqa: F811
    """Build a good tree and a bad one; return what was said on stderr."""
    done = home.run("build", home.tree("liba"), home.tree("bad", HOSTILE), *flags, **environ)
    assert done.returncode == 1, done.stderr
    return done.stderr


def test_all_reports_of_a_failed_run_at_once(home: Home) -> None:  # noqa: F811
    failed_run(home)
    files = {"--trace": "t.json", "--junit": "j.xml", "--summary": "s.md"}
    flags = [one for pair in files.items() for one in pair]
    before = set(home.root.iterdir())
    done = home.run("report", *flags)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    made = {path.name: path for path in set(home.root.iterdir()) - before}
    assert sorted(made) == sorted(files.values()), "nothing is left of how they were written"
    check_trace(made["t.json"].read_text())
    xmlschema.XMLSchema(str(SCHEMA)).validate(str(made["j.xml"]))
    suite = ET.parse(made["j.xml"]).getroot()[0]
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("2", "1")
    summary = made["s.md"].read_text()
    assert summary.startswith("## wheelpool: 1 failed, 1 built in ")
    assert "liba-1.0-py3-none-any.whl" in summary
    texts = [path.read_text() for path in made.values()]
    assert not any("secret" in text for text in texts)
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o444 for path in made.values())


def test_without_a_format_the_report_is_the_summary_of_the_run(home: Home) -> None:  # noqa: F811
    said = failed_run(home, "--log", "run.jsonl")
    done = home.run("report", "run.jsonl")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == said.splitlines()[-1]
    assert "     Failed bad 1.0" in done.stdout


@needs_trace_processor
@pytest.mark.parametrize("recording", ["day", "install"])
def test_perfetto_loads_a_trace_without_a_complaint(home: Home, recording: str) -> None:  # noqa: F811
    home.run("report", RECORDINGS / f"{recording}.jsonl", "--trace", "t.json")
    written = check_trace((home.root / "t.json").read_text())
    with TraceProcessor((home.root / "t.json").read_bytes()) as perfetto:
        troubles = "select name, value from stats where severity != 'info' and value > 0"
        assert perfetto.rows(troubles) == []
        (sums,) = perfetto.rows("select count(*) as n, sum(dur) as dur from slice where dur >= 0")
        slices = [one for one in written if one["ph"] in "Xi"]
        assert sums["n"] == len(slices)
        assert sums["dur"] == sum(one.get("dur", 0) for one in slices) * 1000
        inside = perfetto.rows(
            "select distinct s.depth as depth from slice s join thread_track t on s.track_id = t.id"
            " join thread using (utid) join process using (upid) where process.name = 'slots'"
        )
        assert {row["depth"] for row in inside} == {0, 1}, "phases are nested in builds"
        (counted,) = perfetto.rows("select count(*) as n from counter")
        assert counted["n"] == sum(one["ph"] == "C" for one in written)
        names = perfetto.rows("select distinct name from counter_track")
        assert {"memory used bytes", "running builds"} <= {row["name"] for row in names}


@needs_trace_processor
def test_a_killed_run_has_its_reports(home: Home) -> None:  # noqa: F811
    process = home.start("build", home.tree("held", HELD))
    home.wait_for("begun")
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = home.run("report", "--trace", "t.json", "--junit", "j.xml", "--summary", "-")
    assert done.returncode == 0, done.stderr
    assert "1 build unfinished" in done.stdout
    assert "unfinished: the log ends" in (home.root / "j.xml").read_text()
    with TraceProcessor((home.root / "t.json").read_bytes()) as perfetto:
        (held,) = perfetto.rows(
            "select s.name as name, a.string_value as outcome from slice s join args a"
            " using (arg_set_id) where s.category = 'build' and a.key = 'args.outcome'"
        )
    assert held == {"name": "held 1.0", "outcome": "unfinished"}


def test_in_github_actions_a_failure_is_folded_annotated_and_summed_up(home: Home) -> None:  # noqa: F811
    summary = home.root / "step.md"
    summary.write_text("# from a step before\n")
    lines = failed_run(home, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary)).splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("::group::"))
    assert "bad 1.0: the log" in lines[begin]
    token = lines[begin + 1].removeprefix("::stop-commands::")
    assert re.fullmatch("[0-9a-f]{32}", token)
    resume = lines.index(f"::{token}::")
    inside = lines[begin + 2 : resume]
    assert "::add-path::/tmp/evil" in inside
    assert lines[resume + 1] == "::endgroup::"
    rest = [*lines[:begin], *lines[resume + 2 :]]
    (command,) = (line for line in rest if line.startswith("::"))
    assert command.startswith("::error title=bad 1.0 failed::no compiler, 100%25 sure: a, b")
    assert not any("##[" in line for line in rest)
    text = summary.read_text()
    assert text.startswith("# from a step before\n## wheelpool: 1 failed, 1 built")


def test_github_is_left_alone_where_it_is_not_wanted(home: Home) -> None:  # noqa: F811
    summary = home.root / "step.md"
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    assert "\n::group::" not in failed_run(home, "--no-github", **environ)
    assert "\n::group::" not in failed_run(home, WHEELPOOL_GITHUB="no", **environ)
    assert not summary.exists()
    assert "\n::group::" in failed_run(home, "--github")


def test_a_run_in_one_file_can_be_sent(home: Home) -> None:  # noqa: F811
    failed_run(home, "--log", "run.jsonl")
    done = home.run("runs", "export", "run.jsonl", "-o", "sent.zip")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("2 logs\n")
    (home.root / "run.jsonl").unlink()
    for log in (home.root / "run.logs").iterdir():
        log.unlink()
    shown = home.run("report", "sent.zip", "--junit", "-")
    assert shown.stderr == ""
    assert "no compiler" in shown.stdout
    again = home.run("replay", "sent.zip", "--no-ui", "-v")
    assert again.returncode == 0
    assert "fetching https://***@example.org/x" in again.stderr, "the log is there, and masked"
    assert not list((home.root / "tmp").glob("wheelpool-*")), "nothing is left of what was unpacked"


def test_missing_logs_are_reported(home: Home) -> None:  # noqa: F811
    failed_run(home, "--log", "run.jsonl")
    (home.root / "run.logs" / "bad-1.0.log").unlink()
    said = "wheelpool: 1 log of builds not there: bad-1.0.log\n"
    assert home.run("report", "run.jsonl", "--summary", "s.md").stderr == said
    assert home.run("runs", "export", "run.jsonl", "-o", "sent.zip").stderr == said
    assert home.run("report", "sent.zip").stderr == said
    assert said in home.run("replay", "sent.zip", "--no-ui").stderr
