"""Wheels with one fault each, trees whose backend gives back such wheels, and environments."""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = [
    "METADATA",
    "NAME",
    "WHEEL",
    "Wheel",
    "build_wheel",
    "install_wheel",
    "make_environment",
    "make_tree",
]

NAME = "t-1-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: t\nVersion: 1\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
BACKEND = """
import os, shutil, sys
from pathlib import Path

NAME = {name!r}
PREBUILT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "prebuilt.whl")

def wheel(path):
    shutil.copyfile(PREBUILT, path)

def build_wheel(folder, config_settings=None, metadata_directory=None):
    {code}

build_editable = build_wheel
"""


@dataclass(frozen=True)
class Wheel:
    """A wheel of the project t, version 1, that is right except for what is given."""

    name: str = NAME
    info: str = "t-1.dist-info"
    metadata: str | bytes | None = METADATA
    wheel: str | bytes | None = WHEEL
    files: Mapping[str, str | bytes] = field(default_factory=lambda: {"t.py": "value = 1\n"})
    record: str | bytes | None = "right"
    """``right``: with a row for each file. None: there is no RECORD."""
    change: Callable[[bytes], bytes] | None = None
    """Changes the bytes of the file."""
    modes: Mapping[str, int] = field(default_factory=dict)
    compression: int = zipfile.ZIP_STORED

    def write(self, folder: Path, name: str = "") -> Path:
        """Write the file into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (name or self.name)
        with zipfile.ZipFile(path, "w", self.compression) as archive:
            for member, content in self._contents():
                info = zipfile.ZipInfo(member)
                info.external_attr = self.modes.get(member, 0o100644) << 16
                info.compress_type = self.compression
                archive.writestr(info, content)
        if self.change is not None:
            path.write_bytes(self.change(path.read_bytes()))
        return path

    def _contents(self) -> list[tuple[str, str | bytes]]:
        infos = {f"{self.info}/METADATA": self.metadata, f"{self.info}/WHEEL": self.wheel}
        present = {path: text for path, text in infos.items() if text is not None}
        contents = [*self.files.items(), *present.items()]
        if self.record == "right":
            rows = [_row(path, content) for path, content in contents]
            contents.append((f"{self.info}/RECORD", "".join([*rows, f"{self.info}/RECORD,,\n"])))
        elif self.record is not None:
            contents.append((f"{self.info}/RECORD", self.record))
        return contents


def _row(path: str, content: str | bytes) -> str:
    data = content.encode() if isinstance(content, str) else content
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{path},sha256={digest},{len(data)}\n"


def make_tree(folder: Path, code: str, wheel: Wheel | None = None, name: str = "t") -> Path:
    """Make a source tree whose ``build_wheel`` runs ``code``.

    The code has ``folder``, ``NAME``, and ``wheel(path)``, which writes the wheel.
    """
    tree = folder / name
    tree.mkdir(parents=True)
    wheel = wheel or Wheel()
    wheel.write(tree, "prebuilt.whl")
    body = code.replace("\n", "\n    ")
    (tree / "b.py").write_text(BACKEND.format(name=wheel.name, code=body))
    (tree / "pyproject.toml").write_text(PYPROJECT)
    return tree


def build_wheel(wheel: Wheel) -> Callable[[Path], Sequence[str]]:
    """Return a maker of a tree whose backend makes this wheel; the command builds it."""

    def make(folder: Path) -> Sequence[str]:
        make_tree(folder, "wheel(os.path.join(folder, NAME))\nreturn NAME", wheel)
        return ["build", "./t"]

    return make


def install_wheel(*wheels: Wheel, flags: Sequence[str] = ()) -> Callable[[Path], Sequence[str]]:
    """Return a maker of wheels and an environment; the command installs them into it."""

    def make(folder: Path) -> Sequence[str]:
        make_environment(folder / "env")
        paths = [str(wheel.write(folder)) for wheel in wheels]
        return ["install", "--no-ui", "--no-deps", "--into", "env", *flags, *paths]

    return make


def make_environment(folder: Path) -> Path:
    """Make a virtual environment without pip; return its site-packages."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / f"lib/python{version}/site-packages"
    site.mkdir(parents=True)
    (folder / "bin").mkdir()
    executable = Path(os.path.realpath(sys.executable))
    (folder / "pyvenv.cfg").write_text(
        f"home = {executable.parent}\ninclude-system-site-packages = false\n"
    )
    (folder / "bin/python").symlink_to(executable)
    (folder / "bin/python3").symlink_to("python")
    (folder / f"bin/python{version}").symlink_to("python")
    (folder / "lib64").symlink_to("lib")
    return site
