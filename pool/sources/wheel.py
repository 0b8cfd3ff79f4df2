"""What a wheel file says about itself."""

from __future__ import annotations

import hashlib
import zipfile
from email.parser import HeaderParser
from typing import TYPE_CHECKING

import msgspec
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from pool.common.errors import BackendError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["WheelFacts", "read", "sha256"]


class WheelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What its METADATA has."""

    name: str
    version: str
    metadata: str
    """All of its text."""


def read(wheel: Path) -> WheelFacts:
    """Read a wheel: one that a backend has just made, or one from elsewhere.

    Raises:
        BackendError: its name, its structure or its metadata is not that of a wheel.
    """
    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as problem:
        raise BackendError(f"{wheel.name}: not a wheel: {problem}") from problem
    try:
        metadata = _metadata(wheel)
    except (zipfile.BadZipFile, StopIteration, OSError, UnicodeDecodeError) as problem:
        raise BackendError(f"{wheel.name}: not a wheel: no METADATA can be read in it") from problem
    headers = HeaderParser().parsestr(metadata)
    if canonicalize_name(str(headers["Name"])) != name or headers["Version"] is None:
        raise BackendError(f"{wheel.name}: its METADATA is of {headers['Name']}")
    return WheelFacts(name=headers["Name"], version=str(version), metadata=metadata)


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
