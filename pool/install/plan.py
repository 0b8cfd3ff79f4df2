"""The plan of a transaction: as few and as large renames as possible, in a safe order.

A folder that contains only files of the old version is exchanged with the new one by one rename;
a folder that also has files of other distributions (a namespace package, ``bin``) is entered. The
order of steps within a distribution, before the next distribution begins:

1. new files: the modules of the new version may import them, those of the old one never do;
2. exchanged files and folders, each in one step, so that one of the two exists at any moment;
3. commands and ``.pth`` files, after the modules that they import; then obsolete ones;
4. files of the old version alone, which no module imports any more;
5. the new metadata, then the old: at least one of the two is readable at any moment, and a
   distribution with metadata is installed.

Planning changes nothing. It raises an error for conflicts with other distributions.
"""

from __future__ import annotations

import filecmp
import os
import stat
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

import msgspec

from pool.common.errors import InstallError
from pool.install.ownership import bytecode_source
from pool.install.staging import format_paths, is_bytecode

if TYPE_CHECKING:
    from pool.install.layout import EnvPaths
    from pool.install.ownership import Ownership
    from pool.install.staging import StagedSet

__all__ = ["Change", "Identity", "Plan", "Step", "make_plan", "read_identity"]

Kind = Literal["put", "swap", "trash", "rmdir"]
Identity = tuple[int, int, int]
"""Of a file: inode, mtime in ns, size. Of a folder: inode, -1, -1, as its content may change."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The change of one distribution."""

    name: str
    old: str | None
    """The version before; None if it was not installed."""
    new: str | None
    """The version afterwards; None if it was removed."""

    def __str__(self) -> str:
        if self.new is None:
            return f"{self.name} {self.old} removed"
        return (
            f"{self.name} {self.new}" if not self.old else f"{self.name} {self.old} -> {self.new}"
        )


class Step(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One change of the file system.

    The identities before and after tell whether it was done, and allow to roll it back.
    """

    kind: Kind
    path: str
    """Relative to the environment."""
    new: Identity | None = None
    """The file or folder at the path after the step; None if it is removed."""
    old: Identity | None = None
    """The file or folder at the path before the step; None if there is none."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """All steps of a transaction, in order."""

    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    volumes: tuple[str, ...] = ()
    """The topmost folders of other volumes that have files of the transaction."""


class _Stage(IntEnum):
    """The order of steps within a distribution; see the module."""

    NEW, EXCHANGED, ENTRY, OLD_ENTRY, OLD, NEW_INFO, OLD_INFO = range(7)


def read_identity(path: str) -> Identity | None:
    """Return the identity of a file or folder; None if there is none. Links are not followed."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISDIR(status.st_mode):
        return status.st_ino, -1, -1
    return status.st_ino, status.st_mtime_ns, status.st_size


def is_folder(identity: Identity) -> bool:
    """Tell whether it is the identity of a folder; a link to a folder is none."""
    return identity[2] == -1


def make_plan(
    staged: StagedSet, paths: EnvPaths, ownership: Ownership, *, whole_folders: bool
) -> Plan:
    """Plan the steps that install a staged set into its environment.

    Args:
        staged: the staged set.
        paths: the paths of its environment.
        ownership: the current owners of files.
        whole_folders: exchange whole folders of old versions; False for a file system that cannot
            rename folders (lower layers of an overlay).

    Raises:
        InstallError: a file belongs to another distribution, or a file or folder is in the way.
        OSError: the environment cannot be read.
    """
    planner = _Planner(staged, paths, ownership, whole_folders=whole_folders)
    planner.plan_new("")
    planner.raise_conflict()
    planner.plan_old("")
    return Plan(changes=_changes(staged, ownership), steps=planner.steps())


def _changes(staged: StagedSet, ownership: Ownership) -> tuple[Change, ...]:
    before = {dist.name: dist.version for _, dist in ownership.replaced}
    return tuple(
        Change(name=dist.name, old=before.get(dist.name), new=dist.version)
        for dist in staged.dists
        if dist.version is not None or dist.name in before
    )


class _Planner:
    """Walks the staged and the old files, and collects steps and conflicts."""

    def __init__(
        self, staged: StagedSet, paths: EnvPaths, ownership: Ownership, *, whole_folders: bool
    ) -> None:
        self._staged = staged
        self._paths = paths
        self._ownership = ownership
        self._volumes = staged.volumes
        self._whole_folders = whole_folders
        self._info_dirs = {dist.info_dir for dist in staged.dists if dist.info_dir}
        self._info_dirs |= ownership.old_info_dirs
        self._fully_old: dict[str, bool] = {}
        self._steps: dict[str, tuple[int, _Stage, Step]] = {}
        self._emptied_folders: list[str] = []
        self._conflicts: list[tuple[str, int, str]] = []

    def steps(self) -> tuple[Step, ...]:
        ordered = sorted(self._steps.values(), key=lambda entry: entry[:2])
        # Deepest first. A folder that is not empty then has files of others and stays.
        emptied = (Step(kind="rmdir", path=path) for path in reversed(self._emptied_folders))
        return (*(step for _, _, step in ordered), *emptied)

    def plan_new(self, folder: str) -> None:
        """Plan the staged files and folders of a folder that is not exchanged as a whole."""
        for name in self._staged.children[folder]:
            path = f"{folder}/{name}".lstrip("/")
            current = self._read_current(path)
            if current is None:
                self._add_step("put", path, None)
            elif is_folder(current):
                self._plan_new_folder(path, current)
            elif current != self._staged_identity(path) and self._may_replace(path):
                self._add_step("swap", path, current)

    def plan_old(self, folder: str) -> None:
        """Plan the removal of obsolete files in a folder that is not exchanged as a whole."""
        for path in self._old_paths(folder):
            current = self._read_current(path)
            if current is None or path in self._steps:
                continue
            if is_folder(current):
                self._plan_old_folder(path, current)
            elif path not in self._staged.owners and self._ownership.is_old(path):
                self._add_step("trash", path, current)

    def raise_conflict(self) -> None:
        """Raise an error with all conflicts of the first distribution that has one."""
        if not self._conflicts:
            return
        _, index, _ = self._conflicts[0]
        dist = self._staged.dists[index]
        found: dict[str, list[str]] = {}
        for path, owner_index, owner in self._conflicts:
            if owner_index == index:
                found.setdefault(owner, []).append(path)
        parts = [f"{format_paths(paths)} of {owner}" for owner, paths in found.items()]
        first = next(iter(found)).partition(" ")[0]
        raise InstallError(
            f"{dist.name} {dist.version} would replace {'; '.join(parts)}",
            hint=f"remove {first} first, or let it: --allow-overwrite {dist.name}",
        )

    def _plan_new_folder(self, path: str, current: Identity) -> None:
        if self._is_movable(path):
            self._add_step("swap", path, current)
        elif path in self._staged.children:
            self.plan_new(path)
        else:
            dist = self._staged.dists[self._staged.owners[path]]
            raise InstallError(
                f"{dist.name} {dist.version} contains a file {path}, which is a folder in the "
                "environment",
                hint="it has files of another distribution or of none; move them away",
            )

    def _may_replace(self, path: str) -> bool:
        """Tell whether a staged file may replace a file or link of the environment.

        A file of another distribution stays; different content is a conflict.

        Raises:
            InstallError: a file is in the way of a staged folder.
        """
        if self._ownership.is_old(path):
            return True
        if path in self._staged.children:
            raise InstallError(
                f"{self._paths.absolute(path)} is in the way: a folder must be created there",
                hint="move it away",
            )
        source = bytecode_source(path) if is_bytecode(path) else path
        owner = self._ownership.other_owners.get(path) or self._ownership.other_owners.get(source)
        if owner is None:
            return True  # Files without an owner are overwritten, as pip does.
        staged = self._staged.stages.new(path)
        if self._staged.dists[self._staged.owners[path]].overwrites:
            return True
        if source == path and not filecmp.cmp(self._paths.absolute(path), staged, shallow=False):
            self._conflicts.append((path, self._staged.owners[path], owner))
        return False

    def _plan_old_folder(self, path: str, current: Identity) -> None:
        if path in self._staged.children or self._is_fixed(path):
            self.plan_old(path)
        elif self._is_movable(path):
            self._add_step("trash", path, current)
        else:
            self._emptied_folders.append(path)
            self.plan_old(path)

    def _old_paths(self, folder: str) -> list[str]:
        """Return the paths of old versions in a folder, including unrecorded bytecode."""
        names = self._ownership.old_children.get(folder, set())
        if folder.endswith("/__pycache__"):
            names = names | set(os.listdir(self._paths.absolute(folder)))
        elif any(name.endswith(".py") for name in names):
            names = names | {"__pycache__"}
        return sorted(f"{folder}/{name}".lstrip("/") for name in names)

    def _is_movable(self, folder: str) -> bool:
        return self._whole_folders and not self._is_fixed(folder) and self._is_fully_old(folder)

    def _is_fixed(self, folder: str) -> bool:
        """Tell whether a folder is never renamed or removed: the environment's own, a volume."""
        return folder in self._paths.fixed_folders or self._volumes.is_root(folder)

    def _is_fully_old(self, folder: str) -> bool:
        """Tell whether all files in a folder belong to old versions."""
        if self._volumes.is_root(folder):
            return False
        if folder not in self._fully_old:
            with os.scandir(self._paths.absolute(folder)) as entries:
                self._fully_old[folder] = all(
                    self._is_fully_old(f"{folder}/{entry.name}")
                    if entry.is_dir(follow_symlinks=False)
                    else self._ownership.is_old(f"{folder}/{entry.name}")
                    for entry in entries
                )
        return self._fully_old[folder]

    def _staged_identity(self, path: str) -> Identity | None:
        return read_identity(self._staged.stages.new(path))

    def _read_current(self, path: str) -> Identity | None:
        """Return the identity of what is in the environment; a link to a volume is a folder."""
        current = read_identity(self._paths.absolute(path))
        return (current[0], -1, -1) if current and path in self._paths.linked_folders else current

    def _add_step(self, kind: Kind, path: str, old: Identity | None) -> None:
        new = None if kind == "trash" else self._staged_identity(path)
        index = self._ownership.position(path) if kind == "trash" else self._staged.owners[path]
        step = Step(kind=kind, path=path, new=new, old=old)
        self._steps[path] = (index, self._stage_of(kind, path), step)

    def _stage_of(self, kind: Kind, path: str) -> _Stage:
        head, dot, _ = path.partition(".dist-info")
        if head + dot in self._info_dirs:
            return _Stage.OLD_INFO if kind == "trash" else _Stage.NEW_INFO
        if path.endswith(".pth") or path.startswith(f"{self._paths.schemes['scripts']}/"):
            return _Stage.OLD_ENTRY if kind == "trash" else _Stage.ENTRY
        return {"put": _Stage.NEW, "swap": _Stage.EXCHANGED, "trash": _Stage.OLD}[kind]
