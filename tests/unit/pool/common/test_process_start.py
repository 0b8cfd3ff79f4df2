"""The start of a process, as the system tells it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pool.common.clock import read_process_start

CODE = """
import time
entered = time.monotonic()
from pool.common.clock import read_process_start
print(read_process_start(entered), entered)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell it")
def test_read_process_start_new_process_started_before_its_first_code() -> None:
    before = time.monotonic()
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    start, entered = map(float, done.stdout.split())
    # The system counts in ticks of 10 ms.
    assert before - 0.02 <= start <= entered


def test_read_process_start_long_after_the_process_is_the_entry() -> None:
    """A shell script, for example, that ended with ``exec``."""
    assert read_process_start(time.monotonic() + 3600) == pytest.approx(time.monotonic() + 3600, 1)
