"""Shims for make and ninja, first on a hook's PATH: they keep the tools to the jobs of the build.

make before 4.4 takes a jobserver only as two open descriptors, which Python does not pass on to
child processes; its shim opens the FIFO as descriptors and then executes the real make. ninja
before 1.13 has no jobserver; its shim passes the number of leased jobs. A ``-jN`` of the caller
would disable the jobserver: shims leave it out, and say so in the log; ``-j1`` stays, as a build
may depend on it.

A make before 4.4 that is called by its path stops at a FIFO in MAKEFLAGS. If there is one, the FIFO
stands behind ``--``, where only other tools look for it, and such a make runs one job.

CMake stores the paths of programs in its build trees, so a shim must have the same path in every
run: it is in the cache, by the program that it wraps. Outside of a run, a shim only executes that
program. `pool.build.frontend.cmake_trees` removes its path from a user's tree after the build.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
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
from pool.common.record import Record
from pool.system.process import capture_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pool.build.frontend.build_env import BuildEnvironment

__all__ = ["ToolShims", "Tools", "query_version", "wrapped_program"]

MAKE_FIFO_VERSION = (4, 4)
"""The first version of make that opens a FIFO."""
_MAKE_AUTH_VERSION = (4, 2)
_VERSION = re.compile(r"\b(\d+)\.(\d+)")
_VERSION_TIMEOUT = 10.0

_STANDARD_FOLDERS = ("/usr/bin", "/usr/local/bin", "/bin")
"""Where programs look for make without PATH."""

_HOLD = """\
    # Leave out a -jN above the jobs of this build; the number may be a word of its own.
    held= number_follows=
    for word; do
        shift
        if [ -n "$number_follows" ]; then
            number_follows=
            case "$word" in
            [0-9]*) word="-j$word" ;;
            *) held=-j ;;
            esac
        fi
        case "$word" in
        -j | --jobs) number_follows=yes; continue ;;
        -j[0-9]* | --jobs=[0-9]*) number=${word##*[!0-9]} ;;
        *) set -- "$@" "$word"; continue ;;
        esac
        if [ "$number" != 0 ] && [ "$number" -le "$most" ] 2>/dev/null; then
            set -- "$@" "-j$number"
        else
            held="-j$number"
        fi
    done
    [ -z "$number_follows" ] || held=-j
    [ -z "$held" ] || echo "wheelpool: PROGRAM $held is held to the jobs of this build" >&2
"""
_MAKE_SHIM = """\
#!/bin/sh
# PROGRAM VERSION reads a jobserver from AUTH.
# gcc before 13 knows no FIFO: with -flto=auto it empties MAKEFLAGS and runs make with a job for
# each processor, so this adds the jobserver to that call.
case "${MAKEFLAGS-}:$# $*" in
":4 -f "*/cc*".mk -j"*" all")
    if [ -p "${WHEELPOOL_JOBSERVER-}" ]; then
        MAKEFLAGS=" --jobserver-auth=fifo:$WHEELPOOL_JOBSERVER"
        set -- -f "$2" all
    fi
    ;;
esac
case "${MAKEFLAGS-}" in
*"--jobserver-auth=fifo:${WHEELPOOL_JOBSERVER-none}"*) ours=yes ;;
*"OPTION=8,9"*) ours=yes ;;
*) ours= ;;
esac
if [ -n "$ours" ] && [ -p "${WHEELPOOL_JOBSERVER-}" ]; then
    most=1
HOLD    OPEN
    before=${MAKEFLAGS%%--jobserver-*}
    after=${MAKEFLAGS##*--jobserver-}
    case "$after" in
    *" "*) after=" ${after#* }" ;;
    *) after= ;;
    esac
    case "$before" in
    *" -- ") before="${before% -- } "; after="${after:+ --}$after" ;;
    esac
    MAKEFLAGS="${before}OPTION=AUTH$after"
    export MAKEFLAGS
fi
exec QUOTED "$@"
"""
_OPEN_DESCRIPTORS = 'exec 8<>"$WHEELPOOL_JOBSERVER" 9<>"$WHEELPOOL_JOBSERVER"'
_NINJA_SHIM = """\
#!/bin/sh
# A ninja without jobserver support gets the number of leased jobs.
if [ -n "${WHEELPOOL_NINJA-}" ]; then
    most=${WHEELPOOL_LEASE:-1}
HOLD    exec "$WHEELPOOL_NINJA" ${WHEELPOOL_LEASE:+"-j$WHEELPOOL_LEASE"} "$@"
fi
exec QUOTED "$@"
"""


class Tools(Record, frozen=True, kw_only=True):
    """The tools that one build would find, and the shims and leases that they need."""

    shim_dirs: tuple[Path, ...] = ()
    """The folders of shims, to be first on its PATH."""
    needs_lease: bool = False
    """Whether it may use a tool without the jobserver protocol."""
    ninja: Path | None = None
    """The ninja that it would call."""
    leased_ninja: bool = False
    """Whether that ninja needs a lease."""
    hides_fifo: bool = False
    """Whether it may call a make by its path that stops at a FIFO."""

    def environ(self, environ: Mapping[str, str], lease: int) -> dict[str, str]:
        """Return an environment with the shims on PATH and ``lease`` jobs for ninja."""
        path = os.pathsep.join([*map(str, self.shim_dirs), environ.get("PATH", os.defpath)])
        variables = {**environ, "PATH": path}
        if self.ninja is not None:
            variables["WHEELPOOL_NINJA"] = str(self.ninja)
            if self.needs_lease:
                variables["WHEELPOOL_LEASE"] = str(lease)
        return variables

    def programs(self) -> dict[str, str]:
        """Return the shims by the paths of the programs that they wrap."""
        shims = [shim for folder in self.shim_dirs for shim in folder.iterdir()]
        return {wrapped: str(shim) for shim in shims if (wrapped := wrapped_program(shim))}


class ToolShims:
    """Finds tools and writes shims for them; all methods block.

    Args:
        environ: the user's environment, with PATH.
        folder: the folder for shims; there are none if its path cannot be on PATH.
        standard_folders: where programs look for make without PATH.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        folder: Path,
        standard_folders: Sequence[str] = _STANDARD_FOLDERS,
    ) -> None:
        self._standard_folders = standard_folders
        self._environ = environ
        self.folder = folder
        """The folder of all shims."""
        self._versions: dict[Path, tuple[int, int] | None] = {}
        self._make_folders: tuple[tuple[str, Path], ...] | None = None

    def find_tools(self, env: BuildEnvironment) -> Tools:
        """Return the tools that a build would find."""
        # The cache may have been removed meanwhile.
        if self._make_folders is None or not all(one.is_dir() for _, one in self._make_folders):
            self._make_folders = tuple(self._make_shims())
        versions = dict(_installed_versions(env))
        ninja = self._find_ninja(env) if uses_ninja(versions, self._environ) else None
        leased_ninja = ninja is not None and self._needs_lease(ninja, env, versions)
        # A make of the build requirements comes before the user's on PATH, so it gets no shim.
        folders = tuple(
            folder for name, folder in self._make_folders if not (env.bin / name).exists()
        )
        if ninja is not None and (shim := self._write_ninja_shim(ninja)) is not None:
            folders = (*folders, shim)
        leased = (
            leased_ninja
            or (ninja is not None and uses_max_jobs(versions))
            or uses_numpy_distutils(versions, env.interpreter.version)
        )
        return Tools(
            shim_dirs=folders,
            needs_lease=leased,
            ninja=ninja,
            leased_ninja=leased_ninja,
            hides_fifo=self._has_old_make() and not (env.bin / "make").exists(),
        )

    def _has_old_make(self) -> bool:
        """Tell whether a make of this machine stops at a FIFO in MAKEFLAGS."""
        return any(
            version is not None and version < MAKE_FIFO_VERSION
            for version in map(self._version_of, self._list_makes())
        )

    def _list_makes(self) -> Iterator[Path]:
        """Yield the makes that a build may call, by name or by a path."""
        named = self._environ.get("MAKE", "")
        names = ("make", "gmake", *([named] if Path(named).is_absolute() else []))
        yield from filter(None, map(self._find_program, ("make", "gmake")))
        paths = {Path(folder, name) for folder in self._standard_folders for name in names}
        yield from sorted(path for path in paths if path.exists())

    def _make_shims(self) -> Iterator[tuple[str, Path]]:
        """Yield the names and folders of shims for make and gmake, if they need them."""
        any_old = self._has_old_make()
        for name in ("make", "gmake"):
            program = self._find_program(name)
            version = self._version_of(program) if program else None
            if program is None or version is None or not any_old:
                continue
            script = _make_shim(name, program, version)
            if (folder := self._write_shim(name, script)) is not None:
                yield name, folder

    def _write_ninja_shim(self, program: Path) -> Path | None:
        found = shlex.quote(str(self._find_program("ninja") or program))
        script = _NINJA_SHIM.replace("HOLD", _HOLD.replace("PROGRAM", "ninja"))
        return self._write_shim("ninja", script.replace("QUOTED", found))

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
        searched = [path for path in folders if path and not Path(path).is_relative_to(self.folder)]
        found = shutil.which(name, path=os.pathsep.join(searched))
        return Path(found).absolute() if found else None

    def _version_of(self, program: Path) -> tuple[int, int] | None:
        """Return the version of a program, queried once; None if it is unknown."""
        if program not in self._versions:
            self._versions[program] = query_version(program, self._environ)
        return self._versions[program]

    def _write_shim(self, name: str, script: str) -> Path | None:
        """Write a shim into a folder of its own; return the folder."""
        folder = self.folder / hashlib.sha256(os.fsencode(script)).hexdigest()[:16]
        shim = folder / name
        if os.pathsep in str(folder):
            return None
        if not _is_intact(shim, os.fsencode(script)):
            atomic_write(shim, os.fsencode(script), mode=0o755)
        return folder


def _make_shim(name: str, program: Path, version: tuple[int, int]) -> str:
    reads_fifo = version >= MAKE_FIFO_VERSION
    values = {
        "HOLD": _HOLD,
        "OPEN": ":" if reads_fifo else _OPEN_DESCRIPTORS,
        "OPTION": f"--jobserver-{'auth' if version >= _MAKE_AUTH_VERSION else 'fds'}",
        "AUTH": "fifo:$WHEELPOOL_JOBSERVER" if reads_fifo else "8,9",
        "PROGRAM": name,
        "VERSION": ".".join(map(str, version)),
        "QUOTED": shlex.quote(str(program)),
    }
    script = _MAKE_SHIM
    for word, value in values.items():
        script = script.replace(word, value)
    return script


def wrapped_program(shim: Path) -> str | None:
    """Return the path of the program that a shim executes; None if it is no shim."""
    try:
        last = shim.read_bytes().rstrip().rpartition(b"\n")[2]
        words = shlex.split(os.fsdecode(last))
    except (OSError, ValueError):
        return None
    return words[1] if len(words) == 3 and words[0] == "exec" else None


def _is_intact(shim: Path, script: bytes) -> bool:
    """Tell whether a shim has its content and can be executed: one may have been damaged."""
    try:
        return os.access(shim, os.X_OK) and shim.read_bytes() == script
    except OSError:
        return False


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
