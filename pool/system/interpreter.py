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
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import packaging
from packaging.tags import Tag

from pool.common.errors import BuildEnvironmentError, os_error_text
from pool.system.process import answer_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Interpreter", "Layout", "UnusablePythonError", "probe", "probe_layout"]

_Answer = TypeVar("_Answer", "Interpreter", "Layout")

_TIMEOUT_SECONDS = 30.0
_ANOTHER = "it is another program"
# Runs in the target: no syntax newer than Python 3.9, nothing imported but packaging.
_SCRIPT = """
import importlib.util, json, os, sys, sysconfig
if sys.version_info < (3, 9):
    print(json.dumps({"answer": {"version": "%d.%d.%d" % sys.version_info[:3]}}))
    sys.exit()
sys.path.append(PACKAGING)
from packaging.markers import default_environment
from packaging.tags import sys_tags
executable = getattr(sys, "_base_executable", None) or sys.executable
if os.path.exists(os.path.join(os.path.dirname(executable), os.pardir, "pyvenv.cfg")):
    executable = os.path.realpath(executable)  # before 3.11 an environment is its own base
scheme = "venv" if "venv" in sysconfig.get_scheme_names() else "posix_prefix"
roots = ("base", "platbase", "installed_base", "installed_platbase")
answer = {
    "version": default_environment()["python_full_version"],
    "executable": executable,
    "cache_tag": sys.implementation.cache_tag,
    "magic": importlib.util.MAGIC_NUMBER.hex(),
    "tags": [str(tag) for tag in sys_tags()],
    "environment": dict(default_environment()),
    "site": sysconfig.get_path("purelib", scheme, dict.fromkeys(roots, "")).lstrip("/"),
}
prefix = os.path.dirname(os.path.dirname(os.path.abspath(sys.executable)))
virtual = os.path.exists(os.path.join(prefix, "pyvenv.cfg"))
if virtual:
    paths = sysconfig.get_paths(scheme, dict.fromkeys(roots, prefix))
    paths["include"] = os.path.join(prefix, "include", "site", "python%d.%d" % sys.version_info[:2])
else:
    prefix, paths = sys.prefix, sysconfig.get_paths()
managed = os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))
layout = {
    "prefix": prefix,
    "managed": managed and not virtual,
    "purelib": paths["purelib"],
    "platlib": paths["platlib"],
    "scripts": paths["scripts"],
    "data": paths["data"],
    "headers": paths["include"],
}
"""
_SAY = 'print(json.dumps({"answer": answer, "layout": layout}))'


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


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where a Python, or the virtual environment it belongs to, has its packages."""

    prefix: Path
    """Absolute, as the interpreter was called; links are not followed."""
    managed: bool
    """Whether only the system's own package manager may write there (PEP 668)."""
    purelib: Path
    platlib: Path
    scripts: Path
    data: Path
    headers: Path
    """Each distribution has a folder in there."""


class UnusablePythonError(BuildEnvironmentError):
    """A program that is no Python, or too old."""

    def __init__(self, python: Path, why: str) -> None:
        self.why = why
        super().__init__(
            f"--python {python}: not a Python that can be used: {why}",
            hint="give the path of the executable of a Python 3.9 or newer",
        )


def probe(python: Path | None, environ: Mapping[str, str]) -> Interpreter:
    """Ask an interpreter about itself; None is the one that runs wheelpool.

    Raises:
        BuildEnvironmentError: there is none, it does not answer, or it is too old.
    """
    script = _script()
    if python is None or (found := _found(python, environ)) == Path(sys.executable):
        return _converted(_own_answer(script), Interpreter)
    return _converted(_its_answer(found, script, environ)["answer"], Interpreter)


def probe_layout(python: Path, environ: Mapping[str, str]) -> tuple[Interpreter, Layout]:
    """Ask an interpreter, often that of an environment, about itself and where it has packages.

    Raises:
        UnusablePythonError: there is none, it does not answer, or it is too old.
    """
    said = _its_answer(_found(python, environ), _script(), environ)
    return _converted(said["answer"], Interpreter), _converted(said["layout"], Layout)


def _script() -> str:
    return _SCRIPT.replace("PACKAGING", repr(str(Path(packaging.__file__).parents[1])))


def _found(python: Path, environ: Mapping[str, str]) -> Path:
    """Return the path of an interpreter given by path or by name."""
    named = (
        shutil.which(str(python), path=environ.get("PATH")) if python.name == str(python) else None
    )
    path = Path(named) if named else python
    if not path.is_file():
        why = "it is a directory" if path.is_dir() else "there is no such file or command"
        raise UnusablePythonError(python, why)
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
    argv = [str(python), "-I", "-S", "-c", script + _SAY]
    try:
        answer: Any = json.loads(answer_of(argv, environ=environ, timeout=_TIMEOUT_SECONDS))
    except (OSError, subprocess.SubprocessError, ValueError) as problem:
        raise UnusablePythonError(python, _why(problem)) from problem
    match answer:
        case {"answer": {"version": str(), "executable": str()}, "layout": dict()}:
            return dict(answer)
        case {"answer": {"version": str(version)}}:
            raise UnusablePythonError(python, f"it is Python {version}")
        case _:
            raise UnusablePythonError(python, _ANOTHER)


def _why(problem: Exception) -> str:
    """Return what the system or the program said when it did not work."""
    match problem:
        case OSError():
            return os_error_text(problem)
        case subprocess.CalledProcessError(stderr=str(said)) if "Unknown option: -I" in said:
            return "it is Python 2"
        case subprocess.CalledProcessError(stderr=str(said)) if said.strip():
            return said.strip().splitlines()[-1]
        case subprocess.TimeoutExpired():
            return f"it gave no answer in {_TIMEOUT_SECONDS:.0f} s"
        case _:
            return _ANOTHER


def _converted(answer: dict[str, Any], into: type[_Answer]) -> _Answer:
    return msgspec.convert(answer, into, dec_hook=lambda kind, value: kind(value))
