"""A fresh environment for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.installs import Yard

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)
