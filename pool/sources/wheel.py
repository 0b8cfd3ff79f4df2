"""The metadata of a wheel file."""

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

__all__ = ["WheelMetadata", "hash_file", "read_wheel"]


class WheelMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """Name and version of a wheel, and its METADATA."""

    name: str
    version: str
    metadata: str
    """The text of METADATA."""


def read_wheel(wheel: Path) -> WheelMetadata:
    """Read the metadata of a wheel, built here or downloaded.

    Raises:
        BackendError: name, structure or metadata is not that of a wheel.
    """
    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as problem:
        raise BackendError(f"{wheel.name}: not a wheel: {problem}") from problem
    try:
        metadata = _read_metadata(wheel)
    except (zipfile.BadZipFile, StopIteration, OSError) as problem:
        raise BackendError(f"{wheel.name}: not a wheel: its METADATA cannot be read") from problem
    headers = HeaderParser().parsestr(metadata)
    if canonicalize_name(str(headers["Name"])) != name or headers["Version"] is None:
        raise BackendError(f"{wheel.name}: its METADATA is that of {headers['Name']}")
    return WheelMetadata(name=headers["Name"], version=str(version), metadata=metadata)


def _read_metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        member = next(
            name
            for name in archive.namelist()
            if name.count("/") == 1 and name.endswith(".dist-info/METADATA")
        )
        # Old wheels have authors in latin-1; names, versions and requirements are ASCII.
        return archive.read(member).decode("utf-8", "replace")


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
