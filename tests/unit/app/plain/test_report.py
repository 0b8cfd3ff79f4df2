"""The command ``report``: its run, its formats, and their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pool import events
from tests.support.home import write_journal

if TYPE_CHECKING:
    from tests.support.home import Home

STARTED = events.RunStarted(limits={}, targets=0, out_dir="w", logs="logs")


def save(home: Home, run: str, exit_code: int = 0) -> Path:
    story: list[events.KnownEvent] = [STARTED]
    story += [events.RunFinished(exit_code=exit_code, totals={}, t=float(exit_code or 1))]
    return write_journal(home.state / "runs" / run, story, run)


def test_the_newest_run_is_meant_where_none_is_named(home: Home) -> None:
    save(home, "20261120-010101-1", 7)
    save(home, "20261121-010101-1", 9)
    (home.state / "runs" / "20261122-010101-1").mkdir()
    assert home.run("report").stdout.startswith("   Finished nothing built in 9.0 s")
    assert home.run("report", "20261120").stdout.startswith("   Finished nothing built in 7.0 s")


def test_a_report_on_stdout_is_all_there_is_on_it(home: Home) -> None:
    save(home, "20261121-010101-1")
    done = home.run("report", "--junit", "-")
    assert done.stdout.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    assert done.stdout.endswith("</testsuites>\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no saved runs yet"),
        (("nothing.jsonl",), "no such file"),
        (("broken.jsonl", "--junit", "x.xml"), "broken.jsonl"),
        (("--junit", "-", "--trace", "-"), "only one report"),
        (("--junit", ""), "--junit: the file name is empty"),
        (("good.jsonl", "--junit", "nowhere/x.xml"), "nowhere/x.xml: no such file"),
    ],
)
def test_invalid_command_is_one_line_and_code_2(
    home: Home, arguments: tuple[str, ...], words: str
) -> None:
    (home.root / "broken.jsonl").write_text("no journal\n")
    write_journal(home.root / "good", [STARTED]).rename(home.root / "good.jsonl")
    done = home.run("report", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert not (home.root / "x.xml").exists()


def test_the_listing_of_runs_is_unchanged(home: Home) -> None:
    save(home, "20261121-010101-1")
    assert home.run("runs", "-n", "1").stdout.startswith("20261121-010101-1")
