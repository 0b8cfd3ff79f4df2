"""What programs that builds use are on PATH, in which versions, and what those can do.

Each is asked once, for its version, in a process of its own; none is trusted to answer.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pool.system.locks.uv_lock import lock_path
from pool.system.process import answer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["PROGRAMS", "Program", "probe_program", "uv_agrees"]

_PATIENCE = 0.8
"""Seconds: what takes longer is told to be slow."""
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_LOCK = re.compile(r"uv-setuptools-[0-9a-f]{16}\.lock")


def _make(version: tuple[int, ...]) -> str:
    if version >= (4, 4):
        return "jobserver by FIFO"
    return "no jobserver by FIFO before 4.4: wheelpool's shim stands before it"


def _ninja(version: tuple[int, ...]) -> str:
    if version >= (1, 13):
        return "jobserver"
    return "no jobserver before 1.13: a counted lease instead"


PROGRAMS: Mapping[str, Callable[[tuple[int, ...]], str] | None] = {
    "git": None,
    "make": _make,
    "gmake": _make,
    "ninja": _ninja,
    "cmake": None,
    "cargo": None,
    "cc": None,
    "c++": None,
    "gcc": None,
    "clang": None,
    "uv": None,
}
"""What is looked for, and what is to be said of a version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program as it was found."""

    path: Path | None
    version: str = ""
    """Empty where it did not tell."""
    remark: str = ""


def probe_program(name: str, environ: Mapping[str, str]) -> Program:
    """Look for a program and ask for its version; blocks for less than a second."""
    if not (found := shutil.which(name, path=environ.get("PATH"))):
        return Program(path=None)
    path = Path(found)
    match = _VERSION.search(_said([found, "--version"], environ))
    if match is None:
        return Program(path=path, remark="it does not tell its version")
    number = tuple(int(part) for part in match[0].split("."))
    say = PROGRAMS.get(name)
    return Program(path=path, version=match[0], remark=say(number) if say else "")


def uv_agrees(uv: Path, python: Path, environ: Mapping[str, str]) -> bool | None:
    """Ask an installed uv where it locks a tree; tell if that is where we do.

    It begins to build a tree of setuptools' that cannot be built: the lock comes first. None where
    uv's answer cannot be understood.
    """
    with tempfile.TemporaryDirectory(prefix="wheelpool-") as folder:
        tree = Path(folder, "tree").resolve()
        tree.mkdir()
        (tree / "setup.py").write_text("raise SystemExit(1)\n")
        ours = {**environ, "TMPDIR": folder, "UV_CACHE_DIR": f"{folder}/cache"}
        command = [str(uv), "build", "-vv", "--no-build-isolation", "--wheel", "--offline"]
        told = _said([*command, "--python", str(python), str(tree)], ours)
        names = set(_LOCK.findall(told))
        return names == {Path(lock_path(tree, ours)).name} if names else None


def _said(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return what a program says, whether or not it ends well."""
    try:
        return answer_of(argv, environ=environ, timeout=_PATIENCE)
    except subprocess.CalledProcessError as problem:
        return f"{problem.stdout}\n{problem.stderr}"
    except subprocess.TimeoutExpired as problem:
        parts = (problem.stdout or b"", problem.stderr or b"")
        return "\n".join(
            part.decode(errors="replace") if isinstance(part, bytes) else part for part in parts
        )
    except OSError:
        return ""
