"""Source archives: odd ones that pip and uv build, and hostile ones."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from tests.corpus.case import Case, built

if TYPE_CHECKING:
    from pathlib import Path

BACKEND = b"""
import os, zipfile

WHEEL = "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "t-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("t.py", "")
        wheel.writestr("t-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: t\\nVersion: 1\\n")
        wheel.writestr("t-1.dist-info/WHEEL", WHEEL)
        wheel.writestr("t-1.dist-info/RECORD", "")
    return name
"""
PYPROJECT = b'[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
PROJECT = {"pyproject.toml": PYPROJECT, "b.py": BACKEND}
WHEEL = "t-1-py3-none-any.whl"


def _pack(folder: Path, files: dict[str, bytes]) -> list[str]:
    with tarfile.open(folder / "t-1.tar.gz", "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return ["build", "t-1.tar.gz"]


CASES = [
    Case(
        "one-folder",
        "C1",
        lambda folder: _pack(folder, {f"t-1/{name}": data for name, data in PROJECT.items()}),
        built(WHEEL),
    ),
]
