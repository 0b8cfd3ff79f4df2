"""A screen that fails in a real terminal: the run continues without it and ends with its wheels."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

import pool
from tests.support.sandbox import BIN, Sandbox, make_setuptools_tree
from tests.support.terminal import wait_until

pytestmark = pytest.mark.slow

CRASH_AFTER_START = """
import threading, sys
if any(word in ("build", "attach", "replay") for word in sys.argv[1:]):
    from app.tui.widgets.status_bar import StatusBar
    import os, time
    before = StatusBar.tick
    def tick(self):
        if os.path.exists(os.environ["CRASH"]):
            secret = "https://user:hunter2@host/simple"
            raise KeyError("a widget's bug " + secret)
        before(self)
    StatusBar.tick = tick
"""


class Screen:
    """A command in a pseudo-terminal."""

    def __init__(self, sandbox: Sandbox, *words: str | Path, **more: str) -> None:
        environ = {**sandbox.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **more}
        self.child: pexpect.spawn[bytes] = pexpect.spawn(
            str(BIN / "wheelpool"), [*map(str, words)], env=environ, cwd=str(sandbox.root),
            dimensions=(36, 120), timeout=60,
        )  # fmt: skip
        self.child.delaybeforesend = None

    def expect(self, text: str) -> None:
        self.child.expect(text)

    def drain(self, seconds: float) -> None:
        """Read what the screen draws for a time; without a reader it would stop."""
        self.child.expect([pexpect.TIMEOUT, pexpect.EOF], timeout=seconds)

    def wait_for_wheels(self, sandbox: Sandbox) -> None:
        """Wait until all wheels are there and the screen shows it."""
        for _ in range(60):
            self.drain(0.5)
            if len([*sandbox.out.glob("*.whl")]) == 3:
                break
        self.drain(1.0)

    def end(self) -> tuple[int | None, str]:
        """Return the exit code and the text after the screen."""
        text = str(self.child.read().decode(errors="replace"))
        self.child.close()
        return self.child.exitstatus, text.rpartition("\x1b[?1049l")[2]


@pytest.fixture
def held(sandbox: Sandbox) -> Iterator[tuple[list[Path], Path]]:
    """Trees whose builds wait until a file is gone."""
    hold = sandbox.root / "hold"
    hold.touch()
    trees = [make_setuptools_tree(sandbox.root / f"t{n}", f"t{n}") for n in range(3)]
    sandbox.log = sandbox.root / "run.jsonl"
    yield trees, hold
    hold.unlink(missing_ok=True)


def start(sandbox: Sandbox, trees: list[Path], hold: Path, **more: str) -> Screen:
    screen = Screen(
        sandbox, "build", *trees, "-j", "2", "--log", sandbox.log, "-o", sandbox.out,
        HOLD=str(hold), **more,
    )  # fmt: skip
    screen.expect("t2")
    wait_until(lambda: sandbox.running() == 2)
    return screen


def limits_set(sandbox: Sandbox) -> list[pool.events.Event]:
    with pool.JournalReader(sandbox.log) as reader:
        events = reader.read()
        return [event for event in events if isinstance(event, pool.events.LimitChanged)]


def crashing(sandbox: Sandbox) -> dict[str, str]:
    """Return variables that let a widget fail once the file `crash` exists."""
    hooks = sandbox.root / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(CRASH_AFTER_START)
    return {"PYTHONPATH": str(hooks), "CRASH": str(sandbox.root / "crash")}


def test_bytes_that_are_no_utf8_do_not_end_the_run(
    sandbox: Sandbox, held: tuple[list[Path], Path]
) -> None:
    trees, hold = held
    screen = start(sandbox, trees, hold)
    for data in (b"\x1b[M \xc1\x9d", b"\xe9", b"\xff\xfe", b"\x1b[200~\xe4\xf6\xfc\x1b[201~"):
        screen.child.send(data)
    for data in (b"\x1b]11;rgb:1111/2222/", b"3333\x1b\\", b"\x1b[?64;1;2;6c", b"\x1bP1$r1q\x1b\\"):
        screen.child.send(data)
    screen.drain(1.5)
    hold.unlink()
    screen.wait_for_wheels(sandbox)
    screen.child.send(b"q")
    code, text = screen.end()
    assert code == 0, text
    assert "3 built" in text
    assert "failed" not in text
    assert limits_set(sandbox) == []


def test_run_continues_after_a_widget_failed(
    sandbox: Sandbox, held: tuple[list[Path], Path]
) -> None:
    trees, hold = held
    screen = start(sandbox, trees, hold, **crashing(sandbox))
    (sandbox.root / "crash").touch()
    screen.expect("the screen failed; the run continues without it")
    assert sandbox.running() == 2
    hold.unlink()
    code, text = screen.end()
    assert code == 0, text
    assert len([*sandbox.out.glob("*.whl")]) == 3
    assert text.count("traceback: ") == 1
    assert "Traceback" not in text
    assert "hunter2" not in text
    assert "3 built" in text
    file = re.search(r"traceback: ([^)]*)\)", text.replace("\r\n", ""))
    assert file is not None
    written = Path(file[1]).read_text()
    assert "KeyError" in written
    assert "hunter2" not in written


def test_failed_build_ends_the_run_after_a_widget_failed(
    sandbox: Sandbox, held: tuple[list[Path], Path]
) -> None:
    trees, hold = held
    (trees[1] / "setup.py").write_text("raise SystemExit('no')")
    screen = Screen(
        sandbox, "build", *trees, "-j", "3", "-o", sandbox.out,
        HOLD=str(hold), **crashing(sandbox),
    )  # fmt: skip
    screen.expect("failed")
    (sandbox.root / "crash").touch()
    screen.expect("the screen failed; the run continues without it")
    hold.unlink()
    code, text = screen.end()
    assert code == 1, text
    assert len([*sandbox.out.glob("*.whl")]) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_the_run_after_a_widget_failed(
    sandbox: Sandbox, held: tuple[list[Path], Path], number: signal.Signals
) -> None:
    trees, hold = held
    screen = start(sandbox, trees, hold, **crashing(sandbox))
    (sandbox.root / "crash").touch()
    screen.expect("the run continues without it")
    screen.child.kill(number)
    code, text = screen.end()
    assert code == 130, text


def test_attach_that_failed_does_not_end_with_0(
    sandbox: Sandbox, held: tuple[list[Path], Path]
) -> None:
    trees, hold = held
    run = start(sandbox, trees, hold)
    screen = Screen(sandbox, "attach", sandbox.log, **crashing(sandbox))
    screen.expect("t2")
    (sandbox.root / "crash").touch()
    code, text = screen.end()
    assert code == 3, text
    assert "the run continues" in text
    assert "traceback: " in text
    hold.unlink()
    run.wait_for_wheels(sandbox)
    run.child.send(b"q")
    assert run.end()[0] == 0


def test_replay_that_failed_does_not_end_with_0(
    sandbox: Sandbox, held: tuple[list[Path], Path]
) -> None:
    trees, hold = held
    hold.unlink()
    sandbox.run("build", *trees, "--log", sandbox.log)
    (sandbox.root / "crash").touch()
    code, text = Screen(sandbox, "replay", sandbox.log, **crashing(sandbox)).end()
    assert code == 3, text
    assert "traceback: " in text


def test_terminal_that_is_gone_does_not_end_a_run_that_ignores_hangups(
    sandbox: Sandbox, held: tuple[list[Path], Path]
) -> None:
    trees, hold = held
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        screen = start(sandbox, trees, hold)
    finally:
        signal.signal(signal.SIGHUP, before)
    os.close(screen.child.child_fd)
    hold.unlink()
    wait_until(lambda: len([*sandbox.out.glob("*.whl")]) == 3)
