"""The check of a wheel that a backend has just made, beyond what every wheel must be."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pool.common.errors import ArchiveError
from pool.sources.wheels.reader import open_wheel
from pool.sources.wheels.record import verify_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pool.sources.wheels.reader import WheelArchive, WheelMetadata

__all__ = ["check_built_wheel", "find_path"]

_TEXTS = (".py", ".pth", ".json", ".txt", ".toml")
_MAX_BYTES = 1 << 20
"""Larger members are not searched."""


def check_built_wheel(wheel: Path, *, compare_record: bool) -> tuple[WheelMetadata, str]:
    """Return the metadata of a new wheel, and what is wrong with its RECORD.

    Raises:
        ArchiveError: it is no wheel.
    """
    with open_wheel(wheel) as archive:
        number = str(archive.facts.metadata_version or "").strip()
        if not re.fullmatch(r"\d{1,9}\.\d{1,9}", number):
            raise ArchiveError(f"METADATA has no valid Metadata-Version: {number!a:.40}")
        return archive.facts, verify_record(archive) if compare_record else ""


def find_path(wheel: Path, folder: Path) -> str:
    """Return the member of a wheel that names a path in a folder; empty if none does.

    The editable wheels of meson-python run the ninja of their build environment at each import.
    """
    with open_wheel(wheel) as archive:
        return next(_members_with(archive, os.fsencode(folder)), "")


def _members_with(archive: WheelArchive, text: bytes) -> Iterator[str]:
    for path, member in archive.members.items():
        small = path.endswith(_TEXTS) and member.file_size <= _MAX_BYTES
        if small and text in archive.zip.read(member):
            yield path
