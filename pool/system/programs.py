"""Programs on PATH that builds use: their versions and their support of the jobserver.

Each program runs once, to print its version; a program that hangs or fails does no harm.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pool.common.record import Record
from pool.system.locks.uv_lock import lock_path
from pool.system.process import capture_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["PROGRAMS", "Program", "probe_program", "uv_has_same_lock"]

_TIMEOUT_SECONDS = 0.8
"""A slower program counts as one without a version."""
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_UV_LOCK = re.compile(r"uv-setuptools-[0-9a-f]{16}\.lock")


def _describe_make(version: tuple[int, ...]) -> str:
    if version >= (4, 4):
        return "FIFO jobserver"
    return "no FIFO jobserver before 4.4: builds use wheelpool's shim for make"


def _describe_ninja(version: tuple[int, ...]) -> str:
    if version >= (1, 13):
        return "jobserver"
    return "no jobserver before 1.13: it gets a counted lease of jobs instead"


PROGRAMS: Mapping[str, Callable[[tuple[int, ...]], str] | None] = {
    "git": None,
    "make": _describe_make,
    "gmake": _describe_make,
    "ninja": _describe_ninja,
    "cmake": None,
    "cargo": None,
    "cc": None,
    "c++": None,
    "gcc": None,
    "clang": None,
    "uv": None,
}
"""The programs to look for, each with the function that describes a version of it."""


class Program(Record, frozen=True, kw_only=True):
    """One program on PATH."""

    path: Path | None
    """None if the program is not on PATH."""
    version: str = ""
    """Empty if the program did not print it."""
    note: str = ""


def probe_program(name: str, environ: Mapping[str, str]) -> Program:
    """Look for a program and run it for its version; blocks for less than a second."""
    if not (executable := shutil.which(name, path=environ.get("PATH"))):
        return Program(path=None)
    path = Path(executable)
    match = _VERSION.search(_output_of([executable, "--version"], environ))
    if match is None:
        return Program(path=path, note="it does not print its version")
    version = tuple(int(part) for part in match[0].split("."))
    describe = PROGRAMS.get(name)
    return Program(path=path, version=match[0], note=describe(version) if describe else "")


def uv_has_same_lock(uv: Path, python: Path, environ: Mapping[str, str]) -> bool | None:
    """Return whether an installed uv locks a source tree with the same file as wheelpool.

    It lets uv build a setuptools project that cannot be built: uv takes the lock first, and logs
    its path. None if uv's output has no such path.
    """
    with tempfile.TemporaryDirectory(prefix="wheelpool-") as folder:
        tree = Path(folder, "tree").resolve()
        tree.mkdir()
        (tree / "setup.py").write_text("raise SystemExit(1)\n")
        own_environ = {**environ, "TMPDIR": folder, "UV_CACHE_DIR": f"{folder}/cache"}
        command = [str(uv), "build", "-vv", "--no-build-isolation", "--wheel", "--offline"]
        output = _output_of([*command, "--python", str(python), str(tree)], own_environ)
        names = set(_UV_LOCK.findall(output))
        return names == {Path(lock_path(tree, own_environ)).name} if names else None


def _output_of(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the output of a program, also of one that fails or hangs."""
    try:
        return capture_output(argv, environ=environ, timeout=_TIMEOUT_SECONDS)
    except subprocess.CalledProcessError as problem:
        return f"{problem.stdout}\n{problem.stderr}"
    except subprocess.TimeoutExpired as problem:
        parts = (problem.stdout or b"", problem.stderr or b"")
        return "\n".join(
            part.decode(errors="replace") if isinstance(part, bytes) else part for part in parts
        )
    except OSError:
        return ""
