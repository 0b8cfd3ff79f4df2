"""The inputs of a build outside of its cache key: files, variables and programs that it used.

They are found out only when a build runs, so they are stored with the wheel. A cached wheel is
used only if each of them is now as it was then. A file that was not there is an input, too.

Sizes, times and inodes are compared first; only if they differ, contents are read.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from pool.common.files import hash_file, walk_folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["BuildInputs", "FileInput", "InputKind", "UnknownInputError"]

InputKind: TypeAlias = Literal["file", "names", "tree"]
"""How a path counts: by the bytes of a file, the names in a folder, or all that is in it."""

_ABSENT = "absent"
_MAX_FILES = 2000
_MAX_BYTES = 64 << 20
_IGNORED_NAMES = frozenset(("__pycache__", ".git", ".hg", ".svn", ".mypy_cache", ".ruff_cache"))


class UnknownInputError(Exception):
    """An input cannot be compared; the message says which one and why."""


class FileInput(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A file or folder that a build has read."""

    path: bytes
    kind: InputKind
    digest: str
    """Of its content; a word if there is none."""
    stamp: tuple[int, ...]
    """Size, times and inode of a file; empty for what must be read each time."""

    @classmethod
    def observe(cls, path: str, kind: InputKind) -> FileInput:
        """Return the input as it is now.

        Raises:
            UnknownInputError: it cannot be read, or is too large to compare.
        """
        try:
            stamp, digest = _stamp(path), _digest(path, kind)
        except OSError as problem:
            raise UnknownInputError(f"it reads {path}: {problem.strerror}") from problem
        return cls(path=os.fsencode(path), kind=kind, digest=digest, stamp=stamp)

    def is_unchanged(self) -> bool:
        """Tell whether the input is as it was."""
        path = os.fsdecode(self.path)
        try:
            if self.stamp and _stamp(path) == self.stamp:
                return True
            return _digest(path, self.kind) == self.digest
        except (OSError, UnknownInputError):
            return False


class BuildInputs(msgspec.Struct, frozen=True, kw_only=True):
    """All inputs of one build that its cache key does not cover."""

    names: tuple[str, ...] = ()
    """Environment variables that its build files name, whether they are set or not."""
    variables: str = ""
    """A digest of those of them that were set; values may be secret."""
    programs: dict[str, str] = {}
    """Compilers by name, with path, size and time; empty for one that was not found."""
    files: tuple[FileInput, ...] = ()

    @classmethod
    def observe(
        cls,
        *,
        names: Iterable[str],
        programs: Iterable[str],
        files: Iterable[FileInput],
        environ: Mapping[str, str],
    ) -> BuildInputs:
        """Return the inputs as they are now."""
        ordered = tuple(sorted(names))
        return cls(
            names=ordered,
            variables=_digest_variables(ordered, environ),
            programs={name: _identify(name, environ) for name in sorted(programs)},
            files=tuple(files),
        )

    def are_unchanged(self, environ: Mapping[str, str]) -> bool:
        """Tell whether a build would find the same inputs now; blocks on files."""
        return (
            _digest_variables(self.names, environ) == self.variables
            and all(_identify(name, environ) == found for name, found in self.programs.items())
            and all(file.is_unchanged() for file in self.files)
        )


def _digest_variables(names: tuple[str, ...], environ: Mapping[str, str]) -> str:
    values = [(name, environ[name]) for name in names if name in environ]
    joined = "\0".join(f"{name}={value}" for name, value in values)
    return hashlib.sha256(os.fsencode(joined)).hexdigest() if values else ""


def _identify(program: str, environ: Mapping[str, str]) -> str:
    """Return what tells a compiler from its earlier versions, without running it."""
    import shutil

    found = shutil.which(program, path=environ.get("PATH", os.defpath))
    if found is None:
        return ""
    real = os.path.realpath(found)
    try:
        status = os.stat(real)
    except OSError:
        return ""
    return f"{real}:{status.st_size}:{status.st_mtime_ns}"


def _stamp(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    if not stat.S_ISREG(status.st_mode):
        return ()
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def _digest(path: str, kind: InputKind) -> str:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return _ABSENT
    if stat.S_ISDIR(status.st_mode):
        return _digest_tree(path) if kind == "tree" else _digest_names(path)
    if stat.S_ISREG(status.st_mode):
        return hash_file(Path(path))
    raise UnknownInputError(f"it reads {path}, which is neither a file nor a folder")


def _digest_names(path: str) -> str:
    names = sorted(set(os.listdir(path)) - _IGNORED_NAMES)
    return hashlib.sha256(b"\0".join(map(os.fsencode, names))).hexdigest()


def _digest_tree(path: str) -> str:
    digest, count, size = hashlib.sha256(), 0, 0
    for file in _walk_files(path):
        count, size = count + 1, size + os.lstat(file).st_size
        if count > _MAX_FILES or size > _MAX_BYTES:
            raise UnknownInputError(f"it uses the folder {path}, which is too large to compare")
        digest.update(os.fsencode(os.path.relpath(file, path)) + b"\0")
        if os.path.isfile(file):
            digest.update(bytes.fromhex(hash_file(Path(file))))
    return digest.hexdigest()


def _walk_files(path: str) -> Iterator[str]:
    for folder, folders, names in walk_folders(path):
        folders[:] = sorted(set(folders) - _IGNORED_NAMES)
        yield from (os.path.join(folder, name) for name in sorted(names))
