"""SIGUSR1 and SIGUSR2 before, during and after a run do not end the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

import pool
from app.plain import early_signals
from app.plain.run import handle_signals

SCRIPT = """
import atexit, os, signal, sys
from app.cli import main

def send(number):
    os.kill(os.getpid(), number)

class Last:
    def __del__(self, send=os.kill, pid=os.getpid(), number=signal.SIGUSR1):
        send(pid, number)

def run_command(argv, entered):
    send(signal.SIGUSR1)
    send(signal.SIGUSR2)
    return 7

main._run_command = run_command
atexit.register(send, signal.SIGUSR2)
sys.last = Last()
sys.argv = ["wheelpool", "build", "x"]
main.main()
"""


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    yield
    early_signals.take_recorded()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_signals_at_the_start_and_at_the_very_end_do_not_change_the_exit_code() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=False, timeout=60)
    assert done.returncode == 7


def test_signals_before_the_run_change_the_limit_when_the_run_is_there() -> None:
    early_signals.record_signals()
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGUSR2)
    sent: list[pool.Control] = []
    with handle_signals(sent.append, lambda _count: None):
        assert sent == [
            pool.Resize(limit=pool.LimitName.BUILDS, by=1),
            pool.Resize(limit=pool.LimitName.BUILDS, by=-1),
        ]
    os.kill(os.getpid(), signal.SIGUSR1)
    assert len(sent) == 2


def test_ignored_signals_stay_ignored() -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    early_signals.record_signals()
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
