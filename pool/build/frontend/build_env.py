"""Build environments: virtual environments of hardlinks, for one build or for several.

Deliberately without pip and without running a process: links and files with the layout of venv
(PEP 405), created in some milliseconds. `pool.build.frontend.environments` decides which builds
share one.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from pool.build.frontend.read_recording import install_shared_recorder
from pool.common.errors import BuildEnvironmentError, ChangedWheelError
from pool.common.record import Record
from pool.install.environment_files import is_environment_file
from pool.install.scripts import format_launcher, rewrite_shebang

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pool.build.frontend.environments.content import EnvContent
    from pool.build.frontend.read_recording import ReadRecording
    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.system.interpreter import Interpreter

__all__ = ["BuildEnvironment", "check_wheels", "create", "sort_wheels"]

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
    """An environment, as one build uses it."""

    path: Path
    interpreter: Interpreter
    wheels: tuple[UnpackedWheel, ...] = ()
    """Its content; empty if that is unknown."""
    recording: ReadRecording | None = None
    """Records what the processes of the build read; None if that is not needed."""
    fds: tuple[int, ...] = ()
    """Descriptors that hold its lock, for hooks to inherit."""
    isolated: bool = True
    """Whether it has the build requirements alone; False for an environment of the user."""

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


def _is_inherited(name: str, value: str) -> bool:
    if name.startswith(_INSTALLERS) and (_SECRET.search(name) or _USERINFO.search(value)):
        return False
    return name not in _NOT_INHERITED


def sort_wheels(wheels: Sequence[UnpackedWheel]) -> tuple[UnpackedWheel, ...]:
    """Return wheels in the order of their names, so that equal sets make equal environments.

    If two have the same file, their order decides which one stays, so it is left as it is.
    """
    names = {name for wheel in wheels for name in wheel.files}
    if len(names) < sum(len(wheel.files) for wheel in wheels):
        return tuple(wheels)
    return tuple(sorted(wheels, key=lambda wheel: wheel.name))


def create(
    path: Path,
    interpreter: Interpreter,
    wheels: Iterable[UnpackedWheel],
    recording: ReadRecording | None = None,
    *,
    final: Path | None = None,
    is_shared: bool = False,
    copy: bool = False,
) -> BuildEnvironment:
    """Create an environment with exactly these wheels; ``path`` must not exist, or be empty.

    Args:
        path: its folder.
        interpreter: the one that it runs.
        wheels: its content.
        recording: records what its processes read.
        final: the path to which the folder will be renamed; None for none.
        is_shared: whether its processes belong to several builds, and record for their own.
        copy: copy files instead of linking them, for builds that change them.

    Raises:
        BuildEnvironmentError: a wheel would replace files of the environment itself.
        OSError: no space, no permission.
    """
    wheels = tuple(wheels)
    env = BuildEnvironment(
        path=final or path, interpreter=interpreter, wheels=wheels, recording=recording
    )
    writer = _EnvWriter(path, env, copy=copy)
    writer.write_base()
    for wheel in wheels:
        writer.install(wheel)
    if is_shared:
        install_shared_recorder(writer.site)
    elif recording is not None:
        recording.install(writer.site)
    return env


class _EnvWriter:
    """Writes the files of one environment.

    Args:
        root: the folder to which it writes.
        env: the environment, at its final path.
        copy: whether to copy files.
    """

    def __init__(self, root: Path, env: BuildEnvironment, *, copy: bool) -> None:
        self._root = root
        self._bin = root / "bin"
        self._env = env
        self._place = shutil.copy2 if copy else _link
        self._folders: set[str] = set()
        self.site = root / env.interpreter.site

    def write_base(self) -> None:
        """Make what an environment without packages has."""
        interpreter = self._env.interpreter
        self._bin.mkdir(parents=True)
        # Bytecode that a process writes changes no other folder then.
        (self.site / "__pycache__").mkdir(parents=True)
        config = (
            f"home = {interpreter.executable.parent}\n"
            "include-system-site-packages = false\n"
            f"version = {interpreter.version}\n"
        )
        (self._root / "pyvenv.cfg").write_bytes(os.fsencode(config))
        with suppress(FileExistsError):  # Of the site-packages.
            (self._root / "lib64").symlink_to("lib")
        (self._bin / "python").symlink_to(interpreter.executable)
        major_minor = ".".join(interpreter.version.split(".")[:2])
        for name in ("python3", f"python{major_minor}"):
            (self._bin / name).symlink_to("python")

    def install(self, wheel: UnpackedWheel) -> None:
        """Link the files of a wheel.

        Uses plain strings, and the file list of the cache instead of a walk: to create a Path for
        each of a backend's thousand files takes longer than to link them.
        """
        _check_files(wheel)
        roots = {
            scheme: os.path.normpath(f"{self._root}/{folder}")
            for scheme, folder in _scheme_folders(wheel, self._env.interpreter).items()
        }
        for folder in wheel.folders:
            scheme, _, rest = folder.partition("/")
            if scheme in roots:
                self._make_folder(f"{roots[scheme]}/{rest}" if rest else roots[scheme])
        for file in wheel.files:
            scheme, _, rest = file.partition("/")
            if scheme in roots:
                self._place(f"{wheel.path}/{file}", f"{roots[scheme]}/{rest}")
            elif "/" not in rest:
                self._write_script(wheel.path / file)
        for point in wheel.entry_points:
            _write_executable(self._bin / point.name, format_launcher(point, self._env.python))

    def _make_folder(self, folder: str) -> None:
        if folder not in self._folders:
            os.makedirs(folder, exist_ok=True)
            self._folders.add(folder)

    def _write_script(self, script: Path) -> None:
        content = script.read_bytes()
        rewritten = rewrite_shebang(content, self._env.python)
        _write_executable(self._bin / script.name, content if rewritten is None else rewritten)


def _scheme_folders(wheel: UnpackedWheel, interpreter: Interpreter) -> dict[str, str]:
    """Return the folders of the files that are linked, by scheme, relative to an environment."""
    site = interpreter.site
    return {
        "purelib": site,
        "platlib": site,
        "data": "",
        "headers": f"include/site/{wheel.name}",
    }


def check_wheels(env: BuildEnvironment, content: EnvContent) -> None:
    """Compare the files of a new environment with those that its wheels were unpacked to.

    Raises:
        ChangedWheelError: a build has changed a file of the cache through a link.
    """
    expected: dict[tuple[str, str], tuple[UnpackedWheel, tuple[int, int]]] = {}
    for wheel in env.wheels:
        folders = _scheme_folders(wheel, env.interpreter)
        for path, size_and_time in wheel.files.items():
            scheme, _, rest = path.partition("/")
            if scheme in folders:
                folder, _, name = f"{folders[scheme]}/{rest}".lstrip("/").rpartition("/")
                expected[folder, name] = wheel, size_and_time
    for (folder, name), (wheel, size_and_time) in expected.items():
        if not content.has_file(folder, name, *size_and_time):
            raise ChangedWheelError(wheel.name, wheel.version)


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


def _write_executable(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
