"""The terminal after a screen that was killed: its mode and its screen are restored."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
import tty

import pytest

SCREEN = """
import os, sys, time, tty
from pool.system.process import terminal_watched
with terminal_watched(2):
    tty.setraw(2)
    os.write(2, b"\\x1b[?1049h\\x1b[?1003h up")
    if sys.argv[1] == "stay":
        time.sleep(600)
    tty.setcbreak(2)
"""


def read_until(master: int, text: bytes, seconds: float = 20.0) -> bytes:
    """Return the output of a terminal up to a text."""
    output, deadline = b"", time.monotonic() + seconds
    while text not in output and time.monotonic() < deadline:
        if select.select([master], [], [], 0.1)[0]:
            output += os.read(master, 4096)
    return output


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_killed_screen_leaves_the_terminal_as_it_was(number: signal.Signals) -> None:
    master, slave = pty.openpty()
    try:
        before = termios.tcgetattr(slave)
        screen = subprocess.Popen([sys.executable, "-c", SCREEN, "stay"], stderr=slave)
        assert b" up" in read_until(master, b" up")
        assert termios.tcgetattr(slave) != before
        screen.send_signal(number)
        assert screen.wait() == -number
        output = read_until(master, b"\x1b[0m")
        assert b"\x1b[?1049l" in output
        assert b"\x1b[?1003l" in output
        deadline = time.monotonic() + 20
        while termios.tcgetattr(slave) != before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert termios.tcgetattr(slave) == before
    finally:
        os.close(master)
        os.close(slave)


def test_screen_that_ends_orderly_is_left_alone() -> None:
    master, slave = pty.openpty()
    try:
        tty.setcbreak(slave)
        subprocess.run([sys.executable, "-c", SCREEN, "end"], stderr=slave, check=True)
        assert b"\x1b[?1049l" not in read_until(master, b"\x1b[0m", 0.3)
    finally:
        os.close(master)
        os.close(slave)
