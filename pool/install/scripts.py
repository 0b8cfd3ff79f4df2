"""What is executed: launchers of entry points, and scripts that wheels bring along.

Deliberately the few lines that Python needs: a launcher imports nothing but what it starts.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pool.cache.unpacked_wheels import EntryPoint

__all__ = ["launcher", "launchers", "rewritten", "superseded"]

_LONGEST_SHEBANG = 127
"""The kernel's limit was that until Linux 5.1; pip and distlib keep to it."""

_TEXT = """\
import sys
from {module} import {name}
if __name__ == "__main__":
    sys.exit({attribute}())
"""
_VERSIONED = re.compile(r"pip(\d+(\.\d+)?)?|easy_install(-\d+\.\d+)?")


def launcher(point: EntryPoint, python: Path) -> bytes:
    """Return the file that starts an entry point."""
    name = point.attribute.partition(".")[0]
    text = _TEXT.format(module=point.module, name=name, attribute=point.attribute)
    return _shebang(python) + text.encode()


def launchers(points: Iterable[EntryPoint], version: str) -> Iterator[tuple[str, EntryPoint]]:
    """Yield the name of each launcher, and what it starts.

    Wheels of pip have the names of another Python's version baked in; as pip does, those are left
    out and the right ones made: ``pip``, ``pip3``, ``pip3.11``.

    Args:
        points: all of a wheel.
        version: the interpreter's: ``3.11.7``.
    """
    major, minor = version.split(".")[:2]
    for point in points:
        if not _VERSIONED.fullmatch(point.name):
            yield point.name, point
        elif point.name == "pip":
            for name in ("pip", f"pip{major}", f"pip{major}.{minor}"):
                yield name, point
        elif point.name == "easy_install":
            for name in ("easy_install", f"easy_install-{major}.{minor}"):
                yield name, point


def superseded(script: str, points: Iterable[EntryPoint]) -> bool:
    """Return whether a script of a wheel is setuptools' own launcher for an entry point."""
    stem = re.sub(r"(?i)(\.exe|-script\.py|\.pya)$", "", script)
    return any(point.name == stem for point in points)


def rewritten(script: bytes, python: Path) -> bytes | None:
    """Return a script with the environment's Python in its first line; None if it is as it is."""
    if not script.startswith(b"#!python"):
        return None
    return _shebang(python) + script.partition(b"\n")[2]


def _shebang(python: Path) -> bytes:
    line = os.fsencode(f"#!{python}\n")
    if b" " not in line and len(line) <= _LONGEST_SHEBANG:
        return line
    # The kernel takes no spaces and no long lines. What sh runs is a string to Python.
    return os.fsencode(f"#!/bin/sh\n'''exec' {shlex.quote(str(python))} \"$0\" \"$@\"\n' '''\n")
