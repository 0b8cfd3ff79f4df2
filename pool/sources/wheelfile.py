"""What a wheel file says about itself."""

from __future__ import annotations

import hashlib
import zipfile
from email.parser import HeaderParser
from typing import TYPE_CHECKING

import msgspec
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from pool.errors import BackendError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["WheelFacts", "read", "sha256"]


class WheelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Name and version, as its METADATA has them."""

    name: str
    version: str


def read(wheel: Path) -> WheelFacts:
    """Read a wheel that a backend has just made.

    Raises:
        BackendError: its name, its structure or its metadata is not that of a wheel.
    """
    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as problem:
        raise BackendError(f"the backend built {wheel.name!r}: {problem}") from problem
    try:
        headers = HeaderParser().parsestr(_metadata(wheel))
    except (zipfile.BadZipFile, StopIteration, OSError, UnicodeDecodeError) as problem:
        raise BackendError(f"the backend built {wheel.name!r}, which is no wheel") from problem
    if canonicalize_name(str(headers["Name"])) != name or headers["Version"] is None:
        raise BackendError(f"{wheel.name}: its METADATA is of {headers['Name']}")
    return WheelFacts(name=headers["Name"], version=str(version))


def _metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        member = next(
            name
            for name in archive.namelist()
            if name.count("/") == 1 and name.endswith(".dist-info/METADATA")
        )
        return archive.read(member).decode("utf-8")


def sha256(path: Path) -> str:
    """Return the hexadecimal digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
