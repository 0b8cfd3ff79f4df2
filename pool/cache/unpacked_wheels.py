"""Cache of unpacked wheels: each is unpacked, checked and compiled once, then hardlinked.

An entry is complete or absent: it is created in a temporary folder and renamed, so any number of
processes can fill one cache. Environments hardlink its files. An entry whose files were changed
through such a link is noticed and created again. The target interpreter compiles the bytecode and
records the times of the sources, so a build that replaces a module in its environment does not
load the old bytecode.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec
from packaging.utils import canonicalize_name

from pool.common.cancellation import check_cancelled
from pool.common.errors import ArchiveError
from pool.common.files import executable_mode, read_umask, remove_tree
from pool.common.json import decode_json
from pool.sources.wheels.entry_points import EntryPoint, parse_entry_points
from pool.sources.wheels.reader import check_filename, open_wheel, read_facts, read_wheel
from pool.sources.wheels.record import RecordVerifier
from pool.system.locks.run_folder import locked_folder
from pool.system.process import capture_output
from pool.system.process_limits import reraise_shortage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zipfile import ZipInfo

    from pool.sources.wheels.reader import WheelArchive, WheelMetadata
    from pool.system.interpreter import Interpreter

__all__ = ["UnpackedWheel", "UnpackedWheels", "unpack"]

_MARKER = "wheel.json"
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_NEW = ".new-"
_ABANDONED_SECONDS = 24 * 3600.0
_COMPILE_SECONDS = 600.0
_USUAL_UMASK = 0o022
_MAX_HASHED = 64 << 20
"""Larger wheels are compared by sizes, times and modes alone."""


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
    note: str = ""
    """A sentence for the user about the wheel; empty if there is none."""
    path: Path

    @property
    def marker(self) -> Path:
        """A file of the cache that is new whenever the wheel is unpacked anew."""
        return self.path / _MARKER


class _EntryHead(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an entry's marker file for readers of metadata."""

    version: str
    metadata: str


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The content of an entry's marker file."""

    name: str
    version: str
    metadata: str
    entry_points: tuple[EntryPoint, ...]
    folders: tuple[str, ...] = ()
    files: dict[str, tuple[int, int]] = {}
    digest: str = ""
    """Of all files together; empty if they are too large."""
    note: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for size, _ in self.files.values())

    def at(self, path: Path) -> UnpackedWheel:
        names = (name for name in self.__struct_fields__ if name != "digest")
        return UnpackedWheel(path=path, **{name: getattr(self, name) for name in names})


class UnpackedWheels:
    """A folder of unpacked wheels, shared by all processes of a user.

    Args:
        root: the folder; it is created with the first entry.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._swept = threading.Lock()
        self._compared: set[Path] = set()
        """Entries whose content this process has compared."""

    def get(self, sha256: str, interpreter: Interpreter) -> UnpackedWheel | None:
        """Return the entry of a wheel file's digest; None if it is absent or was changed."""
        folder = self._folder(sha256, interpreter)
        try:
            entry = decode_json((folder / _MARKER).read_bytes(), _Entry)
            if not self._is_unchanged(folder, entry):
                return None
        except (OSError, ValueError) as problem:
            reraise_shortage(problem)
            return None
        return entry.at(folder)

    def read_wheel(self, wheel: Path, sha256: str, interpreter: Interpreter) -> WheelMetadata:
        """Check a wheel and read its metadata: from its entry, if it was unpacked before.

        Args:
            wheel: the file.
            sha256: its verified digest.
            interpreter: for which it would be unpacked.

        Raises:
            ArchiveError: name, structure or metadata is not that of a wheel.
        """
        marker = self._folder(sha256, interpreter) / _MARKER
        try:
            entry = decode_json(marker.read_bytes(), _EntryHead)
        except (OSError, ValueError):
            return read_wheel(wheel)
        facts = read_facts(entry.metadata, entry.version)
        # The name of the file is no part of its content.
        check_filename(wheel, facts)
        return facts

    def forget(self, folders: Iterable[Path]) -> None:
        """Compare the content of entries again when they are used next."""
        self._compared.difference_update(folders)

    def _is_unchanged(self, folder: Path, entry: _Entry) -> bool:
        """Compare an entry's files: sizes, times, modes, and once in a process their content.

        A build can change a file through its link in an environment, and restore its time. Large
        entries are not read.
        """
        with _EntryFolder(folder) as opened:
            if folder in self._compared or entry.size > _MAX_HASHED:
                return all(map(opened.has_status, entry.files.items()))
            if opened.hash_unchanged(entry.files) != entry.digest:
                return False
        self._compared.add(folder)
        return True

    def add(self, wheel: Path, sha256: str, interpreter: Interpreter) -> UnpackedWheel:
        """Unpack a wheel whose digest was verified.

        Raises:
            ArchiveError: it is damaged, or it would write elsewhere.
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
        # Environments link the files, so these have the modes that the command's umask gives.
        umask = read_umask()
        suffix = "" if umask == _USUAL_UMASK else f"-{umask:03o}"
        return self._root / f"{interpreter.cache_tag}-{interpreter.magic}{suffix}" / sha256

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
        ArchiveError: it is damaged, or it would write elsewhere.
        OSError: no space, no permission, or ``into`` exists.
    """
    into.mkdir(parents=True)
    return _fill(wheel, into, interpreter).at(into)


def _fill(wheel: Path, into: Path, interpreter: Interpreter) -> _Entry:
    entry, paths = _unpack_archive(wheel, into)
    _compile(into, interpreter)
    folders, files = _list_content(into)
    if missing := paths - files.keys():
        # The cache is being removed. An entry without a file would be taken for the whole wheel.
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(into / min(missing)))
    entry = msgspec.structs.replace(entry, folders=folders, files=files)
    if entry.size > _MAX_HASHED:
        return entry
    with _EntryFolder(into) as opened:
        return msgspec.structs.replace(entry, digest=opened.hash_unchanged(files))


class _EntryFolder:
    """The open folder of an entry: paths below it are short for the kernel."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        # The umask of the entry's folder is that of this process.
        self._forbidden = read_umask()
        self._readable = 0o444 & ~self._forbidden

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def has_status(self, file: tuple[str, tuple[int, int]]) -> bool:
        """Return whether a file, with its path, has this size and time, and a right mode."""
        name, expected = file
        return self._is_right(os.stat(name, dir_fd=self._fd), expected)

    def hash_unchanged(self, files: Mapping[str, tuple[int, int]]) -> str:
        """Return one digest of names and contents; an empty one if a file has another status."""
        total = hashlib.sha256()
        for name in sorted(files):
            check_cancelled()
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._fd)
            try:
                if not self._is_right(os.fstat(fd), files[name]):
                    return ""
                content = _read_all(fd, files[name][0])
            finally:
                os.close(fd)
            total.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
        return total.hexdigest()

    def _is_right(self, status: os.stat_result, expected: tuple[int, int]) -> bool:
        mode = status.st_mode
        return (
            (status.st_size, status.st_mtime_ns) == expected
            and not mode & self._forbidden & 0o666
            and mode & self._readable == self._readable
        )


def _read_all(fd: int, size: int) -> bytes:
    """Return the content of a file that has this size."""
    content = os.read(fd, size)
    while len(content) < size and (more := os.read(fd, size - len(content))):
        content += more
    return content


def _unpack_archive(wheel: Path, into: Path) -> tuple[_Entry, set[str]]:
    """Write the files of a wheel; return the entry without a list of them, and their paths."""
    with open_wheel(wheel) as archive:
        extractor = _Extractor(archive, into)
        points = parse_entry_points(
            archive.read_info("entry_points.txt") if archive.has_info("entry_points.txt") else ""
        )
        for path, member in archive.members.items():
            extractor.extract(path, member)
        if note := extractor.verifier.note():
            record = into / extractor.target_path(f"{archive.info_dir}/RECORD")
            record.write_text(extractor.verifier.corrected(), encoding="utf-8", newline="")
        entry = _Entry(
            name=canonicalize_name(archive.facts.name),
            version=archive.facts.version,
            metadata=archive.facts.metadata,
            entry_points=points,
            note=note and f"{wheel.name}: {note}",
        )
        return entry, extractor.paths


class _Extractor:
    """Writes the files of one wheel. Paths are strings: a wheel may have 200,000 files."""

    def __init__(self, archive: WheelArchive, into: Path) -> None:
        self.verifier = RecordVerifier(archive)
        self._archive = archive
        self._root = os.fspath(into)
        self._folders: set[str] = set()
        """Those that were created."""
        self.paths: set[str] = set()
        """The files that were written, relative to the entry."""

    def extract(self, path: str, member: ZipInfo) -> None:
        """Write one file.

        Raises:
            ArchiveError: another file is in its place.
        """
        relative = self.target_path(path)
        target = f"{self._root}/{relative}"
        try:
            self._make_folder(target.rpartition("/")[0])
            file = os.open(target, _NEW_FILE, 0o666)
            with self._archive.zip.open(member) as stream, os.fdopen(file, "wb", 0) as unbuffered:
                self.verifier.copy(path, stream, unbuffered)
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as problem:
            raise ArchiveError(f"two of its files would be {path}") from problem
        mode = member.external_attr >> 16
        if stat.S_ISREG(mode) and mode & 0o111:
            Path(target).chmod(executable_mode())
        self.paths.add(relative)

    def _make_folder(self, folder: str) -> None:
        if folder not in self._folders:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)

    def target_path(self, path: str) -> str:
        """Return the path of a member in the entry: its scheme, then its path in the scheme."""
        root, _, rest = path.partition("/")
        if root == self._archive.data_dir:
            return rest
        return f"{'purelib' if self._archive.root_is_purelib else 'platlib'}/{path}"


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
    left = [""]
    while left:
        check_cancelled()
        above = left.pop()
        with os.scandir(root / above) as entries:
            for entry in entries:
                name = f"{above}{entry.name}"
                if entry.is_dir():
                    folders.append(name)
                    left.append(f"{name}/")
                else:
                    status = entry.stat()
                    files[name] = (status.st_size, status.st_mtime_ns)
    return tuple(sorted(folders)), dict(sorted(files.items()))
