"""Executable files: launchers of console entry points, and the shebang of a wheel's scripts.

Used for target environments and for build environments. A launcher imports only its entry point,
to start fast.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pool.sources.wheels.entry_points import EntryPoint

__all__ = ["format_launcher", "is_legacy_launcher", "launcher_names", "rewrite_shebang"]

_MAX_SHEBANG_BYTES = 127
"""The kernel's limit until Linux 5.1; pip and distlib apply it, too."""

_LAUNCHER = """\
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.exit({attribute}())
"""
_VERSIONED_NAME = re.compile(r"pip(\d+(\.\d+)?)?|easy_install(-\d+\.\d+)?")


def format_launcher(point: EntryPoint, python: Path) -> bytes:
    """Return the text of the executable that calls an entry point."""
    name = point.attribute.partition(".")[0]
    text = _LAUNCHER.format(module=point.module, name=name, attribute=point.attribute)
    return format_shebang(python) + text.encode()


def launcher_names(points: Iterable[EntryPoint], version: str) -> Iterator[tuple[str, EntryPoint]]:
    """Yield the file name and the entry point of each launcher.

    A wheel of pip may have entry points named after the Python that built it. As pip does, this
    skips them and adds those of this interpreter: ``pip``, ``pip3``, ``pip3.11``.

    Args:
        points: the console entry points of a wheel.
        version: the version of the interpreter: ``3.11.7``.
    """
    major, minor = version.split(".")[:2]
    for point in points:
        if not _VERSIONED_NAME.fullmatch(point.name):
            yield point.name, point
        elif point.name == "pip":
            for name in ("pip", f"pip{major}", f"pip{major}.{minor}"):
                yield name, point
        elif point.name == "easy_install":
            for name in ("easy_install", f"easy_install-{major}.{minor}"):
                yield name, point


def is_legacy_launcher(script: str, points: Iterable[EntryPoint]) -> bool:
    """Tell whether a script of a wheel is setuptools' own launcher for an entry point."""
    stem = re.sub(r"(?i)(\.exe|-script\.py|\.pya)$", "", script)
    return any(point.name == stem for point in points)


def rewrite_shebang(script: bytes, python: Path) -> bytes | None:
    """Replace ``#!python`` in the first line; return None if the script does not begin with it."""
    if not script.startswith(b"#!python"):
        return None
    return format_shebang(python) + script.partition(b"\n")[2]


def format_shebang(python: Path) -> bytes:
    """Return the first line, or lines, that make a script run with ``python``."""
    line = os.fsencode(f"#!{python}\n")
    if b" " not in line and len(line) <= _MAX_SHEBANG_BYTES:
        return line
    # The kernel accepts no spaces and no long lines. To Python, the command for sh is a string.
    return os.fsencode(f"#!/bin/sh\n'''exec' {shlex.quote(str(python))} \"$0\" \"$@\"\n' '''\n")
