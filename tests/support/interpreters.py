"""Other Python versions of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["find_python"]

_VERSIONS = Path.home() / ".pyenv" / "versions"


def find_python(version: str) -> Path:
    """Return the newest interpreter of a version, such as "3.12", or skip the test."""
    found = sorted(_VERSIONS.glob(f"{version}.*/bin/python"))
    if not found:
        pytest.skip(f"no Python {version} here")
    return found[-1]
