"""The content of a build environment as it was made, and the changes since.

Two looks: at its folders, whose times change with their entries, which takes some microseconds for
each; and at its files, of which a build may change the content in place. Bytecode is no content:
Python writes it when it likes, and never into an existing file.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pool.build.frontend.read_recorder import UNKNOWN_BUILD
from pool.common.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["OWN_PREFIX", "EnvChange", "EnvContent", "read_content"]

OWN_PREFIX = ".wheelpool-"
"""Begins the names of the files in an environment that wheelpool changes itself."""
_BYTECODE = "__pycache__"
_Identity = tuple[int, int, int, int]
"""Inode, size, modification time, change time; the last is 0 for a file with several links."""


class _Folder(msgspec.Struct):
    """One folder."""

    changed: int
    """Its modification time, in nanoseconds."""
    entries: dict[str, _Identity | None]
    """By name; None for a folder."""


class EnvChange(Record, frozen=True, kw_only=True):
    """The first difference that was found."""

    text: str
    """For the user: what happened to which file."""
    in_place: bool
    """Whether a file has other content; the unpacked wheel that it is linked from has it, too."""


class EnvContent(msgspec.Struct):
    """The folders of one environment, by path relative to it."""

    folders: dict[str, _Folder]

    def has_file(self, folder: str, name: str, size: int, changed: int) -> bool:
        """Return whether there is a file of a size and a modification time, or bytecode."""
        if folder.endswith(_BYTECODE):
            return True
        found = self.folders.get(folder)
        identity = found.entries.get(name) if found else None
        return identity is not None and identity[1:3] == (size, changed)

    def find_changed_entry(self, prefix: str) -> EnvChange | None:
        """Look at the folders; blocks.

        Args:
            prefix: the environment.
        """
        for path, folder in self.folders.items():
            try:
                changed = os.stat(f"{prefix}/{path}").st_mtime_ns  # noqa: PTH116 - of each folder
                if changed == folder.changed:
                    continue
                now = _read_folder(f"{prefix}/{path}")
            except OSError:
                return EnvChange(text=f"{path or prefix} was removed", in_place=False)
            if now.entries != folder.entries:
                return _compare(path, folder, now)
            folder.changed = changed
        return None

    def find_changed_file(self, prefix: str) -> EnvChange | None:
        """Look at all folders and files; blocks for some milliseconds."""
        for path, folder in self.folders.items():
            try:
                now = _read_folder(f"{prefix}/{path}")
            except OSError:
                return EnvChange(text=f"{path or prefix} was removed", in_place=False)
            if now.entries != folder.entries:
                return _compare(path, folder, now)
        return None


def read_content(prefix: str) -> EnvContent:
    """Return the content of a new environment; blocks.

    Raises:
        OSError: it cannot be read.
    """
    return EnvContent(folders=dict(_read_folders(prefix)))


def _read_folders(prefix: str) -> Iterator[tuple[str, _Folder]]:
    waiting = [""]
    while waiting:
        path = waiting.pop()
        folder = _read_folder(f"{prefix}/{path}")
        yield path, folder
        inside = f"{path}/" if path else ""
        waiting += [
            f"{inside}{name}" for name, identity in folder.entries.items() if identity is None
        ]


def _read_folder(folder: str) -> _Folder:
    # The time comes first: a change meanwhile is seen by the next look.
    changed = os.stat(folder).st_mtime_ns  # noqa: PTH116 - a Path for each takes longer
    entries: dict[str, _Identity | None] = {}
    with os.scandir(folder) as listing:
        for entry in listing:
            name = entry.name
            if name == _BYTECODE or name.startswith(OWN_PREFIX):
                continue
            if entry.is_dir(follow_symlinks=False):
                entries[name] = None
                continue
            status = entry.stat(follow_symlinks=False)
            # Each new link changes the time of the file's last change.
            change_time = status.st_ctime_ns if status.st_nlink == 1 else 0
            entries[name] = status.st_ino, status.st_size, status.st_mtime_ns, change_time
    return _Folder(changed=changed, entries=entries)


def _compare(path: str, before: _Folder, now: _Folder) -> EnvChange:
    """Return the first difference of a folder's entries."""
    inside = f"{path}/" if path else ""
    if UNKNOWN_BUILD in now.entries:
        return EnvChange(text="a process of no known build has run in it", in_place=False)
    for verb, names in (
        ("added", now.entries.keys() - before.entries.keys()),
        ("removed", before.entries.keys() - now.entries.keys()),
    ):
        if names:
            return EnvChange(text=f"{inside}{min(names)} was {verb}", in_place=False)
    differing = [name for name, entry in now.entries.items() if entry != before.entries[name]]
    # Another inode is another file, put in its place.
    in_place = [name for name in differing if _inode(now, name) == _inode(before, name)]
    name = min(in_place or differing)
    return EnvChange(text=f"{inside}{name} was changed", in_place=bool(in_place))


def _inode(folder: _Folder, name: str) -> int | None:
    identity = folder.entries[name]
    return identity and identity[0]
