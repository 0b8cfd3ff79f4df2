"""A run that others look at and command: it notices their changes and nothing else."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import pool
from pool.events.control_socket import socket_path
from tests.support.sandbox import BIN, Sandbox, live_state, make_setuptools_tree
from tests.support.terminal import Terminal, needs_tmux, wait_until

pytestmark = pytest.mark.slow

STRESS = int(os.environ.get("WHEELPOOL_STRESS", "1"))


class Held:
    """A run in the background, whose builds are held until `go` is called."""

    def __init__(self, sandbox: Sandbox, *words: str, count: int = 4) -> None:
        self.sandbox = sandbox
        self._hold = sandbox.root / "hold"
        self._hold.touch()
        trees = [make_setuptools_tree(sandbox.root / f"t{n}", f"t{n}") for n in range(count)]
        self.process = sandbox.start("build", *trees, "-j", "1", *words, HOLD=str(self._hold))
        self.log = sandbox.log
        self.visitors: list[Visitor] = []
        wait_until(lambda: sandbox.running() >= 1)

    def go(self) -> None:
        self._hold.unlink()

    def attach(self, *words: str) -> Visitor:
        """Look at it from another process, without a screen."""
        visitor = Visitor(self, words, self.sandbox.root / f"visitor{len(self.visitors)}")
        self.visitors.append(visitor)
        return visitor

    def run_command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Command it from a shell."""
        return subprocess.run(
            [BIN / "wheelpool", *words, "--run", self.log],
            env=self.sandbox.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def says(self, *words: str) -> str:
        """Command it, and return what came of it."""
        done = self.run_command(*words)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def close(self) -> None:
        for visitor in self.visitors:
            visitor.process.kill()
            visitor.process.wait()
        self.process.kill()
        self.process.communicate()


class Visitor:
    """One who looks on; what it says goes into files, so that it can be read meanwhile."""

    def __init__(self, held: Held, words: Sequence[str], files: Path) -> None:
        self._out, self._err = files.with_suffix(".out"), files.with_suffix(".err")
        with self._out.open("w") as out, self._err.open("w") as err:
            self.process = subprocess.Popen(
                [BIN / "wheelpool", "attach", held.log, "--no-ui", *words],
                env=held.sandbox.environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            )  # fmt: skip
        wait_until(lambda: bool(self._err.read_text()))

    @property
    def out(self) -> str:
        return self._out.read_text()

    def ended(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what was said."""
        return self.process.wait(120), self._err.read_text()


@pytest.fixture
def held(sandbox: Sandbox) -> Iterator[Held]:
    held = Held(sandbox)
    yield held
    held.close()


def changes(log: Path) -> list[tuple[str, int, int, str]]:
    """Return the changes of caps that a journal tells."""
    with pool.JournalReader(log) as reader:
        return [
            (event.limit, event.old, event.new, event.why)
            for event in reader.read()
            if isinstance(event, pool.events.LimitChanged)
        ]


def test_two_look_on_one_is_killed_and_the_run_notices_the_change_alone(held: Held) -> None:
    first, second = held.attach("--json"), held.attach("--json")
    assert held.says("limit", "2").splitlines()[0] == "builds 1 -> 2"
    wait_until(lambda: held.sandbox.running() == 2)
    first.process.send_signal(signal.SIGKILL)
    assert first.ended()[0] == -signal.SIGKILL
    before = changes(held.log)
    held.go()
    done = held.sandbox.finish(held.process, held.log)
    assert done.code == 0
    assert done.state.totals == {pool.Outcome.BUILT: 4}
    assert changes(held.log) == before
    assert second.ended()[0] == 0
    assert live_state(second.out) == done.state
    assert not socket_path(held.log).exists()


def test_the_words_are_those_of_the_run(held: Held) -> None:
    visitor = held.attach()
    held.says("limit", "2")
    held.go()
    _, own = held.process.communicate(timeout=120)
    assert visitor.ended() == (0, own)


def test_leaving_prints_a_note_and_leaves_the_run_alone(held: Held) -> None:
    visitor = held.attach()
    visitor.process.send_signal(signal.SIGINT)
    code, err = visitor.ended()
    assert code == 0
    back = f"   Detached the run continues; reattach with wheelpool attach {held.log}"
    assert err.splitlines()[-1] == back
    held.go()
    assert held.sandbox.finish(held.process, held.log).code == 0


def test_the_commands_of_a_shell(held: Held) -> None:
    assert held.says("limit").startswith("builds 1/1\n")
    assert held.says("limit", "downloads", "5") == "downloads 8 -> 5\n"
    assert held.says("limit", "memory", "8G").endswith("-> 8.0 GiB\n")
    assert held.says("pause").startswith("paused: 1 build finishing")
    assert held.says("resume") == "resumed: builds 1\n"
    assert held.says("cancel", "t0") in ("t0: cancelled\n", "t0 1.0: cancelled\n")
    assert held.says("retry", "t0").startswith("t0: retrying as b5")
    refused = held.run_command("cancel", "b9")
    assert refused.returncode == 2
    assert refused.stderr.startswith("wheelpool: no build named b9 in run ")
    held.go()
    assert held.sandbox.finish(held.process, held.log).code == 0
    ended = held.run_command("pause")
    assert ended.returncode == 2
    assert "the run has ended" in ended.stderr


def test_stop_ends_it(held: Held) -> None:
    assert held.says("stop") == "stopping: cancelling 4 builds\n"
    held.process.communicate(timeout=60)
    assert held.process.returncode == 130


def test_a_killed_run_is_reported_to_attached_screens_and_commands(held: Held) -> None:
    visitor = held.attach()
    held.process.kill()
    held.process.communicate()
    code, err = visitor.ended()
    assert code == 1
    assert "the log ends here" in err.splitlines()[-1]
    asked = held.run_command("pause")
    assert asked.returncode == 2
    assert "the run was killed" in asked.stderr
    assert socket_path(held.log).exists(), "a killed run leaves it"
    held.go()
    held.sandbox.runs = 0  # The same log again.
    assert held.sandbox.run("build", held.sandbox.root / "t0").code == 0
    assert not socket_path(held.log).exists()


def test_misbehaving_clients_disturb_nothing(held: Held) -> None:
    crowd = []
    for number in range(100 * STRESS):
        visitor = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        visitor.settimeout(5.0)
        try:
            visitor.connect(str(socket_path(held.log)))
            visitor.sendall((b"", b"garbage\n", b"x" * 100_000, b'{"control":"pau')[number % 4])
        except OSError:
            pass
        crowd.append(visitor)
    for visitor in crowd:
        visitor.close()
    assert held.says("limit", "2").startswith("builds 1 -> 2")
    held.go()
    _, err = held.process.communicate(timeout=120)
    assert held.process.returncode == 0
    assert "Traceback" not in err
    assert "rror" not in err


def test_the_one_that_goes_on_needs_no_name(sandbox: Sandbox) -> None:
    hold = sandbox.root / "hold"
    hold.touch()
    tree = make_setuptools_tree(sandbox.root / ("long" * 30) / "t0", "t0")
    state = sandbox.root / ("state" * 30)
    environ = {**sandbox.environ, "XDG_STATE_HOME": str(state)}

    def start(*words: str | Path, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [BIN / "wheelpool", *words], env={**environ, **more}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    run = start("build", tree, "-o", sandbox.out, HOLD=str(hold))
    try:
        wait_until(lambda: sandbox.running() == 1)
        limit = start("limit", "7")
        out, err = limit.communicate(timeout=60)
        assert out.splitlines()[0].endswith("-> 7"), err
    finally:
        hold.unlink()
        run.communicate(timeout=60)
    assert run.returncode == 0
    _, err = (done := start("limit")).communicate(timeout=60)
    assert (done.returncode, err.splitlines()[0]) == (2, "wheelpool: no run in progress")


@pytest.fixture
def terminal(sandbox: Sandbox) -> Iterator[Terminal]:
    terminal = Terminal(sandbox.root, sandbox.environ)
    yield terminal
    terminal.close()


@needs_tmux
def test_an_attached_screen_commands_detaches_and_is_killed(held: Held, terminal: Terminal) -> None:
    command = [str(BIN / "wheelpool"), "attach", str(held.log)]
    terminal.run(command)
    terminal.shows("builds 1/1")
    terminal.shows("attached to ")
    terminal.shows("q detach")
    terminal.type("+")
    terminal.shows("builds 2/2")
    wait_until(lambda: held.sandbox.running() == 2, terminal.screen)
    terminal.type("q")
    terminal.shows("Detached the run continues; reattach with wheelpool attach")
    assert held.process.poll() is None
    terminal.type("clear", "Enter")
    terminal.tmux("send-keys", "-t", "t", "-l", f"{shlex.join(command)}; code=$?")
    terminal.type("Enter")
    terminal.shows("q detach")
    terminal.type("-")
    terminal.shows("builds 2 -> 1")
    pid = terminal.tmux("display-message", "-p", "-t", "t", "#{pane_pid}").strip()
    subprocess.run(["pkill", "-KILL", "-P", pid], check=True)

    # The watchdog may restore the screen after the shell has written "Killed", and drop input.
    def shows_status() -> bool:
        terminal.type("echo status $code", "Enter")
        return "status 137" in terminal.screen()

    wait_until(shows_status, terminal.screen)
    before = changes(held.log)
    time.sleep(0.3)
    held.go()
    done = held.sandbox.finish(held.process, held.log)
    assert done.code == 0
    assert changes(held.log) == before
    assert [change[:3] for change in before if change[0] == "builds"] == [
        ("builds", 1, 2), ("builds", 2, 1),
    ]  # fmt: skip


@needs_tmux
def test_an_attached_screen_sees_the_end_and_stays(held: Held, terminal: Terminal) -> None:
    terminal.run([str(BIN / "wheelpool"), "attach", "--stay", str(held.log)])
    terminal.shows("q detach")
    held.go()
    assert held.sandbox.finish(held.process, held.log).code == 0
    terminal.shows("· q quit")
    terminal.type("q")
    terminal.shows("4 built in")
