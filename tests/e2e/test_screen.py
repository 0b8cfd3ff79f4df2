"""The screen in a real terminal: keys change the run, the run changes the screen."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import pool
from tests.support.paths import DAY as RECORDING
from tests.support.sandbox import (
    BIN,
    TIMED_SETUP,
    Sandbox,
    make_setuptools_tree,
    most_at_once,
)
from tests.support.terminal import Terminal, needs_tmux, wait_until

pytestmark = [pytest.mark.slow, needs_tmux]


@pytest.fixture
def terminal(sandbox: Sandbox) -> Iterator[Terminal]:
    terminal = Terminal(sandbox.root, sandbox.environ)
    yield terminal
    terminal.close()


def build(terminal: Terminal, sandbox: Sandbox, count: int, *more: str) -> Path:
    """Start builds that are held until the file that is returned is gone."""
    hold = sandbox.root / "hold"
    hold.touch()
    trees = [make_setuptools_tree(sandbox.root / f"t{n}", f"t{n}") for n in range(count)]
    sandbox.log = sandbox.root / "run.jsonl"
    argv = ["env", f"HOLD={hold}", str(BIN / "wheelpool"), "build", *map(str, trees)]
    terminal.run([*argv, "--log", str(sandbox.log), "-o", str(sandbox.out), "--stay", *more])
    return hold


def state(sandbox: Sandbox) -> pool.RunState:
    state = pool.RunState()
    with pool.JournalReader(sandbox.log) as reader:
        pool.apply_all(state, reader.read())
    return state


def in_a_second(sandbox: Sandbox, count: int) -> None:
    since = time.monotonic()
    wait_until(lambda: sandbox.running() == count, seconds=20)
    # A build that is let in has its environment made before its script starts to count.
    assert time.monotonic() - since < 5.0


def closed(terminal: Terminal, text: str, seconds: float = 3.0) -> bool:
    """Tell whether a text leaves the screen within a time."""
    deadline = time.monotonic() + seconds
    while (there := text in terminal.screen()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not there


def test_keys_and_palette_change_the_cap_while_it_runs(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    hold = build(terminal, sandbox, 6, "-j", "1")
    wait_until(lambda: sandbox.running() == 1, terminal.screen)
    terminal.shows("builds 1/1")
    terminal.type("+")
    in_a_second(sandbox, 2)
    terminal.shows("builds 2/2")
    terminal.type("C-p")
    terminal.shows("Search for commands")
    terminal.type("builds 3")
    terminal.shows("builds: set the limit to 3")
    terminal.type("Enter")
    # Where nothing was marked yet, the first Enter marks it. One too many would open a log.
    if not closed(terminal, "builds: set the limit"):
        terminal.type("Enter")
    in_a_second(sandbox, 3)
    terminal.type("-", "-")
    terminal.shows("builds 3 -> 1")
    assert sandbox.running() == 3, "lowering ends nobody"
    hold.unlink()
    terminal.shows("· q quit")
    terminal.type("q")
    terminal.shows("6 built in")
    assert most_at_once(sandbox.times) == 3
    limits = [limit.cap for limit in state(sandbox).limits.values()]
    assert limits[0] == 1


def test_pause_cancel_retry_and_leaving(sandbox: Sandbox, terminal: Terminal) -> None:
    hold = build(terminal, sandbox, 3, "-j", "1")
    wait_until(lambda: sandbox.running() == 1, terminal.screen)
    terminal.type("p")
    terminal.shows("builds paused (1 finishing)")
    terminal.type("x")
    terminal.shows("Cancel t")
    terminal.type("y")
    terminal.shows("1 cancelled")
    terminal.shows("builds paused")
    terminal.type("p")
    terminal.shows("builds 1/1")
    time.sleep(0.5)
    terminal.type("G")
    time.sleep(0.5)
    terminal.type("r")
    hold.unlink()
    terminal.shows("· q quit")
    ended = state(sandbox)
    again = [build for build in ended.builds.values() if build.retry_of]
    assert [build.outcome for build in again] == [pool.Outcome.BUILT]
    assert ended.finished
    terminal.type("q")
    terminal.shows("3 built in")


def test_a_successful_run_closes_its_screen_and_the_next_command_starts(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    tree = make_setuptools_tree(sandbox.root / "t", "t")
    command = shlex.join([str(BIN / "wheelpool"), "build", str(tree), "-o", str(sandbox.out)])
    terminal.run(["sh", "-c", f"{command} && echo NE''XT"])
    terminal.shows("NEXT")
    assert "1 built in" in terminal.screen()


def test_a_failed_run_stays_runs_again_on_request_and_exits_with_its_code(
    sandbox: Sandbox, terminal: Terminal
) -> None:
    flag = sandbox.root / "flag"
    setup = f"assert __import__('os').path.exists({str(flag)!r})\n" + TIMED_SETUP
    trees = [make_setuptools_tree(sandbox.root / "bad", "bad", setup)]
    trees += [make_setuptools_tree(sandbox.root / "good", "good")]
    words = [str(BIN / "wheelpool"), "build", *map(str, trees), "-o", str(sandbox.out)]
    terminal.run(["sh", "-c", f"{shlex.join(words)}; echo co''de $?"])
    terminal.shows("r retry failed · l log · q quit")
    terminal.shows("1 failed, 1 built in")
    terminal.type("r")
    wait_until(lambda: "1 failed, 1 cached in" in terminal.screen(), terminal.screen)
    flag.touch()
    terminal.type("r")
    terminal.shows("1 cached in")
    if "code" not in terminal.screen():
        terminal.type("q")  # A key was pressed so recently that the screen stays.
    terminal.shows("code 0")


def test_quitting_after_a_failure_exits_with_1(sandbox: Sandbox, terminal: Terminal) -> None:
    tree = make_setuptools_tree(sandbox.root / "bad", "bad", "raise SystemExit(3)\n")
    words = [str(BIN / "wheelpool"), "build", str(tree), "-o", str(sandbox.out)]
    terminal.run(["sh", "-c", f"{shlex.join(words)}; echo co''de $?"])
    terminal.shows("1 failed in")
    journal, *_ = sandbox.root.glob("state/wheelpool/runs/*/events.jsonl")
    ended = journal.read_bytes()
    terminal.type("q")
    terminal.shows("code 1")
    assert journal.read_bytes() == ended, "looking at a finished run writes nothing"


def test_leaving_needs_confirmation_while_builds_run(sandbox: Sandbox, terminal: Terminal) -> None:
    build(terminal, sandbox, 2, "-j", "1")
    wait_until(lambda: sandbox.running() == 1, terminal.screen)
    terminal.type("q")
    terminal.shows("2 builds are still running")
    terminal.type("n")
    terminal.shows("builds 1/1")
    terminal.type("q")
    terminal.shows("2 builds are still running")
    terminal.type("y")
    terminal.shows("2 cancelled in")
    wait_until(lambda: state(sandbox).finished, terminal.screen)
    assert state(sandbox).exit_code == 130


def test_logs_filter_and_help(sandbox: Sandbox, terminal: Terminal) -> None:
    hold = build(terminal, sandbox, 3, "-j", "3")
    hold.unlink()
    terminal.shows("· q quit")
    terminal.type("/")
    terminal.tmux("send-keys", "-t", "t", "-l", "t1")
    wait_until(lambda: "t0 1.0" not in terminal.screen(), terminal.screen)
    terminal.type("Enter")
    time.sleep(0.5)
    terminal.type("l")
    terminal.shows("following")
    terminal.type("/")
    terminal.tmux("send-keys", "-t", "t", "-l", "bdist_wheel")
    terminal.type("Enter")
    time.sleep(0.5)
    terminal.shows("running bdist_wheel")
    terminal.type("q")
    terminal.shows("· q quit")
    terminal.type("Escape")
    terminal.shows("t0 1.0")
    terminal.type("?")
    terminal.shows("raise, lower the limit in brackets")
    terminal.type("Escape")
    wait_until(
        lambda: "raise, lower the limit in brackets" not in terminal.screen(), terminal.screen
    )
    terminal.type("q")
    terminal.shows("3 built in")


def test_a_replay_plays_pauses_and_goes_to_failures(sandbox: Sandbox, terminal: Terminal) -> None:
    terminal.run([str(BIN / "wheelpool"), "replay", str(RECORDING)])
    terminal.shows("▶ plays  1x")
    terminal.type("Space")
    terminal.shows("⏸ paused 1x")
    terminal.type("f", "f")
    terminal.shows("1 failed")
    terminal.type("]", "]")
    terminal.shows("⏸ paused 4x")
    terminal.type("0")
    terminal.shows("0:00 / 2:54")
    terminal.type(":")
    terminal.shows("go to, of 2:54")
    terminal.type("50%", "Enter")
    terminal.shows("1:27 / 2:54")
    terminal.type("l")
    terminal.shows("following")
    terminal.type("<")
    terminal.type("q")
    terminal.shows("0:57 / 2:54")
    terminal.type("q")
    wait_until(lambda: terminal.screen().rstrip().endswith("$"), terminal.screen)
