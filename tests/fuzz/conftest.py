"""Prints the random inputs of each test and their time, which ``-s`` shows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.limits import count_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _inputs(request: pytest.FixtureRequest) -> Iterator[None]:
    before, start = count_inputs(), time.process_time()
    yield
    count, seconds = count_inputs() - before, time.process_time() - start
    print(f"\n{count} inputs: {request.node.name} ({seconds:.1f} s of processor time)", flush=True)
