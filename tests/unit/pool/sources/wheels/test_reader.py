"""Wheels of backends: the project and version, or the reason why the file is no wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pool.common.errors import ArchiveError
from pool.sources.wheels import reader as wheelfile
from tests.support.makers import make_wheel

if TYPE_CHECKING:
    from pathlib import Path


def test_name_and_version_are_read(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "Foo-Bar", "1.0")
    facts = wheelfile.read_wheel(wheel)
    assert (facts.name, facts.version) == ("Foo-Bar", "1.0")


@pytest.mark.parametrize("size", [0, 10, 300])
def test_a_file_that_is_no_wheel_is_reported(tmp_path: Path, size: int) -> None:
    wheel = make_wheel(tmp_path, "a")
    wheel.write_bytes(wheel.read_bytes()[:size])
    with pytest.raises(ArchiveError, match="not a valid wheel: "):
        wheelfile.read_wheel(wheel)


def test_a_wheel_of_another_name_is_reported(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "a")
    for name, reason in (
        ("b-1.0-py3-none-any.whl", "has the name a, not b"),
        ("a.whl", "not a valid wheel"),
    ):
        with pytest.raises(ArchiveError, match=reason):
            wheelfile.read_wheel(wheel.rename(tmp_path / name))
        wheel = make_wheel(tmp_path, "a")
