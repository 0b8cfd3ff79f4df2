"""Tests marked `exclusive` run alone, in whatever order pytest-xdist hands out tests.

Such tests measure the machine: how many compilers run at once, the memory of processes, shares of
the processors. Each worker holds a file lock during a test: shared, or exclusive for these.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["pytest_collection_modifyitems", "pytest_runtest_protocol"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move exclusive tests to the end, so that the other ones seldom wait for them."""
    items.sort(key=_is_exclusive)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Hold the lock during set-up, call and teardown; outside of the test's own timeout."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    # Each worker has a folder of its own below one of the whole run.
    folder = item.config._tmp_path_factory.getbasetemp().parent  # type: ignore[attr-defined]
    with _locked(folder, fcntl.LOCK_EX if _is_exclusive(item) else fcntl.LOCK_SH):
        return (yield)


def _is_exclusive(item: pytest.Item) -> bool:
    return item.get_closest_marker("exclusive") is not None


@contextmanager
def _locked(folder: Path, mode: int) -> Iterator[None]:
    # The kernel grants a shared lock while an exclusive one is waited for. The second lock, which is
    # held while waiting for the first, keeps shared ones from starving an exclusive one.
    with (folder / "tests.lock").open("w") as lock:
        with (folder / "tests-queue.lock").open("w") as queue:
            fcntl.flock(queue, fcntl.LOCK_EX)
            fcntl.flock(lock, mode)
        yield
