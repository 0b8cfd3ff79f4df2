"""Runs of the command without a screen, as a script or a CI job has them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import pool

if TYPE_CHECKING:
    from tests.support.home import Home

BROKEN = "def build_wheel(*_):\n    print('\\x1b[31mhello')\n    raise SystemExit('no compiler')\n"
HELD = """
import pathlib, time
def build_wheel(*_):
    pathlib.Path("../begun").touch()
    while not pathlib.Path("../go").exists():
        time.sleep(0.01)
    raise SystemExit("let go")
"""


def test_results_go_to_stdout_and_words_to_stderr(home: Home) -> None:
    done = home.run("build", home.tree("liba"), home.tree("libb"))
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        str(home.root / "wheelhouse" / f"{name}-1.0-py3-none-any.whl") for name in ("liba", "libb")
    ]
    assert "   Building liba 1.0" in done.stderr
    assert "2 built in" in done.stderr


def test_a_failure_shows_its_log_cleaned_and_has_its_code(home: Home) -> None:
    done = home.run("build", home.tree("liba"), home.tree("bad", BROKEN), "-q")
    assert done.returncode == 1
    assert done.stdout.endswith("liba-1.0-py3-none-any.whl\n")
    lines = done.stderr.splitlines()
    at = lines.index("┄┄┄┄ bad 1.0: the log ┄┄┄┄")
    assert lines[at + 1 : at + 3] == ["hello", "no compiler"]
    assert "\x1b" not in done.stderr


def test_an_install_leaves_stdout_alone_and_prints_the_packages(home: Home) -> None:
    home.python("import venv, sys; venv.create(sys.argv[1])", ".venv")
    done = home.run("install", home.tree("liba"), "--into", ".venv", "--log", "run.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "  Installed + liba==1.0\n" in done.stderr
    assert done.stderr.splitlines()[-1] == "            installed 1 into .venv"
    assert home.run("replay", "run.jsonl", "--no-ui").stderr == done.stderr


def test_a_replay_prints_the_output_of_the_run(home: Home) -> None:
    done = home.run("build", home.tree("liba"), home.tree("bad", BROKEN), "--log", "run.jsonl")
    again = home.run("replay", "run.jsonl", "--no-ui")
    assert again.returncode == 0
    assert again.stderr == done.stderr
    assert again.stdout == ""


def test_events_on_stdout_are_the_journal(home: Home) -> None:
    done = home.run("build", home.tree("liba"), "--json", "--log", "run.jsonl")
    assert done.returncode == 0
    assert done.stdout == (home.root / "run.jsonl").read_text()
    assert json.loads(done.stdout.splitlines()[-1])["type"] == "run.finished"


def test_a_log_without_an_end_is_reported(home: Home) -> None:
    home.run("build", home.tree("liba"), "--log", "run.jsonl")
    lines = (home.root / "run.jsonl").read_text().splitlines(keepends=True)
    (home.root / "run.jsonl").write_text("".join(lines[:-1]) + '{"type":')
    done = home.run("replay", "run.jsonl")
    assert done.returncode == 0
    assert "before the run finished" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_run_with_a_summary(home: Home, name: str) -> None:
    process = home.start("build", home.tree("slow", HELD))
    home.wait_for("begun")
    process.send_signal(getattr(signal, name))
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "   Stopping interrupted: cancelling 1 build" in err
    assert err.splitlines()[-1].strip().startswith("Finished 1 cancelled in ")


def test_signals_move_the_cap_and_never_below_one(home: Home) -> None:
    process = home.start("build", home.tree("slow", HELD), "-j", "1", "--log", "run.jsonl")
    home.wait_for("begun")
    for number, cap in ((signal.SIGUSR1, 2), (signal.SIGUSR1, 3), (signal.SIGUSR2, 2)):
        process.send_signal(number)
        home.wait_for_text("run.jsonl", f'"new":{cap}')
    for _ in range(3):
        process.send_signal(signal.SIGUSR2)
    (home.root / "go").touch()
    _, err = process.communicate(timeout=60)
    caps = [line.split()[-3] for line in err.splitlines() if line.startswith("      Limit builds")]
    assert caps[:3] == ["2", "3", "2"]
    assert set(caps[3:]) <= {"1"}


def test_a_run_continues_when_no_process_reads_its_results(home: Home) -> None:
    read, write = os.pipe()
    os.close(read)
    process = subprocess.Popen(
        [home.command, "build", home.tree("liba"), "--json"],
        cwd=home.root,
        env=home.environ,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert (home.root / "wheelhouse" / "liba-1.0-py3-none-any.whl").exists()
    assert "Broken" not in err
    assert "Traceback" not in err


def test_closed_streams_are_no_reason_to_fail(home: Home) -> None:
    tree = home.tree("liba")
    done = subprocess.run(
        ["sh", "-c", f"{home.command} build {tree} >&- 2>&- <&-"],
        cwd=home.root,
        env=home.environ,
        check=False,
    )
    assert done.returncode == 0
    assert (home.root / "wheelhouse" / "liba-1.0-py3-none-any.whl").exists()


def test_a_headless_run_loads_no_screen_and_no_rich(home: Home) -> None:
    code = (
        "import sys; from app.cli import main as cli; code = cli.run(sys.argv[1:]);"
        "print('loaded:', *sorted({'textual', 'rich'} & set(sys.modules))); sys.exit(code)"
    )
    done = home.python(code, "build", str(home.tree("liba")))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_a_terminal_gets_a_progress_line_and_no_colour_where_none_is_wanted(home: Home) -> None:
    import pexpect

    environ = {**home.environ, "TERM": "xterm-256color", "NO_COLOR": "1"}
    child: pexpect.spawn[str] = pexpect.spawn(
        str(home.command),
        ["build", str(home.tree("slow", HELD)), "--no-ui"],
        cwd=str(home.root),
        env=environ,
        encoding="utf-8",
        timeout=60,
        dimensions=(24, 100),
    )
    child.expect(r"\] 0/1  slow 1.0")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert "\x1b[31m" not in (child.before or "")


def test_a_terminal_that_goes_away_ends_the_run_in_order(home: Home) -> None:
    import pexpect

    child: Any = pexpect.spawn(
        str(home.command),
        ["build", str(home.tree("slow", HELD)), "--no-ui", "--log", "run.jsonl"],
        cwd=str(home.root),
        env={**home.environ, "TERM": "xterm"},
        encoding="utf-8",
        timeout=60,
    )
    child.expect("building")
    home.wait_for("begun")
    os.close(child.child_fd)  # The kernel sends SIGHUP; reading and writing fail from here on.
    child.closed = True
    child.ptyproc.wait()
    assert child.ptyproc.exitstatus == 130
    assert '"run.finished"' in (home.root / "run.jsonl").read_text()


def test_one_build_at_a_time_has_one_building_line_at_a_time(home: Home) -> None:
    trees = [home.tree(f"lib{letter}") for letter in "abcdefgh"]
    lines = home.run("build", *trees, "-j", "1", "--no-ui").stderr.splitlines()
    verbs = [line.split()[0] for line in lines if line.strip()]
    kept = [verb for verb in verbs if verb in ("Building", "Built")]
    assert kept == ["Building", "Built"] * 8


def test_more_files_may_be_open_than_the_soft_limit(home: Home) -> None:
    backend = "def build_wheel(*_):\n    import resource\n    raise SystemExit(str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))\n"
    tree = home.tree("count", backend)
    done = subprocess.run(
        ["sh", "-c", f"ulimit -Sn 256; exec {home.command} build {tree}"],
        cwd=home.root,
        env=home.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "exit code 256" not in done.stderr
    lines = iter(done.stderr.splitlines())
    row = next(next(lines) for line in lines if line.strip().startswith("Failed"))
    assert max(map(int, re.findall(r"\d+", row.replace("1.0", "")))) > 256


def test_the_live_state_is_the_fold_of_the_journal(home: Home) -> None:
    done = home.run(
        "build", home.tree("liba"), home.tree("bad", BROKEN), "--json", "--log", "r.jsonl"
    )
    live, written = pool.RunState(), pool.RunState()
    pool.apply_all(live, (pool.decode(line.encode()) for line in done.stdout.splitlines()[1:]))
    with pool.JournalReader(home.root / "r.jsonl") as reader:
        pool.apply_all(written, reader.read())
    assert live == written
