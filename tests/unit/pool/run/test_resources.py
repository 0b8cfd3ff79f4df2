"""Thread pools of the engine: none holds back what a limit lets in, and none delays another."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pool.run.resources import Executors
from pool.settings import MAX_BUILDS


@pytest.fixture
def executors() -> Iterator[Executors]:
    made = Executors()
    yield made
    made.shutdown()


def test_executors_unpack_as_many_wheels_at_once_as_the_largest_limit(executors: Executors) -> None:
    meeting = threading.Barrier(MAX_BUILDS)
    running = [executors.unpacking.submit(meeting.wait, 60) for _ in range(MAX_BUILDS)]
    assert sorted(future.result() for future in running) == list(range(MAX_BUILDS))


def test_executors_sample_while_all_threads_of_files_are_busy(executors: Executors) -> None:
    release = threading.Event()
    busy = [executors.files.submit(release.wait, 60) for _ in range(100)]
    busy += [executors.unpacking.submit(release.wait, 60) for _ in range(100)]
    assert executors.sampler.submit(lambda: 1).result(60) == 1
    release.set()
    assert all(future.result() for future in busy)
