"""Runs compared from a shell and on a screen; logs of every kind work or are refused in a line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.home import Home
from tests.support.paths import RECORDINGS
from tests.support.terminal import Terminal, needs_tmux, wait_until

DAY, INSTALL = RECORDINGS / "day.jsonl", RECORDINGS / "install.jsonl"
BROKEN = "def build_wheel(*_):\n    raise SystemExit('no compiler')\n"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.end()


def save(home: Home, run: str, journal: Path = DAY) -> None:
    """Make a recording one of the saved runs."""
    folder = home.state / "runs" / run
    folder.mkdir(parents=True)
    shutil.copy(journal, folder / "events.jsonl")


def test_two_real_runs_differ_in_the_change_between_them(home: Home) -> None:
    good, tree = home.tree("lib"), home.tree("other")
    assert home.run("build", good, tree, "--no-cache", "--log", "a.jsonl").returncode == 0
    (good / "inline_backend.py").write_text(
        (good / "inline_backend.py").read_text() + BROKEN, encoding="utf-8"
    )
    assert home.run("build", good, tree, "--no-cache", "--log", "b.jsonl").returncode == 1
    done = home.run("diff", "a.jsonl", "b.jsonl", "--no-ui")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("A  ")
    assert lines[1].startswith("B  ")
    assert lines[3].startswith("failed    lib 1.0")
    assert "was built" in lines[3]
    assert "\x1b" not in done.stdout
    assert home.run("diff", "a.jsonl", "b.jsonl", "--exit-code").returncode == 1
    # A fixed build is no reason to fail.
    assert home.run("diff", "b.jsonl", "a.jsonl", "--exit-code").returncode == 0
    told = json.loads(home.run("diff", "a.jsonl", "b.jsonl", "--json").stdout)
    assert told["worse"] is True
    first = told["comparison"]["pairs"][0]
    assert (first["name"], first["changes"][0]["kind"]) == ("lib", "failed")
    assert first["a"]["outcome"] == "built"
    assert first["b"]["outcome"] == "failed"


def test_a_log_and_itself_are_the_same(home: Home) -> None:
    done = home.run("diff", DAY, DAY, "--exit-code")
    assert done.returncode == 0
    assert "same      23 builds without notable differences" in done.stdout
    assert "the run  2 min 55 s -> 2 min 55 s  the same" in done.stdout


def test_without_names_the_two_newest_runs_are_compared(home: Home) -> None:
    save(home, "20261119-010101-1", INSTALL)
    save(home, "20261120-010101-1")
    save(home, "20261121-010101-1", INSTALL)
    (home.state / "runs" / "20261122-010101-1").mkdir()
    done = home.run("diff")
    assert done.returncode == 0, done.stderr
    assert "14 built" in done.stdout.splitlines()[0]
    assert "26 fetched" in done.stdout.splitlines()[1]
    same = home.run("diff", "20261119")
    assert "without notable differences" in same.stdout
    assert "slower" not in same.stdout


def test_a_threshold_selects_the_reported_differences(home: Home) -> None:
    assert "slower    pyyaml" in home.run("diff", INSTALL, DAY).stdout
    assert "slower    pyyaml" not in home.run("diff", INSTALL, DAY, "--threshold", "50").stdout


def test_bundles_torn_logs_and_killed_runs_are_compared(home: Home) -> None:
    assert home.run("runs", "export", DAY, "-o", "day.zip").returncode == 0
    whole = DAY.read_bytes().splitlines(keepends=True)
    (home.root / "killed.jsonl").write_bytes(b"".join(whole[:250]) + whole[250][:20])
    done = home.run("diff", "day.zip", "killed.jsonl", "--exit-code")
    assert done.returncode == 1, done.stderr
    assert "the log ends before the run finished" in done.stdout.splitlines()[1]
    assert "unfinished" in done.stdout
    assert list((home.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "no saved runs yet"),
        (("-", "good.jsonl"), "-: a log is not read from stdin"),
        (("good.jsonl", "-"), "-: a log is not read from stdin"),
        (("good.jsonl", "nothing.jsonl"), "nothing.jsonl: no such file"),
        (("good.jsonl", "empty.jsonl"), "empty.jsonl: no header"),
        (("good.jsonl", "header.jsonl"), "header.jsonl: there are no events in it"),
        (("newer.jsonl", "good.jsonl"), "newer.jsonl: written by wheelpool 0.1.0 with schema 99"),
        (("good.jsonl", "torn.jsonl"), "torn.jsonl:100: "),
        (("good.jsonl", "alien.zip"), "alien.zip: it has no journal"),
        (("good.jsonl", "good.jsonl", "good.jsonl"), "expected at most two runs, got 3"),
        (("good.jsonl", "folder"), "folder: not a run's folder"),
    ],
)
def test_bad_input_is_one_line_and_code_2(home: Home, words: tuple[str, ...], told: str) -> None:
    whole = DAY.read_bytes().splitlines(keepends=True)
    made = {
        "good": whole,
        "empty": [],
        "header": whole[:1],
        "newer": [whole[0].replace(b'"schema":2', b'"schema":99'), *whole[1:]],
        "torn": [*whole[:99], whole[99][:20] + b"\n", *whole[100:]],
    }
    for name, lines in made.items():
        (home.root / f"{name}.jsonl").write_bytes(b"".join(lines))
    (home.root / "folder").mkdir()
    shutil.make_archive(str(home.root / "alien"), "zip", home.root / "folder")
    done = home.run("diff", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    first, *hint = done.stderr.splitlines()
    assert told in first
    assert len(hint) <= 1


def test_a_replay_refuses_a_moment_that_is_none(home: Home) -> None:
    for at, told in (("99:00", "99:00 is after the end of the run"), ("soon", "invalid time")):
        done = home.run("replay", DAY, "--at", at)
        assert done.returncode == 2
        assert told in done.stderr


@needs_tmux
def test_both_runs_are_looked_at_on_a_terminal(home: Home) -> None:
    terminal = Terminal(home.root, home.environ, 80, 24)
    try:
        terminal.run([str(home.command), "diff", str(INSTALL), str(DAY), "--exit-code"])
        terminal.shows("✗ old-thing 0.3")
        terminal.type("Enter")
        terminal.shows("libpq-fe.h")
        terminal.type("l")
        terminal.shows("following")
        terminal.type("q", "q")
        terminal.shows("differs ▾")
        terminal.type("s", "s", "s")
        terminal.shows("build ▾")
        terminal.type("/")
        terminal.shows("name, state or what differs")
        terminal.type("idna", "Enter")
        wait_until(lambda: "old-thing" not in terminal.screen(), terminal.screen)
        terminal.shows("≠ idna")
        terminal.type("q")
        wait_until(lambda: terminal.screen().rstrip().endswith("$"), terminal.screen)
        terminal.run(["sh", "-c", "echo ended"])
        terminal.shows("ended")
    finally:
        terminal.close()
