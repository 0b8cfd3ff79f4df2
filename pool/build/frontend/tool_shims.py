"""Shims for make and ninja versions that cannot read a jobserver's FIFO; first on a hook's PATH.

make before 4.4 takes a jobserver only as two open descriptors, which Python does not pass on to
child processes; its shim opens the FIFO as descriptors and then executes the real make. ninja
before 1.13 has no jobserver; its shim passes the number of leased jobs. CMake stores the paths of
programs in its build trees, so a shim must have the same path in every run: it is in the cache, by
the program that it wraps. Outside of a run, a shim only executes that program.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from pool.build.frontend.job_flags import (
    NINJA_JOBSERVER_VERSION,
    uses_max_jobs,
    uses_ninja,
    uses_numpy_distutils,
)
from pool.common.files import atomic_write
from pool.system.process import capture_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pool.build.frontend.build_env import BuildEnvironment

__all__ = ["ToolShims", "Tools", "query_version"]

MAKE_FIFO_VERSION = (4, 4)
"""The first version of make that opens a FIFO."""
_MAKE_AUTH_VERSION = (4, 2)
_VERSION = re.compile(r"\b(\d+)\.(\d+)")
_VERSION_TIMEOUT = 10.0

_MAKE_SHIM = """\
#!/bin/sh
# {program} {version} reads a jobserver from two descriptors only: these are 8 and 9.
# gcc before 13 knows no FIFO: with -flto=auto it empties MAKEFLAGS and runs make with a job for
# each processor, so this adds the jobserver to that call.
case "${{MAKEFLAGS-}}:$# $*" in
":4 -f "*/cc*".mk -j"*" all")
    if [ -p "${{WHEELPOOL_JOBSERVER-}}" ]; then
        MAKEFLAGS=" --jobserver-auth=fifo:$WHEELPOOL_JOBSERVER"
        set -- -f "$2" all
    fi
    ;;
esac
case "${{MAKEFLAGS-}}" in
*"--jobserver-auth=fifo:${{WHEELPOOL_JOBSERVER-none}}"*) ours=yes ;;
*"{option}=8,9"*) ours=yes ;;
*) ours= ;;
esac
if [ -n "$ours" ] && [ -p "${{WHEELPOOL_JOBSERVER-}}" ]; then
    exec 8<>"$WHEELPOOL_JOBSERVER" 9<>"$WHEELPOOL_JOBSERVER"
    before=${{MAKEFLAGS%%--jobserver-*}}
    after=${{MAKEFLAGS##*--jobserver-}}
    case "$after" in
    *" "*) after=" ${{after#* }}" ;;
    *) after= ;;
    esac
    MAKEFLAGS="$before{option}=8,9$after"
    export MAKEFLAGS
fi
exec {quoted} "$@"
"""
_NINJA_SHIM = """\
#!/bin/sh
# This ninja has no jobserver support: pass the number of leased jobs.
if [ -n "${WHEELPOOL_LEASE-}" ]; then
    exec "$WHEELPOOL_NINJA" "-j$WHEELPOOL_LEASE" "$@"
fi
exec QUOTED "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The tools that one build would find, and the shims and leases that they need."""

    shim_dirs: tuple[Path, ...] = ()
    """The folders of shims, to be first on its PATH."""
    needs_lease: bool = False
    """Whether it may use a tool without the jobserver protocol."""
    ninja: Path | None = None
    """The ninja that needs a lease."""

    def environ(self, environ: Mapping[str, str], lease: int) -> dict[str, str]:
        """Return an environment with the shims on PATH and ``lease`` jobs for ninja."""
        path = os.pathsep.join([*map(str, self.shim_dirs), environ.get("PATH", os.defpath)])
        variables = {**environ, "PATH": path}
        if self.ninja is not None:
            variables |= {"WHEELPOOL_NINJA": str(self.ninja), "WHEELPOOL_LEASE": str(lease)}
        return variables


class ToolShims:
    """Finds tools and writes shims for them; all methods block.

    Args:
        environ: the user's environment, with PATH.
        folder: the folder for shims; there are none if its path cannot be on PATH.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = environ
        self._folder = folder
        self._versions: dict[Path, tuple[int, int] | None] = {}
        self._make_folders: tuple[tuple[str, Path], ...] | None = None

    def find_tools(self, env: BuildEnvironment) -> Tools:
        """Return the tools that a build would find."""
        if self._make_folders is None:
            self._make_folders = tuple(self._make_shims())
        versions = dict(_installed_versions(env))
        any_ninja = self._find_ninja(env) if uses_ninja(versions, self._environ) else None
        ninja = any_ninja if any_ninja and self._needs_lease(any_ninja, env, versions) else None
        # A make of the build requirements comes before the user's on PATH, so it gets no shim.
        folders = tuple(
            folder for name, folder in self._make_folders if not (env.bin / name).exists()
        )
        if ninja is not None and (shim := self._write_ninja_shim(ninja)) is not None:
            folders = (*folders, shim)
        leased = (
            ninja is not None
            or (any_ninja is not None and uses_max_jobs(versions))
            or uses_numpy_distutils(versions, env.interpreter.version)
        )
        return Tools(shim_dirs=folders, needs_lease=leased, ninja=ninja)

    def _make_shims(self) -> Iterator[tuple[str, Path]]:
        """Yield the names and folders of shims for make and gmake, if they need them."""
        for name in ("make", "gmake"):
            program = self._find_program(name)
            version = self._version_of(program) if program else None
            if program is not None and version is not None and version < MAKE_FIFO_VERSION:
                option = "auth" if version >= _MAKE_AUTH_VERSION else "fds"
                script = _MAKE_SHIM.format(
                    program=name,
                    version=".".join(map(str, version)),
                    option=f"--jobserver-{option}",
                    quoted=shlex.quote(str(program)),
                )
                if (folder := self._write_shim(name, script)) is not None:
                    yield name, folder

    def _write_ninja_shim(self, program: Path) -> Path | None:
        found = self._find_program("ninja") or program
        return self._write_shim("ninja", _NINJA_SHIM.replace("QUOTED", shlex.quote(str(found))))

    def _find_ninja(self, env: BuildEnvironment) -> Path | None:
        """Return the ninja that a build would find; None if there is none."""
        path = os.pathsep.join([str(env.bin), self._environ.get("PATH", os.defpath)])
        found = shutil.which("ninja", path=path)
        return Path(found) if found else None

    def _needs_lease(self, ninja: Path, env: BuildEnvironment, versions: Mapping[str, str]) -> bool:
        """Tell whether a ninja has no jobserver support; one of unknown version has it."""
        if ninja.parent == env.bin and "ninja" in versions:
            version = parse_version(versions["ninja"])
        else:
            version = self._version_of(ninja)
        return version is not None and version < NINJA_JOBSERVER_VERSION

    def _find_program(self, name: str) -> Path | None:
        """Return the real program: searches PATH without the shims."""
        folders = self._environ.get("PATH", os.defpath).split(os.pathsep)
        searched = [
            path for path in folders if path and not Path(path).is_relative_to(self._folder)
        ]
        found = shutil.which(name, path=os.pathsep.join(searched))
        return Path(found).absolute() if found else None

    def _version_of(self, program: Path) -> tuple[int, int] | None:
        """Return the version of a program, queried once; None if it is unknown."""
        if program not in self._versions:
            self._versions[program] = query_version(program, self._environ)
        return self._versions[program]

    def _write_shim(self, name: str, script: str) -> Path | None:
        """Write a shim into a folder of its own; return the folder."""
        folder = self._folder / hashlib.sha256(os.fsencode(script)).hexdigest()[:16]
        shim = folder / name
        if os.pathsep in str(folder):
            return None
        if not shim.exists():
            atomic_write(shim, os.fsencode(script), mode=0o755)
        return folder


def query_version(program: Path, environ: Mapping[str, str]) -> tuple[int, int] | None:
    """Run ``program --version``; return None if it fails or prints no version."""
    try:
        output = capture_output(
            [str(program), "--version"],
            # A MAKEFLAGS could change the output of make.
            environ={name: value for name, value in environ.items() if name != "MAKEFLAGS"},
            timeout=_VERSION_TIMEOUT,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return parse_version(output.partition("\n")[0])


def parse_version(text: str) -> tuple[int, int] | None:
    """Return the first major and minor version number in a text; None if there is none."""
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2])) if found else None


def _installed_versions(env: BuildEnvironment) -> Iterator[tuple[str, str]]:
    """Yield the names and versions in an environment, from the names of metadata folders."""
    for info in (env.path / env.interpreter.site).glob("*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        yield canonicalize_name(name), version
