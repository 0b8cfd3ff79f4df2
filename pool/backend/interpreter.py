"""The interpreter that builds run with: its version, its tags, its layout.

It is asked by a script that runs in it, so that the tool's own version never shows through. The
tool's own interpreter is asked without starting a process.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import packaging
from packaging.tags import Tag

from pool.backend.process import answer_of
from pool.errors import BuildEnvironmentError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Interpreter", "probe"]

_TIMEOUT_SECONDS = 30.0
# Runs in the target: no syntax newer than Python 3.9, nothing imported but packaging.
_SCRIPT = """
import importlib.util, json, sys, sysconfig
if sys.version_info < (3, 9):
    print(json.dumps({"version": "%d.%d.%d" % sys.version_info[:3]}))
    sys.exit()
sys.path.append(PACKAGING)
from packaging.markers import default_environment
from packaging.tags import sys_tags
scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
base = {"base": "", "platbase": "", "installed_base": "", "installed_platbase": ""}
answer = {
    "version": default_environment()["python_full_version"],
    "executable": getattr(sys, "_base_executable", None) or sys.executable,
    "cache_tag": sys.implementation.cache_tag,
    "magic": importlib.util.MAGIC_NUMBER.hex(),
    "tags": [str(tag) for tag in sys_tags()],
    "environment": dict(default_environment()),
    "site": sysconfig.get_path("purelib", scheme, base).lstrip("/"),
}
"""


class Interpreter(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A Python that wheels are built for, and with."""

    version: str
    """``3.11.7``."""
    executable: Path
    """The interpreter itself, never a virtual environment's link to it."""
    cache_tag: str
    """What its bytecode is named after: ``cpython-311``."""
    magic: str
    """The version of its bytecode, hexadecimal."""
    tag_names: tuple[str, ...] = msgspec.field(name="tags")
    """The wheels it takes, best first (PEP 425)."""
    environment: dict[str, str]
    """The values of environment markers (PEP 508)."""
    site: str
    """Where packages are, relative to a virtual environment: ``lib/python3.11/site-packages``."""

    @cached_property
    def tags(self) -> tuple[Tag, ...]:
        """The wheels it takes, best first."""
        return tuple(Tag(*name.split("-", 2)) for name in self.tag_names)

    @property
    def python_version(self) -> str:
        """The full version, as resolvers call it."""
        return self.version


def probe(python: Path | None, environ: Mapping[str, str]) -> Interpreter:
    """Ask an interpreter about itself; None is the one that runs wheelpool.

    Raises:
        BuildEnvironmentError: there is none, it does not answer, or it is too old.
    """
    script = _SCRIPT.replace("PACKAGING", repr(str(Path(packaging.__file__).parents[1])))
    if python is None or (found := _found(python, environ)) == Path(sys.executable):
        return _converted(_own_answer(script))
    return _converted(_its_answer(found, script, environ))


def _found(python: Path, environ: Mapping[str, str]) -> Path:
    """Return the path of an interpreter given by path or by name."""
    named = (
        shutil.which(str(python), path=environ.get("PATH")) if python.name == str(python) else None
    )
    path = Path(named) if named else python
    if not path.exists():
        raise BuildEnvironmentError(f"--python {python}: no such interpreter")
    return path.absolute()


def _own_answer(script: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    path = list(sys.path)
    try:
        exec(script, names)  # noqa: S102 - the constant above; one source for both ways of asking
    finally:
        sys.path[:] = path
    answer: dict[str, Any] = names["answer"]
    return answer


def _its_answer(python: Path, script: str, environ: Mapping[str, str]) -> dict[str, Any]:
    argv = [str(python), "-I", "-S", "-c", script + "print(json.dumps(answer))"]
    try:
        answer: dict[str, Any] = json.loads(
            answer_of(argv, environ=environ, timeout=_TIMEOUT_SECONDS)
        )
    except (OSError, subprocess.SubprocessError, ValueError) as problem:
        raise BuildEnvironmentError(
            f"--python {python}: does not work as a Python 3.9 or newer",
            hint=_last_line(problem),
        ) from problem
    if len(answer) == 1:
        raise BuildEnvironmentError(
            f"--python {python}: is Python {answer['version']}; 3.9 or newer is needed"
        )
    return answer


def _last_line(problem: Exception) -> str:
    told = problem.stderr if isinstance(problem, subprocess.CalledProcessError) else str(problem)
    return (str(told or "").strip().splitlines() or [""])[-1]


def _converted(answer: dict[str, Any]) -> Interpreter:
    return msgspec.convert(answer, Interpreter, dec_hook=lambda kind, value: kind(value))
