"""Programs that stand before make and ninja on a hook's PATH, where those know no FIFO.

make before 4.4 takes a jobserver only as two open descriptors, which no Python on the way hands
on; the shim opens the FIFO as such and becomes the real make. A ninja before 1.13 knows none: its
shim tells it how many jobs it was leased. CMake remembers the paths of programs in its build trees,
so a shim keeps its path from run to run: it is in the cache, by the program that it stands for.
Called outside of a run, it is that program and nothing more.
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
    NINJA_SPEAKS,
    uses_max_jobs,
    uses_ninja,
    uses_numpy_distutils,
)
from pool.common.files import atomic_write
from pool.system.process import capture_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pool.build.frontend.build_env import BuildEnvironment

__all__ = ["Shims", "Tools", "version_of"]

MAKE_SPEAKS = (4, 4)
"""The first version of make that opens a FIFO."""
_MAKE_SAYS_AUTH = (4, 2)
_VERSION = re.compile(r"\b(\d+)\.(\d+)")
_ANSWER_SECONDS = 10.0

_MAKE = """\
#!/bin/sh
# {program} {version} reads a jobserver from two descriptors only: these are 8 and 9.
# gcc before 13 knows no FIFO: with -flto=auto it empties MAKEFLAGS and has make run as many
# as there are processors, so this call is made one that takes part.
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
_NINJA = """\
#!/bin/sh
# This ninja knows no jobserver: it is told how many jobs it was leased.
if [ -n "${WHEELPOOL_LEASE-}" ]; then
    exec "$WHEELPOOL_NINJA" "-j$WHEELPOOL_LEASE" "$@"
fi
exec QUOTED "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What one build would find, and what has to be done about it."""

    folders: tuple[Path, ...] = ()
    """To be first on its PATH."""
    leased: bool = False
    """Whether it may use a tool that knows no jobserver."""
    ninja: Path | None = None
    """The ninja that needs a lease."""

    def environ(self, environ: Mapping[str, str], lease: int) -> dict[str, str]:
        """Return an environment in which the shims are found; ``lease`` in jobs."""
        path = os.pathsep.join([*map(str, self.folders), environ.get("PATH", os.defpath)])
        told = {**environ, "PATH": path}
        if self.ninja is not None:
            told |= {"WHEELPOOL_NINJA": str(self.ninja), "WHEELPOOL_LEASE": str(lease)}
        return told


class Shims:
    """Finds programs and makes shims for them; its methods block.

    Args:
        environ: the user's, whose PATH counts.
        folder: where shims are kept; if its path could not be on PATH, there are none.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = environ
        self._folder = folder
        self._versions: dict[Path, tuple[int, int] | None] = {}
        self._make_folders: tuple[tuple[str, Path], ...] | None = None

    def tools(self, env: BuildEnvironment) -> Tools:
        """Look at what a build would find."""
        if self._make_folders is None:
            self._make_folders = tuple(self._makes())
        has = dict(_installed(env))
        any_ninja = self._any_ninja(env) if uses_ninja(has, self._environ) else None
        ninja = any_ninja if any_ninja and self._is_old(any_ninja, env, has) else None
        # A make of the build's own requirements is found before the user's; so it stays.
        folders = tuple(
            folder for name, folder in self._make_folders if not (env.bin / name).exists()
        )
        if ninja is not None and (shim := self._ninja(ninja)) is not None:
            folders = (*folders, shim)
        leased = (
            ninja is not None
            or (any_ninja is not None and uses_max_jobs(has))
            or uses_numpy_distutils(has, env.interpreter.version)
        )
        return Tools(folders=folders, leased=leased, ninja=ninja)

    def _makes(self) -> Iterator[tuple[str, Path]]:
        """Yield the names and folders of shims for make and gmake, where they are needed."""
        for name in ("make", "gmake"):
            program = self._found(name)
            version = self._version(program) if program else None
            if program is not None and version is not None and version < MAKE_SPEAKS:
                option = "auth" if version >= _MAKE_SAYS_AUTH else "fds"
                script = _MAKE.format(
                    program=name,
                    version=".".join(map(str, version)),
                    option=f"--jobserver-{option}",
                    quoted=shlex.quote(str(program)),
                )
                if (folder := self._written(name, script)) is not None:
                    yield name, folder

    def _ninja(self, program: Path) -> Path | None:
        found = self._found("ninja") or program
        return self._written("ninja", _NINJA.replace("QUOTED", shlex.quote(str(found))))

    def _any_ninja(self, env: BuildEnvironment) -> Path | None:
        """Return the ninja that a build would find."""
        path = os.pathsep.join([str(env.bin), self._environ.get("PATH", os.defpath)])
        found = shutil.which("ninja", path=path)
        return Path(found) if found else None

    def _is_old(self, ninja: Path, env: BuildEnvironment, has: Mapping[str, str]) -> bool:
        """Tell whether a ninja knows no jobserver; one that does not say its version does."""
        if ninja.parent == env.bin and "ninja" in has:
            version = _version_in(has["ninja"])
        else:
            version = self._version(ninja)
        return version is not None and version < NINJA_SPEAKS

    def _found(self, name: str) -> Path | None:
        """Return the real program, by PATH without our own shims."""
        folders = self._environ.get("PATH", os.defpath).split(os.pathsep)
        outside = [one for one in folders if one and not Path(one).is_relative_to(self._folder)]
        found = shutil.which(name, path=os.pathsep.join(outside))
        return Path(found).absolute() if found else None

    def _version(self, program: Path) -> tuple[int, int] | None:
        """Ask a program for its version, once; None where it does not say."""
        if program not in self._versions:
            self._versions[program] = version_of(program, self._environ)
        return self._versions[program]

    def _written(self, name: str, script: str) -> Path | None:
        """Keep a shim in a folder of its own; return that."""
        folder = self._folder / hashlib.sha256(script.encode()).hexdigest()[:16]
        shim = folder / name
        if os.pathsep in str(folder):
            return None
        if not shim.exists():
            atomic_write(shim, script.encode(), mode=0o755)
        return folder


def version_of(program: Path, environ: Mapping[str, str]) -> tuple[int, int] | None:
    """Ask a program for its version; None where it does not say."""
    try:
        said = capture_output(
            [str(program), "--version"],
            # MAKEFLAGS could make a make of it that prints something else.
            environ={name: value for name, value in environ.items() if name != "MAKEFLAGS"},
            timeout=_ANSWER_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return _version_in(said.partition("\n")[0])


def _version_in(text: str) -> tuple[int, int] | None:
    found = _VERSION.search(text)
    return (int(found[1]), int(found[2])) if found else None


def _installed(env: BuildEnvironment) -> Iterator[tuple[str, str]]:
    """Yield names and versions of what an environment has, by the names of its folders."""
    for info in (env.path / env.interpreter.site).glob("*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        yield canonicalize_name(name), version
