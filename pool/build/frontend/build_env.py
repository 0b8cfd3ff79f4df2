"""Build environments: virtual environments of hardlinks, a new one for each build.

Deliberately without pip and without running a process: links and files with the layout of venv
(PEP 405), created in some milliseconds.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from pool.common.errors import BuildEnvironmentError
from pool.common.files import remove_tree
from pool.common.record import Record
from pool.install.environment_files import is_environment_file
from pool.install.scripts import format_launcher, rewrite_shebang

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pool.build.frontend.read_recording import ReadRecording
    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.system.interpreter import Interpreter

__all__ = ["BuildEnvironment", "create"]

_NOT_INHERITED = (
    # They would add the user's packages to the build, or change how Python starts.
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
    # They belong to the environment from which wheelpool was called.
    "VIRTUAL_ENV_PROMPT",
    "PIP_REQUIRE_VIRTUALENV",
)
_INSTALLERS = ("PIP_", "UV_", "TWINE_", "WHEELPOOL_")
_SECRET = re.compile(r"(PASSWORD|TOKEN|USERNAME)$")
_USERINFO = re.compile(r"://[^/\s]+@")


class BuildEnvironment(Record, frozen=True, kw_only=True):
    """An environment that one build uses."""

    path: Path
    interpreter: Interpreter
    wheels: tuple[UnpackedWheel, ...] = ()
    """Its content; empty if that is unknown."""
    recording: ReadRecording | None = None
    """Records what the processes in it read; None if that is not needed."""

    @property
    def bin(self) -> Path:
        """The folder of its commands."""
        return self.path / "bin"

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.bin / "python"

    def environ(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables for hooks: ``base`` without those that change a build.

        Credentials for indexes are removed; the variables of compilers and make are kept.
        """
        inherited = {name: value for name, value in base.items() if _is_inherited(name, value)}
        recorded = self.recording.environ(inherited) if self.recording else {}
        return {
            **inherited,
            **recorded,
            "PATH": os.pathsep.join([str(self.bin), base.get("PATH", os.defpath)]),
            "VIRTUAL_ENV": str(self.path),
            "PYTHONNOUSERSITE": "1",
            "PYTHONUNBUFFERED": "1",
            # Builds of one repository would conflict at its index.lock (uv #16665).
            "GIT_OPTIONAL_LOCKS": "0",
        }

    def replace(self, wheels: Iterable[UnpackedWheel]) -> BuildEnvironment:
        """Recreate the environment with other wheels, at the same path."""
        remove_tree(self.path)
        return create(self.path, self.interpreter, wheels, self.recording)


def _is_inherited(name: str, value: str) -> bool:
    if name.startswith(_INSTALLERS) and (_SECRET.search(name) or _USERINFO.search(value)):
        return False
    return name not in _NOT_INHERITED


def create(
    path: Path,
    interpreter: Interpreter,
    wheels: Iterable[UnpackedWheel],
    recording: ReadRecording | None = None,
) -> BuildEnvironment:
    """Create an environment with exactly these wheels; ``path`` must not exist.

    Args:
        path: its folder.
        interpreter: the one that it runs.
        wheels: its content.
        recording: records what its processes read.

    Raises:
        BuildEnvironmentError: a wheel would replace files of the environment itself.
        OSError: no space, no permission.
    """
    wheels = tuple(wheels)
    env = BuildEnvironment(path=path, interpreter=interpreter, wheels=wheels, recording=recording)
    site = path / interpreter.site
    env.bin.mkdir(parents=True)
    site.mkdir(parents=True)
    config = (
        f"home = {interpreter.executable.parent}\n"
        "include-system-site-packages = false\n"
        f"version = {interpreter.version}\n"
    )
    (path / "pyvenv.cfg").write_bytes(os.fsencode(config))
    if not (path / "lib64").exists():
        (path / "lib64").symlink_to("lib")
    env.python.symlink_to(interpreter.executable)
    major_minor = ".".join(interpreter.version.split(".")[:2])
    for name in ("python3", f"python{major_minor}"):
        (env.bin / name).symlink_to("python")
    for wheel in wheels:
        _install(wheel, env, site)
    if recording is not None:
        recording.install(site)
    return env


def _install(wheel: UnpackedWheel, env: BuildEnvironment, site: Path) -> None:
    """Link the files of a wheel into an environment.

    Uses plain strings, and the file list of the cache instead of a walk: to create a Path for each
    of a backend's thousand files takes longer than to link them.
    """
    _check_files(wheel)
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
        _write_executable(env.bin / point.name, format_launcher(point, env.python))


def _check_files(wheel: UnpackedWheel) -> None:
    """Refuse a wheel that would replace files of the environment itself."""
    data = (name.partition("/") for name in wheel.files)
    paths = [
        f"bin/{rest}" if scheme == "scripts" else rest
        for scheme, _, rest in data
        if scheme in ("scripts", "data")
    ]
    for path in (*paths, *(f"bin/{point.name}" for point in wheel.entry_points)):
        if is_environment_file(path):
            raise BuildEnvironmentError(
                f"{wheel.name} {wheel.version} would replace {path}, a file of the environment"
            )


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except FileExistsError:
        # Two wheels have the same file: the later one wins, as in pip. Only the link is removed:
        # to write through it would change the cached file.
        os.unlink(target)
        _link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _write_script(script: Path, env: BuildEnvironment) -> None:
    content = script.read_bytes()
    rewritten = rewrite_shebang(content, env.python)
    _write_executable(env.bin / script.name, content if rewritten is None else rewritten)


def _write_executable(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
