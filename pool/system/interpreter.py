"""The Python interpreter that builds run with: its version, tags and layout.

A script that runs in the interpreter queries it, so that facts of wheelpool's own interpreter never
leak in. Wheelpool's own interpreter is queried without a new process.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import packaging
from packaging.tags import Tag

from pool.common.errors import BuildEnvironmentError, os_error_text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Interpreter", "Layout", "UnusablePythonError", "probe", "probe_layout"]

_Facts = TypeVar("_Facts", "Interpreter", "Layout")

_TIMEOUT_SECONDS = 30.0
_OTHER_PROGRAM = "it is another program"
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
_PRINT_ANSWER = 'print(json.dumps({"answer": answer, "layout": layout}))'


_TagName = Annotated[str, msgspec.Meta(pattern="^[^-]+-[^-]+-.")]


class Interpreter(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A Python interpreter that builds wheels for itself."""

    version: str
    """The full version: ``3.11.7``."""
    executable: Path
    """The interpreter itself, never a virtual environment's link to it."""
    cache_tag: str
    """The tag in the file names of its bytecode: ``cpython-311``."""
    magic: str
    """The magic number of its bytecode, hexadecimal."""
    tag_names: tuple[_TagName, ...] = msgspec.field(name="tags")
    """The compatibility tags of its wheels, best first (PEP 425)."""
    environment: dict[str, str]
    """The values of environment markers (PEP 508)."""
    site: str
    """The folder of packages in a virtual environment: ``lib/python3.11/site-packages``."""

    @cached_property
    def tags(self) -> tuple[Tag, ...]:
        """The compatibility tags of its wheels, best first."""
        return tuple(Tag(*name.split("-", 2)) for name in self.tag_names)

    @property
    def python_version(self) -> str:
        """The full version, by the name that resolvers use."""
        return self.version


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """The folders of a Python installation or of a virtual environment."""

    prefix: Path
    """Absolute, from the path that was called; symbolic links are not resolved."""
    managed: bool
    """Whether only the system's package manager may change it (PEP 668)."""
    purelib: Path
    platlib: Path
    scripts: Path
    data: Path
    headers: Path
    """Each distribution has a folder in it."""


class UnusablePythonError(BuildEnvironmentError):
    """A program that is no Python, or a Python that is too old."""

    def __init__(self, python: Path, why: str) -> None:
        self.why = why
        super().__init__(
            f"{python}: this Python cannot be used: {why}",
            hint="give the path of the executable of a Python 3.9 or newer",
        )


def probe(python: Path | None, environ: Mapping[str, str]) -> Interpreter:
    """Query an interpreter; None is the one that runs wheelpool.

    Raises:
        BuildEnvironmentError: there is no such program, it is no Python, or it is too old.
    """
    script = _make_script()
    own = Path(sys.executable)
    if python is None or (path := _find_executable(python, environ)) == own:
        return _convert(_query_self(script), Interpreter, own)
    return _convert(_query(path, script, environ)["answer"], Interpreter, path)


def probe_layout(python: Path, environ: Mapping[str, str]) -> tuple[Interpreter, Layout]:
    """Query an interpreter, often that of an environment, and its layout.

    Raises:
        UnusablePythonError: there is no such program, it is no Python, or it is too old.
    """
    path = _find_executable(python, environ)
    facts = _query(path, _make_script(), environ)
    interpreter = _convert(facts["answer"], Interpreter, path)
    return interpreter, _convert(facts["layout"], Layout, path)


def _make_script() -> str:
    return _SCRIPT.replace("PACKAGING", repr(str(Path(packaging.__file__).parents[1])))


def _find_executable(python: Path, environ: Mapping[str, str]) -> Path:
    """Return the absolute path of an interpreter given by path or by name."""
    is_name = python.name == str(python)
    on_path = shutil.which(str(python), path=environ.get("PATH")) if is_name else None
    path = Path(on_path) if on_path else python
    if not path.is_file():
        why = "it is a directory" if path.is_dir() else "there is no such file or command"
        raise UnusablePythonError(python, why)
    return path.absolute()


def _query_self(script: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    path = list(sys.path)
    try:
        exec(script, names)  # noqa: S102 - the constant above; one script for both queries
    finally:
        sys.path[:] = path
    answer: dict[str, Any] = names["answer"]
    return answer


def _query(python: Path, script: str, environ: Mapping[str, str]) -> dict[str, Any]:
    from pool.system.process import capture_output

    argv = [str(python), "-I", "-S", "-c", script + _PRINT_ANSWER]
    try:
        answer: Any = json.loads(capture_output(argv, environ=environ, timeout=_TIMEOUT_SECONDS))
    except (OSError, subprocess.SubprocessError, ValueError, RecursionError) as problem:
        raise UnusablePythonError(python, _failure_reason(problem)) from problem
    match answer:
        case {"answer": {"version": str(), "executable": str()}, "layout": dict()}:
            return dict(answer)
        case {"answer": {"version": str(version)}}:
            raise UnusablePythonError(python, f"it is Python {version}")
        case _:
            raise UnusablePythonError(python, _OTHER_PROGRAM)


def _failure_reason(problem: Exception) -> str:
    """Return the message of the system or of the program."""
    match problem:
        case OSError():
            return os_error_text(problem)
        case subprocess.CalledProcessError(stderr=str(output)) if "Unknown option: -I" in output:
            return "it is Python 2"
        case subprocess.CalledProcessError(stderr=str(output)) if output.strip():
            return output.strip().splitlines()[-1]
        case subprocess.TimeoutExpired():
            return f"it gave no answer in {_TIMEOUT_SECONDS:.0f} s"
        case _:
            return _OTHER_PROGRAM


def _convert(answer: dict[str, Any], into: type[_Facts], python: Path) -> _Facts:
    try:
        return msgspec.convert(answer, into, dec_hook=lambda kind, value: kind(value))
    except (ValueError, TypeError) as problem:
        raise UnusablePythonError(python, _OTHER_PROGRAM) from problem
