"""Wheels of build requirements, unpacked, checked and compiled once, then only linked.

An entry is complete or not there: it is made in a folder of its own and renamed into place, so
any number of processes can fill one store. Bytecode is compiled by the target interpreter; it is
never checked against its source again, since neither changes (PEP 552, unchecked hashes).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec
from installer.exceptions import InstallerError
from installer.sources import WheelFile
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from pool.backend.process import answer_of
from pool.errors import ArchiveError

if TYPE_CHECKING:
    from pool.backend.interpreter import Interpreter

__all__ = ["StoredWheel", "WheelStore"]

_COMPILE_SECONDS = 600.0
_SCHEMES = ("purelib", "platlib", "scripts", "data", "headers")


class StoredWheel(msgspec.Struct, frozen=True, kw_only=True):
    """An unpacked wheel."""

    name: str
    version: str
    metadata: str
    """The text of its METADATA file."""
    entry_points: str
    """The text of its entry_points.txt; empty where it has none."""
    path: Path
    """A folder with one folder for each scheme that it has files for."""


class _Entry(msgspec.Struct, kw_only=True):
    """What the marker file of an entry says."""

    name: str
    version: str
    metadata: str
    entry_points: str


class WheelStore:
    """A folder of unpacked wheels, shared by all processes of a user.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def get(self, sha256: str, interpreter: Interpreter) -> StoredWheel | None:
        """Return an entry, by the digest of the wheel file; None where there is none."""
        folder = self._folder(sha256, interpreter)
        try:
            entry = msgspec.json.decode((folder / "wheel.json").read_bytes(), type=_Entry)
        except (OSError, msgspec.DecodeError):
            return None
        return StoredWheel(path=folder, **msgspec.structs.asdict(entry))

    def add(self, wheel: Path, sha256: str, interpreter: Interpreter) -> StoredWheel:
        """Unpack a wheel whose digest is known to be right.

        Raises:
            ArchiveError: it is damaged, its RECORD is wrong, or it would write elsewhere.
            OSError: no space, no permission.
        """
        final = self._folder(sha256, interpreter)
        final.parent.mkdir(parents=True, exist_ok=True)
        # The name keeps it out of everybody's sight: no digest begins with a dot.
        temporary = Path(tempfile.mkdtemp(dir=final.parent, prefix=".new-"))
        try:
            entry = _unpacked(wheel, temporary)
            _compile(temporary, interpreter)
            (temporary / "wheel.json").write_bytes(msgspec.json.encode(entry))
            temporary.chmod(0o755)
            self._put(temporary, final)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return StoredWheel(path=final, **msgspec.structs.asdict(entry))

    def _folder(self, sha256: str, interpreter: Interpreter) -> Path:
        return self._root / f"{interpreter.cache_tag}-{interpreter.magic}" / sha256

    def _put(self, temporary: Path, final: Path) -> None:
        """Rename into place; if another process was quicker, its entry is as good."""
        try:
            temporary.rename(final)
        except OSError:
            if (final / "wheel.json").exists():
                return
            # An entry that somebody damaged: put it aside whole, then try once more.
            shutil.rmtree(final, ignore_errors=True)
            temporary.rename(final)


def _unpacked(wheel: Path, into: Path) -> _Entry:
    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
        with WheelFile.open(wheel) as source:
            source.validate_record(validate_contents=True)
            root = (
                "purelib"
                if "Root-Is-Purelib: true" in source.read_dist_info("WHEEL")
                else "platlib"
            )
            for (path, _, _), stream, executable in source.get_contents():
                target = into / _place(path, source.data_dir, root, wheel)
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as file:
                    shutil.copyfileobj(stream, file)
                if executable:
                    target.chmod(0o755)
            optional = source.dist_info_filenames
            return _Entry(
                name=name,
                version=str(version),
                metadata=source.read_dist_info("METADATA"),
                entry_points=source.read_dist_info("entry_points.txt")
                if "entry_points.txt" in optional
                else "",
            )
    except (
        InstallerError,
        InvalidWheelFilename,
        zipfile.BadZipFile,
        KeyError,
        EOFError,
    ) as problem:
        reason = " ".join(str(problem).split())[:300]
        raise ArchiveError(f"{wheel.name}: not a good wheel: {reason}") from problem


def _place(path: str, data_dir: str, root: str, wheel: Path) -> PurePosixPath:
    """Return where a member goes, relative to the entry: its scheme, then its path."""
    place = PurePosixPath(path)
    if place.is_absolute() or ".." in place.parts or "\\" in path:
        raise ArchiveError(f"{wheel.name}: {path!r} would be written outside of the environment")
    if place.parts[0] != data_dir:
        return root / place
    if len(place.parts) < 3 or place.parts[1] not in _SCHEMES:
        raise ArchiveError(f"{wheel.name}: {path!r} is of no known scheme")
    return PurePosixPath(*place.parts[1:])


def _compile(folder: Path, interpreter: Interpreter) -> None:
    """Compile what compiles; files that are no Python of this version stay as they are."""
    argv = [str(interpreter.executable), "-I", "-S", "-m", "compileall", "-qq"]
    argv += ["--invalidation-mode", "unchecked-hash", str(folder)]
    try:
        answer_of(argv, environ={}, timeout=_COMPILE_SECONDS)
    except subprocess.CalledProcessError:
        return  # Some file did not compile: it is compiled, or fails, when it is imported.
