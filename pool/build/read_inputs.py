"""Finds the inputs of a finished build that its cache key does not cover.

Files: what Python opened and listed, the paths in the arguments of programs, the headers that
compilers included, paths like ``../common`` in the files of other build tools, and configuration in
the home directory. Variables: each name in a build file. Programs: the compilers of the languages
in the tree. `pool.cache.build_inputs` compares them later.

Left out are the tree, whose fingerprint is in the key, the folders of the build and of wheelpool,
the target Python, and what belongs to the system (``/usr``, ``/etc``): it changes with
updates, and ``--refresh`` is for those. Other programs than Python are not observed; a wheel is not
cached if an input is too large or was changed meanwhile.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

from msgspec import field

from pool.build.frontend.job_flags import JOB_VARIABLES
from pool.build.frontend.read_recording import read_dependency_file
from pool.cache.build_inputs import BuildInputs, FileInput, InputKind, UnknownInputError
from pool.cache.key import is_ignored_variable
from pool.common.errors import os_error_text
from pool.common.files import walk_folders
from pool.common.record import MutableRecord, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from pool.build.frontend.read_recording import Dependency, ReadRecord

__all__ = ["InputFinder"]

_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/dev", "/sys", "/run")
_SYSTEM_SOURCES = "/usr/src/"
_PYTHON_FOLDERS = ("lib", "lib64", "include", "bin", "share")

_TOOL_FILE = re.compile(
    r"CMakeLists\.txt|.*\.cmake(?:\.in)?|CMakePresets\.json|meson\.(?:build|options)"
    r"|meson_options\.txt|build\.rs|Cargo\.toml|(?:GNU)?[Mm]akefile(?:\..+)?|.*\.(?:mk|mak|gypi?|pr[io])"
)
"""Files of build tools that read others without Python."""
_BUILD_FILE = re.compile(
    rf"(?:{_TOOL_FILE.pattern})|setup\.(?:py|cfg)|pyproject\.toml|hatch_build\.py|versioneer\.py"
    r"|.*_build.*\.py|build.*\.py|conanfile\.(?:py|txt)|SConstruct|SConscript|wscript"
    r"|configure(?:\.ac|\.in)?|.*\.sh|package\.json|config\.toml"
)
"""Files that decide how a wheel is built, and may name environment variables."""
_MAX_SCANNED_BYTES = 4 << 20
_MAX_NAMES = 20_000
_NAME = re.compile(rb"\b[A-Z][A-Z0-9_]{2,}\b|[\"'](\w{2,})[\"']|\$(?:ENV)?[{(]?(\w{2,})")
_PARENT_PATH = re.compile(rb"(?:\.\./)+[\w@+-][\w./@+-]*")
_UNRELATED_NAMES = frozenset(
    (
        "COLORTERM",
        "COLUMNS",
        "DEPENDENCIES_OUTPUT",
        "DISPLAY",
        "EDITOR",
        "HOME",
        "HOSTNAME",
        "LINES",
        "LOGNAME",
        "LS_COLORS",
        "MAIL",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
        "OLDPWD",
        "PAGER",
        "PATH",
        "PWD",
        "SHELL",
        "SHLVL",
        "TEMP",
        "TERM",
        "TMP",
        "TMPDIR",
        "USER",
        "USERNAME",
        "VIRTUAL_ENV",
        "VISUAL",
    )
)
_UNRELATED_PREFIXES = ("WHEELPOOL_", "PIP_", "UV_", "XDG_", "SSH_", "DBUS_", "TERM_", "PYTHON")

_COMPILERS = {
    (".c", ".m", ".pyx"): ("cc", "gcc"),
    (".cc", ".cpp", ".cxx", ".c++", ".mm"): ("c++", "g++"),
    (".f", ".f77", ".f90", ".f95", ".for"): ("gfortran",),
    (".rs",): ("rustc", "cargo"),
    (".cu",): ("nvcc",),
    (".go",): ("go",),
}
"""The compilers that are found by name, by the suffixes of sources."""
_COMPILER_VARIABLES = ("CC", "CXX", "FC", "RUSTC", "CARGO")
_HOME_CONFIGURATION = {
    "CMakeLists.txt": (".cmake/packages",),
    "Cargo.toml": (".cargo/config.toml", ".cargo/config", ".rustup/settings.toml"),
    "package.json": (".npmrc",),
}
"""Files in the home directory that a tool reads, by the file in the tree that shows its use."""
_CARGO_PARENTS = ("Cargo.toml", "Cargo.lock", ".cargo/config.toml", ".cargo/config")
"""Files that cargo looks for in the folders above a package."""
_OF_THE_FRONTEND = re.compile(
    r".*/tmp\w{8}/(?:in|out)put\.json|.*/pyproject_hooks/_in_process/.*|.*/wheelpool-\w{8}/.*"
)
"""Files by which a hook is called (pyproject_hooks), and links to folders of temporary files."""
_EXCLUDED_FOLDERS = frozenset((".git", ".hg", ".svn", ".tox", ".nox", "node_modules"))


class _TreeScan(MutableRecord):
    """The names of files and the content of build files in a tree."""

    names: set[str] = field(default_factory=set)
    suffixes: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    """The base names of all files."""
    folders: list[str] = field(default_factory=list)
    parent_paths: set[str] = field(default_factory=set)
    """Absolute paths outside of the tree that build files name."""
    dependencies: list[Dependency] = field(default_factory=list)


class InputFinder(Record, frozen=True, kw_only=True):
    """Finds the inputs of one build; all methods block on files."""

    tree: Path
    python: Path
    """The target interpreter."""
    excluded: Collection[Path]
    """Folders of the build and of wheelpool."""
    environ: Mapping[str, str]
    """Of the user."""
    since: int
    """The start of the build: nanoseconds since the epoch."""

    def find(self, record: ReadRecord) -> BuildInputs:
        """Return the inputs of the build.

        Raises:
            UnknownInputError: one of them cannot be known or compared.
        """
        if not record.complete:
            raise UnknownInputError("it is unknown what its build has read")
        scan = self._scan_tree()
        for module in record.modules:
            scan.names |= _names_in(module)
        names = sorted(filter(_may_matter, scan.names))[:_MAX_NAMES]
        return BuildInputs.observe(
            names=names,
            programs=self._compilers(scan.suffixes),
            files=list(self._observe(record, scan)),
            environ=self.environ,
        )

    def _observe(self, record: ReadRecord, scan: _TreeScan) -> Iterator[FileInput]:
        """Yield each input once; the more exact kind first."""
        seen, ours = set[str](), self._own_folders()
        for path, kind, optional in self._candidates(record, scan):
            if path in seen or path in record.written or _is_excluded(path, ours):
                continue
            seen.add(path)
            try:
                found = FileInput.observe(path, kind)
            except UnknownInputError:
                if optional:
                    continue
                raise
            self._check_unchanged(path)
            yield found

    def _candidates(
        self, record: ReadRecord, scan: _TreeScan
    ) -> Iterator[tuple[str, InputKind, bool]]:
        """Yield paths, with how they count, and whether it is only likely that they are read."""
        yield from ((path, "file", False) for path in map(_source_of, record.files))
        for one in (*record.dependencies, *scan.dependencies):
            if (path := self._resolve(one, scan.folders)) is not None:
                yield path, "file", False
        yield from ((path, "tree", False) for path in self._used_arguments(record))
        yield from ((path, "names", False) for path in self._listed_folders(record))
        yield from ((path, "file", True) for path in self._configuration(scan))
        yield from ((path, "tree", True) for path in sorted(scan.parent_paths))

    def _listed_folders(self, record: ReadRecord) -> Iterator[str]:
        """Yield the folders whose names were read.

        Above a tree that was unpacked into the cache, setuptools-scm looks for a repository: what
        else lies in the user's folders is no input then.
        """
        tree = os.path.realpath(self.tree)
        is_ours = any(_is_inside(tree, os.path.realpath(folder)) for folder in self.excluded)
        yield from (path for path in record.listed if not (is_ours and self._is_above(path)))

    def _used_arguments(self, record: ReadRecord) -> Iterator[str]:
        """Yield arguments of programs that exist; the folders above the tree say nothing."""
        for path in record.arguments:
            if os.path.exists(path) and not self._is_above(path):
                yield path

    def _is_above(self, path: str) -> bool:
        """Tell whether a folder is the tree or one above it."""
        return _is_inside(os.path.realpath(self.tree), os.path.realpath(path))

    def _configuration(self, scan: _TreeScan) -> Iterator[str]:
        home = self.environ.get("HOME", "")
        for sign, paths in _HOME_CONFIGURATION.items():
            if home and sign in scan.files:
                yield from (os.path.join(home, path) for path in paths)
        if "Cargo.toml" in scan.files:
            parents = self.tree.resolve().parents
            yield from (str(parent / name) for parent in parents for name in _CARGO_PARENTS)

    def _resolve(self, one: Dependency, folders: Iterable[str]) -> str | None:
        """Return the absolute path of a compiler's input; None if it is in the tree.

        Raises:
            UnknownInputError: it is relative to a folder that cannot be found out.
        """
        if os.path.isabs(one.path) or one.folder is not None:
            return os.path.normpath(os.path.join(one.folder or "", one.path))
        if not os.path.normpath(one.path).startswith(".."):
            return None
        for folder in folders:
            path = os.path.normpath(os.path.join(folder, one.path))
            if os.path.exists(path) and os.path.exists(os.path.join(folder, one.source)):
                return path
        raise UnknownInputError(f"its compiler read {one.path}, from an unknown folder")

    def _own_folders(self) -> tuple[str, ...]:
        """Return the folders of the build, of wheelpool and of the target Python, without links."""
        prefix = os.path.dirname(os.path.dirname(os.path.realpath(self.python)))
        pythons = (os.path.join(prefix, name) for name in _PYTHON_FOLDERS)
        return (*pythons, *map(os.path.realpath, (self.tree, *self.excluded)))

    def _check_unchanged(self, path: str) -> None:
        try:
            status = os.stat(path)
        except OSError:
            return
        # A link that the build makes changes the ctime of its target.
        changed = status.st_ctime_ns if status.st_nlink == 1 else status.st_mtime_ns
        if os.path.isfile(path) and changed > self.since:
            raise UnknownInputError(f"{path} changed while it was built")

    def _compilers(self, suffixes: set[str]) -> set[str]:
        """Return the names and paths of the compilers that the sources need."""
        found = {
            program
            for group, programs in _COMPILERS.items()
            if not suffixes.isdisjoint(group)
            for program in programs
        }
        if found:
            for variable in _COMPILER_VARIABLES:
                found.update(_program_words(self.environ.get(variable, "")))
        return found

    def _scan_tree(self) -> _TreeScan:
        scan = _TreeScan()
        for folder, folders, names in walk_folders(str(self.tree)):
            folders[:] = [name for name in folders if name not in _EXCLUDED_FOLDERS]
            scan.folders.append(folder)
            scan.files.update(names)
            scan.suffixes.update(os.path.splitext(name)[1].lower() for name in names)
            for name in names:
                self._scan_file(folder, name, scan)
        return scan

    def _scan_file(self, folder: str, name: str, scan: _TreeScan) -> None:
        path = os.path.join(folder, name)
        if name == ".ninja_deps" or name.endswith(".d"):
            try:
                scan.dependencies += read_dependency_file(self.tree / path, self.tree / path)
            except OSError as problem:
                raise UnknownInputError(f"{path}: {os_error_text(problem)}") from problem
        elif _BUILD_FILE.fullmatch(name):
            scan.names |= _names_in(path)
            if _TOOL_FILE.fullmatch(name):
                scan.parent_paths |= set(self._parent_paths(folder, path))

    def _parent_paths(self, folder: str, path: str) -> Iterator[str]:
        """Yield the paths in a file that lead out of the tree."""
        for found in _PARENT_PATH.findall(_read_text(path)):
            target = os.path.normpath(os.path.join(folder, os.fsdecode(found)))
            if not _is_inside(target, str(self.tree)):
                yield target


def _program_words(command: str) -> list[str]:
    try:
        return [word for word in shlex.split(command) if not word.startswith("-")][:2]
    except ValueError:
        return []


def _is_excluded(path: str, ours: tuple[str, ...]) -> bool:
    """Tell whether a path is no input: it belongs to these folders, or to the system."""
    if _OF_THE_FRONTEND.fullmatch(path):
        return True
    real = os.path.realpath(path)
    folders = ours if real.startswith(_SYSTEM_SOURCES) else (*_SYSTEM, *ours)
    return real == "/" or any(_is_inside(real, folder) for folder in folders)


def _is_inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _source_of(path: str) -> str:
    """Return the source of a bytecode file: the import system reads only its time."""
    folder, name = os.path.split(path)
    parent, cache = os.path.split(folder)
    if cache == "__pycache__" and name.endswith(".pyc"):
        return os.path.join(parent, name.split(".")[0] + ".py")
    return path


def _read_text(path: str) -> bytes:
    try:
        if os.path.isfile(path) and os.path.getsize(path) <= _MAX_SCANNED_BYTES:
            with open(path, "rb") as file:
                return file.read()
    except OSError:
        pass
    return b""


def _names_in(path: str) -> set[str]:
    """Return what could be names of environment variables in a file."""
    found = _NAME.finditer(_read_text(path))
    return {
        (one[1] or one[2] or one[0]).decode("ascii")
        for one in found
        if (one[1] or one[2] or one[0]).isascii()
    }


def _may_matter(name: str) -> bool:
    return not (
        name in _UNRELATED_NAMES
        or name in JOB_VARIABLES
        or name.startswith(_UNRELATED_PREFIXES)
        or is_ignored_variable(name)
    )
