"""What a commit will do: renames, as few and as large as they can be, in an order that is safe.

The largest folders that are the old version's alone are exchanged with the new ones by one rename
each; folders that others have files in (namespace packages, ``bin``) are gone into. The order, for
each distribution, before the next one begins:

1. what is new, since the new version's modules may need it and the old one's never look at it;
2. what is exchanged, each piece in one step, so that one of the two is there at any moment;
3. commands and ``.pth`` files, after what they import; then those that are no longer wanted;
4. what only the old version had, which nobody needs any more;
5. the new metadata, and last the old: at least one of the two can be read at any moment, and a
   distribution that claims to be there is.

Making a plan changes nothing, and refuses what must not be done.
"""

from __future__ import annotations

import filecmp
import os
import stat
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

import msgspec

from pool.common.errors import InstallError
from pool.install.ownership import source_of
from pool.install.staging import is_bytecode

if TYPE_CHECKING:
    from pool.install.env_paths import EnvPaths
    from pool.install.ownership import Ownership
    from pool.install.staging import Staged

__all__ = ["Change", "Identity", "Plan", "Step", "identity", "make_plan"]

Kind = Literal["put", "swap", "trash", "rmdir"]
Identity = tuple[int, int, int]
"""Of a file: inode, time of change, size; of a folder, whose content changes: inode, -1, -1."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one distribution."""

    name: str
    old: str | None
    """The version that was there, if any."""
    new: str | None
    """The version that is there; None if it was removed."""

    def __str__(self) -> str:
        if self.new is None:
            return f"{self.name} {self.old} removed"
        return (
            f"{self.name} {self.new}" if not self.old else f"{self.name} {self.old} -> {self.new}"
        )


class Step(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One change of the disk; it can be seen whether it is done, and it can be taken back."""

    kind: Kind
    path: str
    """Relative to the environment."""
    new: Identity | None = None
    """What is there after it."""
    old: Identity | None = None
    """What is there before it."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All steps of a commit, in their order."""

    changes: tuple[Change, ...]
    steps: tuple[Step, ...]


class _Turn(IntEnum):
    NEW, EXCHANGED, POINTING, OLD_POINTING, OLD, NEW_INFO, OLD_INFO = range(7)


def identity(path: str) -> Identity | None:
    """Return what is at a path; None if nothing is. Links are not followed."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(status.st_mode):
        return status.st_ino, -1, -1
    return status.st_ino, status.st_mtime_ns, status.st_size


def is_folder(there: Identity) -> bool:
    """Return whether it is a folder, not a link to one."""
    return there[2] == -1


def make_plan(staged: Staged, root: EnvPaths, owned: Ownership, *, whole_folders: bool) -> Plan:
    """Work out the steps that put a set in place of what is there.

    Args:
        staged: the set.
        root: paths of its environment.
        owned: whose files are whose, now.
        whole_folders: exchange folders that are the old version's alone; False where the file
            system cannot rename folders (lower layers of an overlay).

    Raises:
        InstallError: a file belongs to another distribution, or something is in the way.
        OSError: the environment cannot be read.
    """
    planner = _Planner(staged, root, owned, whole_folders=whole_folders)
    planner.enter("")
    planner.refuse()
    planner.leave("")
    return Plan(changes=_changes(staged, owned), steps=planner.steps())


def _changes(staged: Staged, owned: Ownership) -> tuple[Change, ...]:
    before = {one.name: one.version for _, one in owned.going}
    return tuple(
        Change(name=part.name, old=before.get(part.name), new=part.version)
        for part in staged.parts
        if part.version is not None or part.name in before
    )


class _Planner:
    def __init__(
        self, staged: Staged, root: EnvPaths, owned: Ownership, *, whole_folders: bool
    ) -> None:
        self._staged = staged
        self._root = root
        self._owned = owned
        self._whole_folders = whole_folders
        self._infos = {part.info_dir for part in staged.parts if part.info_dir} | set(owned.infos)
        self._known: dict[str, bool] = {}
        self._steps: dict[str, tuple[int, _Turn, Step]] = {}
        self._emptied: list[str] = []
        self._conflicts: list[tuple[str, int, str]] = []

    def steps(self) -> tuple[Step, ...]:
        ordered = sorted(self._steps.values(), key=lambda entry: entry[:2])
        # Deepest first. Those that are not empty then are somebody's, and stay.
        emptied = (Step(kind="rmdir", path=path) for path in reversed(self._emptied))
        return (*(step for _, _, step in ordered), *emptied)

    def enter(self, folder: str) -> None:
        """Plan for what the new ones have in a folder that stays."""
        for name in self._staged.children[folder]:
            path = f"{folder}/{name}".lstrip("/")
            there = identity(self._root.absolute(path))
            if there is None:
                self._add("put", path, None)
            elif is_folder(there):
                self._enter_folder(path, there)
            elif there != self._staged_identity(path) and self._replaceable(path):
                self._add("swap", path, there)

    def leave(self, folder: str) -> None:
        """Plan for what only old ones have in a folder that stays."""
        for path in self._left(folder):
            there = identity(self._root.absolute(path))
            if there is None or path in self._steps:
                continue
            if is_folder(there):
                self._leave_folder(path, there)
            elif path not in self._staged.owners and self._owned.is_old(path):
                self._add("trash", path, there)

    def refuse(self) -> None:
        """Raise the first conflict, if any."""
        if not self._conflicts:
            return
        path, index, owner = self._conflicts[0]
        part, more = self._staged.parts[index], len(self._conflicts) - 1
        raise InstallError(
            f"{part.name} {part.version} brings {path}, which belongs to {owner}"
            + (f" (and {more} more of its files)" if more else ""),
            hint=f"they cannot be in one environment; remove {owner.partition(' ')[0]} first",
        )

    def _enter_folder(self, path: str, there: Identity) -> None:
        if self._movable(path):
            self._add("swap", path, there)
        elif path in self._staged.children:
            self.enter(path)
        else:
            part = self._staged.parts[self._staged.owners[path]]
            raise InstallError(
                f"{part.name} {part.version} brings a file {path}, which is a folder",
                hint="it has files that belong to no distribution, or to another; move them away",
            )

    def _replaceable(self, path: str) -> bool:
        """Return whether a file, or a link, gives way; what is not there to be replaced stays."""
        if self._owned.is_old(path):
            return True
        if path in self._staged.children:
            raise InstallError(
                f"{self._root.absolute(path)} is in the way: a folder is to be there",
                hint="move it away",
            )
        source = source_of(path) if is_bytecode(path) else path
        owner = self._owned.others.get(path) or self._owned.others.get(source)
        if owner is None:
            return True  # Nobody's files are overwritten, as pip does.
        staged = f"{self._staged.folder}/new/{path}"
        if source == path and not filecmp.cmp(self._root.absolute(path), staged, shallow=False):
            self._conflicts.append((path, self._staged.owners[path], owner))
        return False

    def _leave_folder(self, path: str, there: Identity) -> None:
        if path in self._staged.children or path in self._root.fixed:
            self.leave(path)
        elif self._movable(path):
            self._add("trash", path, there)
        else:
            self._emptied.append(path)
            self.leave(path)

    def _left(self, folder: str) -> list[str]:
        """Return what old ones have in a folder, the bytecode included that nobody recorded."""
        names = self._owned.children.get(folder, set())
        if folder.endswith("/__pycache__"):
            names = names | set(os.listdir(self._root.absolute(folder)))
        elif any(name.endswith(".py") for name in names):
            names = names | {"__pycache__"}
        return sorted(f"{folder}/{name}".lstrip("/") for name in names)

    def _movable(self, folder: str) -> bool:
        return self._whole_folders and folder not in self._root.fixed and self._whole(folder)

    def _whole(self, folder: str) -> bool:
        """Return whether all files in a folder are old ones."""
        if folder not in self._known:
            with os.scandir(self._root.absolute(folder)) as entries:
                self._known[folder] = all(
                    self._whole(f"{folder}/{entry.name}")
                    if entry.is_dir(follow_symlinks=False)
                    else self._owned.is_old(f"{folder}/{entry.name}")
                    for entry in entries
                )
        return self._known[folder]

    def _staged_identity(self, path: str) -> Identity | None:
        return identity(f"{self._staged.folder}/new/{path}")

    def _add(self, kind: Kind, path: str, old: Identity | None) -> None:
        new = None if kind == "trash" else self._staged_identity(path)
        index = self._owned.position(path) if kind == "trash" else self._staged.owners[path]
        step = Step(kind=kind, path=path, new=new, old=old)
        self._steps[path] = (index, self._turn(kind, path), step)

    def _turn(self, kind: Kind, path: str) -> _Turn:
        head, dot, _ = path.partition(".dist-info")
        if head + dot in self._infos:
            return _Turn.OLD_INFO if kind == "trash" else _Turn.NEW_INFO
        if path.endswith(".pth") or path.startswith(f"{self._root.schemes['scripts']}/"):
            return _Turn.OLD_POINTING if kind == "trash" else _Turn.POINTING
        return {"put": _Turn.NEW, "swap": _Turn.EXCHANGED, "trash": _Turn.OLD}[kind]
