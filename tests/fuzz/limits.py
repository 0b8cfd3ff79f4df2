"""The number of random inputs, and the limits that hold for each of them."""

from __future__ import annotations

import os
import resource
import signal
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["count_input", "count_inputs", "fuzz", "limited"]

STRESS = float(os.environ.get("WHEELPOOL_STRESS", "1"))
SECONDS = 5.0
"""Of processor time: a hundred times what an input takes on a slow machine."""
BLOCKED_PROCESSOR_SECONDS = 0.005
BLOCKED_SECONDS = 20.0
"""For an input that waits without using the processor, as for the other end of a pipe."""
MEMORY = 512 << 20
"""Bytes above what the process has."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_counts = {"inputs": 0}
_processor_time = [0.0]
"""Of this process when an input began, or when its timer ended."""


class TooLongError(BaseException):
    """An input that takes too long; no handler of errors in the product catches it."""


def fuzz(inputs: int) -> settings:
    """Return the settings of a test with so many inputs, times ``WHEELPOOL_STRESS``."""
    return settings(
        max_examples=max(1, int(inputs * STRESS)),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def count_inputs() -> int:
    """Return the number of inputs of this process until now."""
    return _counts["inputs"]


def count_input() -> None:
    """Count an input of a test that has limits of its own."""
    _counts["inputs"] += 1


@contextmanager
def limited(*expected: type[Exception]) -> Iterator[None]:
    """Run the block for one input: within the limits, and with no error but these."""
    count_input()
    _processor_time[0] = time.process_time()
    with _limited_time(), _limited_memory(), suppress(*expected):
        yield


def _raise_too_long(_number: int, _frame: Any) -> None:
    raise TooLongError


def _raise_if_blocked(_number: int, _frame: Any) -> None:
    """Raise an error if the process waits; it goes on if the machine is only slow."""
    now = time.process_time()
    if now - _processor_time[0] < BLOCKED_PROCESSOR_SECONDS:
        raise TooLongError
    _processor_time[0] = now
    signal.setitimer(signal.ITIMER_REAL, BLOCKED_SECONDS)


@contextmanager
def _limited_time() -> Iterator[None]:
    with (
        _timer(signal.ITIMER_PROF, signal.SIGPROF, SECONDS, _raise_too_long),
        _timer(signal.ITIMER_REAL, signal.SIGALRM, BLOCKED_SECONDS, _raise_if_blocked),
    ):
        yield


@contextmanager
def _timer(
    timer: int, number: signal.Signals, seconds: float, on_end: Callable[[int, Any], None]
) -> Iterator[None]:
    """Raise an error in the block after a time; pytest-timeout's own timer goes on after it."""
    handler: Callable[..., Any] | int | None = signal.signal(number, on_end)
    before, _ = signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        left, _ = signal.setitimer(timer, 0)
        signal.signal(number, handler)
        if before:
            signal.setitimer(timer, max(0.001, before - (seconds - left)))


@contextmanager
def _limited_memory() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * _PAGE
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
