"""Other Python versions of this machine: commands on PATH, and the installations of pyenv."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["find_python", "interpreters"]

_VERSIONS = Path.home() / ".pyenv" / "versions"


def find_python(version: str) -> Path:
    """Return an interpreter of a version, such as "3.12", or skip the test."""
    for python in interpreters(version):
        return python
    pytest.skip(f"no Python {version} here")


def interpreters(version: str) -> Iterator[Path]:
    """Yield the interpreters of a version that start, the newest of pyenv first."""
    found = sorted(_VERSIONS.glob(f"{version}.*/bin/python"), reverse=True)
    command = shutil.which(f"python{version}")
    for python in [*found, *([Path(command)] if command else [])]:
        if _starts(python, version):
            yield python


def _starts(python: Path, version: str) -> bool:
    # A shim of pyenv is on PATH for each installed version, and fails unless that is selected.
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    argv = [str(python), "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout.strip() == version
