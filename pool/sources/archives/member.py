"""A member of an archive, as the readers of tar and zip files describe it to the writer."""

from __future__ import annotations

from collections.abc import Generator
from enum import StrEnum
from typing import Protocol, TypeAlias

from pool.common.record import Record

__all__ = ["ArchiveMember", "MemberKind", "Members", "Reader"]


class Reader(Protocol):
    """The content of a member, read once from front to back."""

    def read(self, size: int, /) -> bytes:
        """Return at most this many bytes; nothing at the end."""


class MemberKind(StrEnum):
    """The kinds of members."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    SPECIAL = "special"
    """A device, a pipe, or a kind that is not known."""


class ArchiveMember(Record, frozen=True, kw_only=True):
    """One member, as the archive describes it: nothing of it is checked."""

    name: str
    """Its path; bytes that are not UTF-8 are surrogates."""
    kind: MemberKind
    link: str = ""
    """The target of a link: for a symbolic link relative to the folder of the member."""
    size: int = 0
    """Bytes of the unpacked content."""
    executable: bool = False
    mtime: float | None = None
    """Seconds since the epoch; None if the archive has no valid time."""


Members: TypeAlias = Generator[tuple[ArchiveMember, Reader], None, None]
"""The members of an archive, each with its content; that must be read before the next member."""
