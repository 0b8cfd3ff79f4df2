"""Cache of unpacked wheels: each is unpacked, checked and compiled once, then hardlinked.

An entry is complete or absent: it is created in a temporary folder and renamed, so any number of
processes can fill one cache. Environments hardlink its files. An entry whose files were changed
through such a link is noticed and created again. The target interpreter compiles the bytecode and
records the times of the sources, so a build that replaces a module in its environment does not
load the old bytecode.
"""

from __future__ import annotations

import configparser
import lzma
import os
import shutil
import subprocess
import tempfile
import threading
import time
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec
from installer.exceptions import InstallerError
from installer.sources import WheelFile
from installer.utils import parse_entrypoints
from packaging.utils import parse_wheel_filename

from pool.common.errors import ArchiveError
from pool.common.files import remove_tree
from pool.system.locks.run_folder import locked_folder
from pool.system.process import capture_output

if TYPE_CHECKING:
    from pool.system.interpreter import Interpreter

__all__ = ["EntryPoint", "UnpackedWheel", "UnpackedWheels", "unpack"]

MAX_BYTES = 16 << 30
"""A wheel that unpacks to more is rejected; the largest ones have a few gigabytes."""

_MARKER = "wheel.json"
_NEW = ".new-"
_ABANDONED_SECONDS = 24 * 3600.0
_COMPILE_SECONDS = 600.0
_SCHEMES = ("purelib", "platlib", "scripts", "data", "headers")
_DAMAGED = (
    InstallerError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    LookupError,
    RuntimeError,  # encrypted, or compressed in an unknown way
    ValueError,  # malformed names or metadata
    FileExistsError,  # a file and a folder have one name
    IsADirectoryError,
    NotADirectoryError,
)


class EntryPoint(msgspec.Struct, frozen=True, kw_only=True):
    """A console script of a wheel."""

    name: str
    module: str
    attribute: str


class UnpackedWheel(msgspec.Struct, frozen=True, kw_only=True):
    """An unpacked wheel."""

    name: str
    version: str
    metadata: str
    """The text of its METADATA file."""
    entry_points: tuple[EntryPoint, ...]
    folders: tuple[str, ...]
    """Relative to ``path``, parents first; the first part is the scheme (``purelib/pkg``)."""
    files: dict[str, tuple[int, int]]
    """Relative to ``path``: size in bytes, modification time in nanoseconds."""
    path: Path


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The content of an entry's marker file."""

    name: str
    version: str
    metadata: str
    entry_points: tuple[EntryPoint, ...]
    folders: tuple[str, ...] = ()
    files: dict[str, tuple[int, int]] = {}

    def at(self, path: Path) -> UnpackedWheel:
        return UnpackedWheel(
            path=path, **{name: getattr(self, name) for name in self.__struct_fields__}
        )


class UnpackedWheels:
    """A folder of unpacked wheels, shared by all processes of a user.

    Args:
        root: the folder; it is created with the first entry.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._swept = threading.Lock()

    def get(self, sha256: str, interpreter: Interpreter) -> UnpackedWheel | None:
        """Return the entry of a wheel file's digest; None if it is absent or was changed."""
        folder = self._folder(sha256, interpreter)
        try:
            entry = msgspec.json.decode((folder / _MARKER).read_bytes(), type=_Entry)
            for name, (size, changed) in entry.files.items():
                status = os.stat(f"{folder}/{name}")  # noqa: PTH116 - a Path for each takes longer
                if (status.st_size, status.st_mtime_ns) != (size, changed):
                    return None
        except (OSError, msgspec.DecodeError):
            return None
        return entry.at(folder)

    def add(self, wheel: Path, sha256: str, interpreter: Interpreter) -> UnpackedWheel:
        """Unpack a wheel whose digest was verified.

        Raises:
            ArchiveError: it is damaged, its RECORD is wrong, or it would write elsewhere.
            OSError: no space, no permission.
        """
        final = self._folder(sha256, interpreter)
        final.parent.mkdir(parents=True, exist_ok=True)
        self._sweep()
        # No lookup finds the temporary folder: no digest begins with a dot.
        temporary = Path(tempfile.mkdtemp(dir=final.parent, prefix=_NEW))
        try:
            content = temporary / "content"
            content.mkdir()
            entry = _fill(wheel, content, interpreter)
            (content / _MARKER).write_bytes(msgspec.json.encode(entry))
            with locked_folder(final.parent):
                if (other := self.get(sha256, interpreter)) is not None:
                    return other  # Another process created it meanwhile.
                if final.exists():
                    final.rename(temporary / "damaged")
                content.rename(final)
        finally:
            remove_tree(temporary)
        return entry.at(final)

    def _folder(self, sha256: str, interpreter: Interpreter) -> Path:
        return self._root / f"{interpreter.cache_tag}-{interpreter.magic}" / sha256

    def _sweep(self) -> None:
        """Remove old temporary folders of killed processes; once in a process."""
        if not self._swept.acquire(blocking=False):
            return  # Never released: it marks that the sweep was done.
        oldest = time.time() - _ABANDONED_SECONDS  # noqa: TID251 - compared with file times
        for folder in self._root.glob(f"*/{_NEW}*"):
            with suppress(OSError):
                if folder.stat().st_mtime < oldest:
                    remove_tree(folder)


def unpack(wheel: Path, into: Path, interpreter: Interpreter) -> UnpackedWheel:
    """Unpack a wheel outside of the cache, for one use: an editable, a wheel just built.

    Args:
        wheel: the file.
        into: a folder to create; on the environment's file system, so that hardlinks work.
        interpreter: compiles it.

    Raises:
        ArchiveError: it is damaged, its RECORD is wrong, or it would write elsewhere.
        OSError: no space, no permission, or ``into`` exists.
    """
    into.mkdir(parents=True)
    return _fill(wheel, into, interpreter).at(into)


def _fill(wheel: Path, into: Path, interpreter: Interpreter) -> _Entry:
    entry = _unpack_archive(wheel, into)
    _compile(into, interpreter)
    folders, files = _list_content(into)
    return msgspec.structs.replace(entry, folders=folders, files=files)


def _unpack_archive(wheel: Path, into: Path) -> _Entry:
    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
        with zipfile.ZipFile(wheel) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                raise ArchiveError(f"{wheel.name}: unpacks to more than {MAX_BYTES >> 30} GiB")
            source = WheelFile(archive)
            source.validate_record(validate_contents=True)
            _extract(source, into, wheel)
            return _Entry(
                name=name,
                version=str(version),
                metadata=source.read_dist_info("METADATA"),
                entry_points=_entry_points(source),
            )
    except _DAMAGED as problem:
        reason = _reason(problem).replace(f"In {wheel}, ", "")
        raise ArchiveError(f"{wheel.name}: not a valid wheel: {reason}") from problem


def _reason(problem: Exception) -> str:
    issues = getattr(problem, "issues", None) or [problem]
    return " ".join(str(issues[0]).split())[:300] or type(problem).__name__


def _extract(source: WheelFile, into: Path, wheel: Path) -> None:
    headers = source.read_dist_info("WHEEL").lower().split("\n")
    root = "purelib" if "root-is-purelib: true" in map(str.strip, headers) else "platlib"
    # As spelled in the archive; the file's name may be spelled otherwise.
    data_dir = source.dist_info_dir.removesuffix(".dist-info") + ".data"
    for (path, _, _), stream, executable in source.get_contents():
        target = into / _target_path(path, data_dir, root, wheel)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            shutil.copyfileobj(stream, file)
        if executable:
            target.chmod(0o755)


def _target_path(path: str, data_dir: str, root: str, wheel: Path) -> PurePosixPath:
    """Return the path of a member in the entry: its scheme, then its path in the scheme."""
    place = PurePosixPath(path)
    if place.is_absolute() or ".." in place.parts or "\\" in path:
        raise ArchiveError(f"{wheel.name}: {path!r} would be written outside of the environment")
    if place.parts[0] != data_dir:
        return root / place
    if len(place.parts) < 3 or place.parts[1] not in _SCHEMES:
        raise ArchiveError(f"{wheel.name}: {path!r} is in an unknown scheme")
    return PurePosixPath(*place.parts[1:])


def _entry_points(source: WheelFile) -> tuple[EntryPoint, ...]:
    if "entry_points.txt" not in source.dist_info_filenames:
        return ()
    try:
        points = tuple(
            EntryPoint(name=name, module=module, attribute=attribute)
            for name, module, attribute, _ in parse_entrypoints(
                source.read_dist_info("entry_points.txt")
            )
        )
    except (AssertionError, configparser.Error) as problem:
        raise ValueError(f"entry_points.txt: {problem}") from problem
    for point in points:
        if "/" in point.name or point.name in (".", ".."):
            raise ValueError(f"entry_points.txt: {point.name!r} is not a valid command name")
    return points


def _compile(folder: Path, interpreter: Interpreter) -> None:
    """Compile the modules; files that this Python version cannot compile are left as they are."""
    libraries = [str(folder / name) for name in ("purelib", "platlib") if (folder / name).exists()]
    if not libraries:
        return
    argv = [str(interpreter.executable), "-I", "-S", "-m", "compileall", "-qq", *libraries]
    # A module that is not compiled now is compiled, or fails, when it is imported.
    with suppress(subprocess.SubprocessError):
        capture_output(argv, environ={}, timeout=_COMPILE_SECONDS)


def _list_content(root: Path) -> tuple[tuple[str, ...], dict[str, tuple[int, int]]]:
    """Return the folders and files below an entry, as `UnpackedWheel` has them."""
    folders: list[str] = []
    files: dict[str, tuple[int, int]] = {}
    for path in sorted(root.rglob("*")):
        name, status = path.relative_to(root).as_posix(), path.stat()
        if path.is_dir():
            folders.append(name)
        else:
            files[name] = (status.st_size, status.st_mtime_ns)
    return tuple(folders), files
