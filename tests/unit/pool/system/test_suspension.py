"""A stop of this process stops the groups of its hooks, and its time is not counted."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from pool.common.clock import SystemClock
from pool.system.process import Command, ProcessSupervisor
from pool.system.suspension import suspended
from tests.support.build_keys import build_key
from tests.support.terminal import wait_until

SLEEPS = "import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', 'import time; time.sleep(600)'])"


@pytest.mark.skipif(sys.platform != "linux", reason="reads process states")
def test_hooks_and_their_children_stop_and_continue(tmp_path: Path) -> None:
    supervisor = ProcessSupervisor("suspended")
    hook = supervisor.start(
        Command(
            build=build_key("b1"),
            argv=[sys.executable, "-S", "-c", SLEEPS],
            cwd=tmp_path,
            environ=os.environ,
            log=tmp_path / "log",
        )
    )
    try:
        process = psutil.Process(hook.pid)
        wait_until(lambda: len(process.children()) == 1)
        tree = [process, *process.children()]
        with suspended():
            wait_until(lambda: {one.status() for one in tree} == {psutil.STATUS_STOPPED})
        wait_until(lambda: psutil.STATUS_STOPPED not in {one.status() for one in tree})
    finally:
        process.kill()
        hook.wait()
        supervisor.close()


def test_time_of_a_stop_does_not_count() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    with suspended():
        time.sleep(0.3)
    assert clock.monotonic() - before < 0.25
