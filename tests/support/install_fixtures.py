"""A fresh environment for each test."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.installs import Yard

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


@pytest.fixture
def spread_yard(yard: Yard) -> Iterator[Yard]:
    """Its modules and its commands are links to folders on another volume."""
    with tempfile.TemporaryDirectory(dir=_other_volume(yard.folder)) as folder:
        for name, path in {"modules": yard.site, "commands": yard.bin}.items():
            (Path(folder) / name).mkdir()
            yard.move_out(path, Path(folder) / name)
        yield yard


def _other_volume(folder: Path) -> Path:
    for other in (Path("/dev/shm"), Path(tempfile.gettempdir()), Path.cwd()):
        if os.access(other, os.W_OK) and other.stat().st_dev != folder.stat().st_dev:
            return other
    pytest.skip("all folders are on one volume")
