"""The record of what one build read outside of its tree and its environment.

`pool.build.frontend.read_recorder` writes it from the Python processes of the build; gcc and clang
add the headers that they include (DEPENDENCIES_OUTPUT). Deliberately without a judgement about
what counts: `pool.build.read_inputs` does that.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import field

from pool.build.frontend import read_recorder
from pool.common.files import open_regular, read_limited
from pool.common.record import MutableRecord, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "Dependency",
    "ReadRecord",
    "ReadRecording",
    "install_shared_recorder",
    "read_dependency_file",
    "recorder_source",
]

_MODULE = "_wheelpool_read_recorder"
_PLAIN_PATH = re.compile(r"[\w./+@=,-]+", re.ASCII)
_WORD = re.compile(rb"(?:\\.|[^\s\\])+")
_MAX_BYTES = 256 << 20
"""Bytes of a file that a build has written; with more, its inputs are not known."""
_NINJA_HEADER_BYTES = 16
"""``# ninjadeps``, a newline, and the version."""


class Dependency(Record, frozen=True):
    """A file that a compiler read."""

    path: str
    """Absolute, or relative to ``folder``."""
    folder: str | None
    """The working directory of the compiler; None if it is unknown."""
    source: str
    """The first input, relative to the same folder."""


class ReadRecord(MutableRecord):
    """The recorded paths and programs; all paths are absolute."""

    complete: bool = False
    """Whether an interpreter has recorded at all."""
    files: list[str] = field(default_factory=list)
    """Files that were opened for reading, whether they existed or not."""
    listed: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)
    """Paths in the arguments of programs, and their working directories."""
    written: set[str] = field(default_factory=set)
    """Paths that the build made itself before it read them, if ever."""
    programs: set[str] = field(default_factory=set)
    modules: list[str] = field(default_factory=list)
    """Files of the tree whose code was executed by Python."""
    dependencies: list[Dependency] = field(default_factory=list)

    def _add(self, kind: str, path: str) -> None:
        lists = {"r": self.files, "l": self.listed, "a": self.arguments, "m": self.modules}
        match kind:
            case "s":
                self.complete = True
            case "p":
                self.programs.add(path)
            case "w" if path not in self.files:
                self.written.add(path)
            case _ if kind in lists:
                lists[kind].append(path)


class ReadRecording(Record, frozen=True, kw_only=True):
    """The recording of one build, over all of its hooks.

    Attributes:
        log: the file of the recorder; it appears with the first interpreter.
        tree: the source tree.
        skipped: folders that belong to the build or to the pool.
    """

    log: Path
    tree: Path
    skipped: tuple[Path, ...]

    @property
    def _compiler_log(self) -> Path:
        return self.log.with_name(f"{self.log.name}.deps")

    def install(self, site: Path) -> None:
        """Let each interpreter of an environment record; ``site`` is its site-packages.

        Raises:
            OSError: no space, no permission.
        """
        tree, *skipped = self._real_folders()
        _install(site, f"start(*{(str(self.log), tree, tuple(skipped))!a})")

    def prepare(self) -> None:
        """Let the interpreters of a shared environment find what they need (`environ`).

        Raises:
            OSError: no space, no permission.
        """
        folders = b"\0".join(map(os.fsencode, self._real_folders()))
        self.log.with_name(f"{self.log.name}.start").write_bytes(folders)

    def _real_folders(self) -> list[str]:
        return [os.path.realpath(folder) for folder in (self.tree, *self.skipped)]

    def environ(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """Return the variables with which interpreters and compilers record what they read.

        None are set for compilers if the user sets them, if ccache is used, whose results contain
        such a file, or if the path has characters with a meaning in them.
        """
        path = str(self._compiler_log)
        interpreters = {read_recorder.VARIABLE: str(self.log)}
        ours = {**interpreters, "DEPENDENCIES_OUTPUT": path}
        plain = _PLAIN_PATH.fullmatch(path)
        cached = any(
            "ccache" in inherited.get(name, "")
            for name in ("CC", "CXX", "PATH", "CMAKE_C_COMPILER_LAUNCHER")
        )
        other = {"DEPENDENCIES_OUTPUT", "SUNPRO_DEPENDENCIES"} & inherited.keys()
        return ours if plain and not cached and not other else interpreters

    def read(self) -> ReadRecord:
        """Return what was recorded until now.

        Raises:
            OSError: a file of the recording cannot be read.
        """
        record = ReadRecord()
        copies = []
        for entry in _read_bytes(self.log).split(b"\0"):
            kind, path = entry[:1].decode("ascii", "replace"), os.fsdecode(entry[1:])
            match kind:
                case "c":
                    copies.append(path)
                case "d" if copies:
                    record.dependencies += read_dependency_file(Path(copies[-1]), Path(path))
                case _:
                    record._add(kind, path)  # noqa: SLF001 - of this module
        record.dependencies += _parse_rules(_read_bytes(self._compiler_log), None)
        return record


def install_shared_recorder(site: Path) -> None:
    """Let each interpreter of an environment that builds share record for its own build.

    Raises:
        OSError: no space, no permission.
    """
    _install(site, "start_for_build()")


def _install(site: Path, call: str) -> None:
    (site / f"{_MODULE}.py").write_bytes(recorder_source())
    # The lines of a .pth file are executed if they begin with an import.
    (site / f"{_MODULE}.pth").write_text(f"import {_MODULE}; {_MODULE}.{call}\n", encoding="ascii")


@cache
def recorder_source() -> bytes:
    """Return the module that records."""
    return Path(read_recorder.__file__).read_bytes()


def read_dependency_file(file: Path, original: Path) -> Iterator[Dependency]:
    """Return the inputs in a dependency file of a compiler, or in ninja's log of them.

    Args:
        file: to read.
        original: its path while the build ran; its folder is that of the compilers at ninja.

    Raises:
        OSError: it exists but cannot be read, or is no regular file.
    """
    content = _read_bytes(file)
    if original.name == ".ninja_deps":
        return _parse_ninja_log(content, str(original.parent))
    return _parse_rules(content, None)


def _read_bytes(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return read_limited(file, _MAX_BYTES)
    except FileNotFoundError:
        return b""


def _parse_rules(rules: bytes, folder: str | None) -> Iterator[Dependency]:
    """Yield the prerequisites of rules for make: ``target: source header ...``."""
    for line in rules.replace(b"\\\n", b" ").splitlines():
        words = [
            re.sub(rb"\\(.)", rb"\1", word.replace(b"$$", b"$")) for word in _WORD.findall(line)
        ]
        targets = next((at for at, word in enumerate(words) if word.endswith(b":")), None)
        inputs = [] if targets is None else [os.fsdecode(word) for word in words[targets + 1 :]]
        yield from (Dependency(path, folder, inputs[0]) for path in inputs)


def _parse_ninja_log(log: bytes, folder: str) -> Iterator[Dependency]:
    """Yield the paths in a ``.ninja_deps`` file (ninja's deps_log.h, versions 3 and 4)."""
    offset = _NINJA_HEADER_BYTES
    while offset + 4 <= len(log):
        size = int.from_bytes(log[offset : offset + 4], "little")
        is_deps, size = bool(size & 1 << 31), size & ~(1 << 31)
        record = log[offset + 4 : offset + 4 + size]
        offset += 4 + size
        if not is_deps and len(record) == size:
            path = os.fsdecode(record[:-4].rstrip(b"\0"))
            yield Dependency(path, folder, path)
