"""Writes the members of an archive into a new folder, and nothing outside of it.

One set of rules for tar and zip. Refused are paths and links that lead out, devices, and names
that no real package has. It is enough to check names, without asking the file system where each
path leads: nothing is ever written through a link, and links climb only before they descend.
(`tarfile`'s filter asks, takes as long as the rest, and missed links behind links: CVE-2025-4517.)

Modes are reduced to executable or not. Times are kept, because build tools compare them with those
of generated sources, as far as a zip file can hold them: most backends fail at others.
"""

# Thousands of files: creating a Path for each takes longer than writing it.
# ruff: noqa: PTH102, PTH108, PTH112, PTH114, PTH123, PTH211
from __future__ import annotations

import errno
import os
from posixpath import dirname, normpath
from typing import TYPE_CHECKING, assert_never

from pool.sources.archives.limits import MAX_DEPTH, MAX_PATH_BYTES
from pool.sources.archives.member import MemberKind

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

    from pool.sources.archives.limits import UnpackLimits
    from pool.sources.archives.member import ArchiveMember, Reader

__all__ = ["TreeWriter", "clamp_time"]

_CHUNK_BYTES = 1 << 20
_OLDEST, _NEWEST = 315_619_200, 4_354_646_400
"""1980-01-02 and 2107-12-30: a zip file can hold the days around them in every time zone."""
_NAME_ERRORS = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EEXIST)
"""A file system refuses a name: it is too long, not in the system's encoding, or has the letters
of another one that differs in case."""


def clamp_time(seconds: float) -> float:
    """Return the nearest time that a zip file can hold, in seconds since the epoch."""
    return min(max(seconds, _OLDEST), _NEWEST)


class TreeWriter:
    """Writes members into a new folder, and nothing outside of it."""

    def __init__(self, root: Path, limits: UnpackLimits) -> None:
        self._root = str(root)
        self._limits = limits
        self._folders = {""}
        self._files: set[str] = set()
        self._links: dict[str, str] = {}
        """Symbolic links, with their targets as the archive gives them."""

    def add(self, member: ArchiveMember, content: Reader) -> None:
        """Write one member; an earlier one of the same name is replaced, as by tar.

        Raises:
            ArchiveError: it is refused; the message names it.
            OSError: no space, no permission.
        """
        self._limits.count_entry(member.size)
        try:
            self._add(member, content)
        except OSError as problem:
            if problem.errno not in _NAME_ERRORS:
                raise
            reason = "has a name that this file system does not accept"
            raise self._limits.refusal(member.name, reason) from problem

    def _add(self, member: ArchiveMember, content: Reader) -> None:
        match member.kind:
            case MemberKind.FILE:
                self._write_file(member, content)
            case MemberKind.FOLDER:
                self._make_folder(self._safe_path(member.name), member.name)
            case MemberKind.SYMLINK:
                self._add_symlink(member.name, member.link)
            case MemberKind.HARDLINK:
                self._add_hardlink(member.name, member.link)
            case MemberKind.SPECIAL:
                reason = "is a device, a pipe or another member that an sdist must not have"
                raise self._limits.refusal(member.name, reason)
            case _:
                assert_never(member.kind)

    def _write_file(self, member: ArchiveMember, content: Reader) -> None:
        path = self._prepare_path(member.name)
        self._files.add(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        mode = 0o777 if member.executable else 0o666
        with open(os.open(f"{self._root}/{path}", flags, mode), "wb", buffering=0) as target:
            _copy_content(member, content, target)
            if member.mtime is not None:
                mtime = clamp_time(member.mtime)
                os.utime(target.fileno(), (mtime, mtime))

    def _add_symlink(self, name: str, link: str) -> None:
        """Create a link to a path inside, which need not exist (yet)."""
        path = self._prepare_path(name)
        # Normalized, ".." is only at the start, so other links cannot change the target.
        target = normpath(link)
        if not link or "\0" in link or len(os.fsencode(link)) > MAX_PATH_BYTES:
            raise self._limits.refusal(name, "is a link to no valid path")
        if target.startswith("/"):
            raise self._limits.refusal(name, f"is a link to {link!r}, an absolute path")
        if normpath(f"{dirname(path)}/{target}".lstrip("/")).startswith(".."):
            raise self._limits.refusal(name, f"is a link to {link!r}, outside of the archive")
        os.symlink(target, f"{self._root}/{path}")
        self._links[path] = link

    def _add_hardlink(self, name: str, link: str) -> None:
        """Create a second name for a file or a symbolic link that was written before."""
        target, path = self._safe_path(link), self._safe_path(name)
        if target in self._links:
            # The link may lead elsewhere from another folder, so it is checked again.
            self._add_symlink(name, self._links[target])
        elif target not in self._files:
            raise self._limits.refusal(name, f"is a link to {link!r}, which is not an earlier file")
        elif target != path:
            self._prepare_path(name)
            self._files.add(path)
            os.link(f"{self._root}/{target}", f"{self._root}/{path}")

    def _safe_path(self, name: str) -> str:
        """Return the path of a member relative to the root, normalized."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/"):
            raise self._limits.refusal(name, "is an absolute path")
        if ".." in parts:
            raise self._limits.refusal(name, "leads out of the archive")
        if "\0" in name:
            raise self._limits.refusal(name, "has a zero byte in its name")
        if len(parts) > MAX_DEPTH or len(os.fsencode(name)) > MAX_PATH_BYTES:
            raise self._limits.refusal(name, "has a path that is too long")
        return "/".join(parts)

    def _prepare_path(self, name: str) -> str:
        """Return the path for a new member: its folder is created, an earlier member removed."""
        path = self._safe_path(name)
        self._make_folder(dirname(path), name)
        if path in self._folders:
            raise self._limits.refusal(name, "is a folder as well")
        if path in self._files or path in self._links:
            self._files.discard(path)
            self._links.pop(path, None)
            os.unlink(f"{self._root}/{path}")
        return path

    def _make_folder(self, folder: str, name: str) -> None:
        if folder in self._folders:
            return
        self._make_folder(dirname(folder), name)
        self._limits.count_folder()
        path = f"{self._root}/{folder}"
        try:
            os.mkdir(path)
        except FileExistsError as problem:
            # The file system decides, so that names that differ only in case are found, too.
            if os.path.islink(path) or not os.path.isdir(path):
                raise self._limits.refusal(name, "goes through a link or a file") from problem
        self._folders.add(folder)


def _copy_content(member: ArchiveMember, content: Reader, target: FileIO) -> None:
    remaining = member.size
    while remaining > 0:
        chunk = content.read(min(remaining, _CHUNK_BYTES))
        if not chunk:
            raise EOFError(f"{member.name!r} is truncated")
        remaining -= len(chunk)
        while chunk:
            chunk = chunk[target.write(chunk) :]
