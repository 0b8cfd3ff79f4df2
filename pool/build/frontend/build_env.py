"""Build environments: a virtual environment of hardlinks, fresh for each build.

Deliberately without pip and without running anything: a few links and files laid out as venv
does (PEP 405), some milliseconds in all.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from installer.scripts import Script

from pool.common.files import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.system.interpreter import Interpreter

__all__ = ["BuildEnvironment", "create"]

_NOT_INHERITED = (
    # They would let packages of the user's into the build, or change how Python starts.
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSAFEPATH",
    "PYTHONSTARTUP",
    "PYTHONPLATLIBDIR",
    "PYTHONWARNINGS",
    "__PYVENV_LAUNCHER__",
    # Without bytecode each hook compiles its backend again: 180 ms.
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPYCACHEPREFIX",
    # They belong to the environment that wheelpool was called from.
    "VIRTUAL_ENV_PROMPT",
    "PIP_REQUIRE_VIRTUALENV",
)
_LONGEST_SHEBANG = 127
_INSTALLERS = ("PIP_", "UV_", "TWINE_", "WHEELPOOL_")
_SECRET = re.compile(r"(PASSWORD|TOKEN|USERNAME)$")
_USERINFO = re.compile(r"://[^/\s]+@")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildEnvironment:
    """One environment; nobody else uses it."""

    path: Path
    interpreter: Interpreter

    @property
    def bin(self) -> Path:
        """Where its commands are."""
        return self.path / "bin"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.bin / "python"

    def environ(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return what hooks inherit: ``base`` without what would leak into the build.

        Credentials for indexes stay out of it; the compiler's and make's variables stay in.
        """
        kept = {name: value for name, value in base.items() if _inherited(name, value)}
        return {
            **kept,
            "PATH": os.pathsep.join([str(self.bin), base.get("PATH", os.defpath)]),
            "VIRTUAL_ENV": str(self.path),
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
            # Sibling packages of one repository would meet at its index.lock (uv #16665).
            "GIT_OPTIONAL_LOCKS": "0",
        }

    def replace(self, wheels: Iterable[UnpackedWheel]) -> None:
        """Start over with other wheels."""
        remove_tree(self.path)
        create(self.path, self.interpreter, wheels)


def _inherited(name: str, value: str) -> bool:
    if name.startswith(_INSTALLERS) and (_SECRET.search(name) or _USERINFO.search(value)):
        return False
    return name not in _NOT_INHERITED


def create(
    path: Path, interpreter: Interpreter, wheels: Iterable[UnpackedWheel]
) -> BuildEnvironment:
    """Make an environment with exactly these wheels; ``path`` must not exist.

    Raises:
        OSError: no space, no permission.
    """
    env = BuildEnvironment(path=path, interpreter=interpreter)
    site = path / interpreter.site
    env.bin.mkdir(parents=True)
    site.mkdir(parents=True)
    (path / "pyvenv.cfg").write_text(
        f"home = {interpreter.executable.parent}\n"
        "include-system-site-packages = false\n"
        f"version = {interpreter.version}\n"
    )
    if not (path / "lib64").exists():
        (path / "lib64").symlink_to("lib")
    env.python.symlink_to(interpreter.executable)
    major_minor = ".".join(interpreter.version.split(".")[:2])
    for name in ("python3", f"python{major_minor}"):
        (env.bin / name).symlink_to("python")
    for wheel in wheels:
        _install(wheel, env, site)
    return env


def _install(wheel: UnpackedWheel, env: BuildEnvironment, site: Path) -> None:
    """Link a wheel's files into place.

    Plain strings, and the store's own list instead of a walk: a Path for each of a backend's
    thousand files takes longer than its link.
    """
    roots = {
        "purelib": str(site),
        "platlib": str(site),
        "data": str(env.path),
        "headers": f"{env.path}/include/site/{wheel.name}",
    }
    for folder in wheel.folders:
        scheme, _, rest = folder.partition("/")
        if scheme in roots:
            os.makedirs(f"{roots[scheme]}/{rest}", exist_ok=True)
    for file in wheel.files:
        scheme, _, rest = file.partition("/")
        if scheme in roots:
            _link(f"{wheel.path}/{file}", f"{roots[scheme]}/{rest}")
        elif "/" not in rest:
            _write_script(wheel.path / file, env)
    for point in wheel.entry_points:
        script = Script(point.name, point.module, point.attribute, "console")
        _write_executable(env.bin / point.name, script.generate(str(env.python), "posix")[1])


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        # Two wheels with one file: the later one wins, as with pip. The link goes, not the file.
        os.unlink(target)
        _link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _write_script(script: Path, env: BuildEnvironment) -> None:
    content = script.read_bytes()
    if content.startswith(b"#!python"):
        content = _shebang(str(env.python)) + content.partition(b"\n")[2]
    _write_executable(env.bin / script.name, content)


def _shebang(python: str) -> bytes:
    line = os.fsencode(f"#!{python}\n")
    if " " not in python and len(line) <= _LONGEST_SHEBANG:
        return line
    # The kernel takes no spaces and no long lines. What sh runs is a string to Python.
    return os.fsencode(f"#!/bin/sh\n'''exec' {shlex.quote(python)} \"$0\" \"$@\"\n' '''\n")


def _write_executable(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
