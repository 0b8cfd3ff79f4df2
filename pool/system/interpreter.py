"""The Python interpreter that builds run with: its version, tags and layout.

A script that runs in the interpreter queries it, so that facts of wheelpool's own interpreter never
leak in. Wheelpool's own interpreter is queried without a new process.
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from functools import cached_property
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from pool.common.cache_layout import CacheLayout
from pool.common.errors import BuildEnvironmentError, os_error_text
from pool.common.files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.tags import Tag

__all__ = [
    "Interpreter",
    "Layout",
    "UnusablePythonError",
    "probe",
    "probe_layout",
    "probe_own",
    "read_own",
]

_Facts = TypeVar("_Facts", "Interpreter", "Layout")

_TIMEOUT_SECONDS = 30.0
_VARIABLES = (
    "ARCHFLAGS",
    "MACOSX_DEPLOYMENT_TARGET",
    "_PYTHON_HOST_PLATFORM",
    "_PYTHON_PROJECT_BASE",
    "_PYTHON_SYSCONFIGDATA_NAME",
)
"""Variables that change what an interpreter says of itself."""
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
        from packaging.tags import Tag

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


def probe_own(cache_dir: Path, environ: Mapping[str, str]) -> Interpreter:
    """Return the interpreter that runs wheelpool; its facts are kept in the cache."""
    if (found := read_own(cache_dir, environ)) is not None:
        return found
    interpreter = probe(None, environ)
    with suppress(OSError):  # The next run queries again.
        atomic_write(_own_path(cache_dir, environ), msgspec.json.encode(interpreter, enc_hook=str))
    return interpreter


def read_own(cache_dir: Path, environ: Mapping[str, str]) -> Interpreter | None:
    """Return what the cache has of the interpreter that runs wheelpool; None if it is unknown."""
    with suppress(OSError, ValueError, msgspec.DecodeError):
        content = _own_path(cache_dir, environ).read_bytes()
        return msgspec.json.decode(content, type=Interpreter, dec_hook=_convert_path)
    return None


def _own_path(cache_dir: Path, environ: Mapping[str, str]) -> Path:
    """Return the file for the facts of this interpreter, named by all that decides them.

    Its version, file and folders, the kernel, the C library, and the variables that sysconfig and
    `packaging.tags` read.
    """
    facts = (
        _SCRIPT,
        sys.version,
        sys.executable,
        _stamp(Path(sys.executable)),
        getattr(sys, "_base_executable", ""),
        sys.prefix,
        sys.base_prefix,
        tuple(os.uname()),
        os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else "",
        [environ.get(name, "") for name in _VARIABLES],
        _packaging_file(),
    )
    digest = hashlib.sha256(repr(facts).encode(errors="surrogateescape")).hexdigest()
    return CacheLayout(cache_dir).interpreters / digest


def _packaging_file() -> tuple[object, ...]:
    """Return the file of `packaging`, which computes tags, as it is now."""
    spec = PathFinder.find_spec("packaging")
    return (spec.origin, *_stamp(Path(spec.origin))) if spec and spec.origin else ()


def _stamp(file: Path) -> tuple[int, ...]:
    status = file.stat()
    return (status.st_size, status.st_mtime_ns, status.st_ino)


def _make_script() -> str:
    import packaging

    return _SCRIPT.replace("PACKAGING", repr(str(Path(packaging.__file__).parents[1])))


def _find_executable(python: Path, environ: Mapping[str, str]) -> Path:
    """Return the absolute path of an interpreter given by path or by name."""
    import shutil

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
    import json
    import subprocess

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
    import subprocess

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
        return msgspec.convert(answer, into, dec_hook=_convert_path)
    except (ValueError, TypeError) as problem:
        raise UnusablePythonError(python, _OTHER_PROGRAM) from problem


def _convert_path(kind: type[Path], value: str) -> Path:
    return kind(value)
