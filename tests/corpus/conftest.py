"""One server for all commands of the corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.corpus.http_server import CaseServer, run_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def case_server() -> Iterator[CaseServer]:
    with run_server() as server:
        yield server
