"""Prints the number of random inputs of each test, which ``-s`` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fuzz.limits import count_inputs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _inputs(request: pytest.FixtureRequest) -> Iterator[None]:
    before = count_inputs()
    yield
    print(f"\n{count_inputs() - before} inputs: {request.node.name}")
