"""Source trees whose build is a few lines of Python."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["WHEEL", "make_hook_tree"]

WHEEL = "t-1-py3-none-any.whl"
BACKEND = '''
import os, sys, zipfile

WHEEL = "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"

def write_wheel(folder, content=""):
    """Write a valid wheel with one module; return its name."""
    name = "t-1-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("t.py", f"content = {content!r}\\n")
        wheel.writestr("t-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: t\\nVersion: 1\\n")
        wheel.writestr("t-1.dist-info/WHEEL", WHEEL)
        wheel.writestr("t-1.dist-info/RECORD", "")
    return name

def build_wheel(folder, config_settings=None, metadata_directory=None):
    content = ""
'''


def make_hook_tree(
    folder: Path,
    code: str,
    *,
    name: str = "t",
    top: str = "",
    files: Mapping[str, str | bytes] | None = None,
) -> Path:
    """Make a tree whose build_wheel runs ``code``, which may set ``content``, then writes a wheel.

    Args:
        folder: the parent of the tree.
        code: lines of the hook.
        name: of the tree.
        top: lines at the end of the backend's module.
        files: more files of the tree.
    """
    tree = folder / name
    tree.mkdir(parents=True)
    body = textwrap.indent(textwrap.dedent(code).strip(), "    ")
    (tree / "b.py").write_text(
        f"{BACKEND}{body}\n    return write_wheel(folder, content)\n{textwrap.dedent(top)}"
    )
    (tree / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
    )
    for path, content in (files or {}).items():
        target = tree / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tree
