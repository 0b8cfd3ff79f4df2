"""Staging: the files of an installation are linked or written beside the environment.

Each installation has a folder ``<prefix>/.wheelpool/<name>``, and more on other volumes. Its
process holds a ``flock`` on it as long as it lives; so other processes can tell leftovers from
active installations. Staging neither reads nor changes installed distributions, except that it
reads RECORDs ahead: it does not need the environment's lock.
"""

from __future__ import annotations

import filecmp
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import field
from packaging.utils import NormalizedName, canonicalize_name

from pool.common.cancellation import check_cancelled
from pool.common.errors import InstallError, os_error_text
from pool.common.record import Record
from pool.install.environment_files import STAGING_DIR
from pool.install.layout import EnvPaths, LayoutFile, lay_out
from pool.install.records import Records
from pool.install.volumes import Stages, Volumes
from pool.system.locks.run_folder import RunFolderLock

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pool.install.environment import TargetEnvironment
from pool.install.layout import WheelLayout, WheelToInstall

__all__ = [
    "PLAN_FILE",
    "UNREADABLE_PLAN_FILE",
    "StagedDist",
    "StagedSet",
    "discard",
    "format_paths",
    "has_plan",
    "is_bytecode",
    "stage",
    "stage_text",
]

PLAN_FILE = "plan.json"
"""The file in such a folder that has the plan of a transaction that must be finished."""
UNREADABLE_PLAN_FILE = "unreadable-plan.json"
"""A plan that was set aside."""
_MAX_NAMED = 10
"""The most files that a message names."""


class StagedDist(Record, frozen=True, kw_only=True):
    """One distribution of a set, to be installed or only removed."""

    name: NormalizedName
    version: str | None
    """The new version; None if the distribution is only removed."""
    info_dir: str = ""
    """The path of its metadata folder; empty if it is only removed."""
    overwrites: bool = False
    """Whether it may replace files of other distributions."""


class StagedSet(Record, frozen=True, kw_only=True):
    """A set that is ready to commit; call `discard` after the commit or instead of it."""

    env: TargetEnvironment
    folder: Path
    lock: RunFolderLock
    """The lock of ``folder``; once it is released, other processes remove or finish the set."""
    dists: tuple[StagedDist, ...]
    stages: Stages
    """The folders with its files; that of the prefix is ``folder``."""
    volumes: Volumes
    """The volumes of the environment."""
    records: Records
    """The RECORDs of the installed distributions."""
    children: dict[str, list[str]] = field(default_factory=lambda: {"": []})
    """The names in each folder, by path relative to the environment."""
    owners: dict[str, int] = field(default_factory=dict)
    """The index of the first distribution that has a file or folder, by its path."""


def stage(
    env: TargetEnvironment,
    items: Sequence[WheelToInstall],
    *,
    remove: Iterable[NormalizedName] = (),
    copy: bool = False,
) -> StagedSet:
    """Stage a set of distributions beside an environment.

    Args:
        env: the target environment.
        items: the wheels, in the order in which they are installed.
        remove: distributions to remove in the same transaction.
        copy: copy files instead of hardlinking those of the cache.

    Raises:
        InstallError: two wheels contain the same file, a wheel would write outside of the
            environment, or there is no space or no permission.
    """
    try:
        return _stage(env, items, remove, copy=copy)
    except OSError as problem:
        reason = os_error_text(problem, path=True)
        raise InstallError(f"cannot install into {env.prefix}: {reason}") from problem


def discard(staged: StagedSet) -> None:
    """Remove the folder of a set; after a commit it has the replaced files.

    A transaction that could neither be finished nor rolled back stays, for `recover`.
    """
    if not has_plan(staged.folder):
        staged.stages.remove()
    staged.lock.release()
    with suppress(OSError):  # Other installations use it.
        staged.folder.parent.rmdir()


def has_plan(folder: Path) -> bool:
    """Return whether a folder has a plan, or one that was set aside: its files are needed."""
    return any(os.path.lexists(folder / name) for name in (PLAN_FILE, UNREADABLE_PLAN_FILE))


def stage_text(staged: StagedSet, path: str, text: str, index: int) -> None:
    """Stage one more file, in place of one that another distribution changes, too.

    Args:
        staged: the set.
        path: the file, relative to the environment.
        text: its new content.
        index: the distribution with which it is changed.
    """
    if path not in staged.owners:
        mode = os.stat(f"{staged.env.prefix}/{path}").st_mode & 0o777
        file = LayoutFile(content=text.encode("utf-8", "surrogateescape"), mode=mode)
        _StagingWriter(staged, copy=False).write_file(path, file, index)


def is_bytecode(path: str) -> bool:
    """Tell whether a file is compiled from a module."""
    return path.endswith((".pyc", ".pyo"))


def _stage(
    env: TargetEnvironment,
    items: Sequence[WheelToInstall],
    remove: Iterable[NormalizedName],
    *,
    copy: bool,
) -> StagedSet:
    paths = EnvPaths(env.layout)
    layouts = [lay_out(item, env, paths) for item in items]
    dists = [_staged_dist(item, files) for item, files in zip(items, layouts, strict=True)]
    dists += [StagedDist(name=canonicalize_name(name), version=None) for name in remove]
    # For the owner alone: other users must not read files before their modes are set.
    lock = RunFolderLock.create(Path(paths.prefix, STAGING_DIR, secrets.token_hex(8)), mode=0o700)
    staged = StagedSet(
        env=env,
        folder=lock.folder,
        lock=lock,
        dists=tuple(dists),
        stages=Stages(lock.folder),
        volumes=Volumes(paths),
        records=Records(paths),
    )
    try:
        staged.stages.make_folders()
        staged.records.preload(env.layout, {dist.name for dist in dists})
        _StagingWriter(staged, copy=copy).add(layouts)
    except BaseException:
        discard(staged)
        raise
    return staged


def _staged_dist(item: WheelToInstall, layout: WheelLayout) -> StagedDist:
    return StagedDist(
        name=canonicalize_name(item.wheel.name),
        version=item.wheel.version,
        info_dir=layout.info_dir,
        overwrites=item.overwrites,
    )


class _StagingWriter:
    """Writes the files of all wheels into the folder of a set."""

    def __init__(self, staged: StagedSet, *, copy: bool) -> None:
        self._staged = staged
        self._copy = copy
        self._stages = staged.stages
        self._folders: dict[str, str] = {}
        """By folder of the environment: the path of the staged folder, with a slash."""
        self._conflicts: list[tuple[str, int, int]] = []
        """Paths with different content, each with the indexes of its two distributions."""

    def add(self, layouts: Iterable[WheelLayout]) -> None:
        for index, layout in enumerate(layouts):
            for path, file in layout.files.items():
                check_cancelled()
                if path in self._staged.owners and self._is_duplicate(path, file, index):
                    continue
                self.write_file(path, file, index)
        if self._conflicts:
            raise self._conflict(*self._conflicts[0])

    def _is_duplicate(self, path: str, file: LayoutFile, index: int) -> bool:
        """Tell whether an earlier wheel has a file that stays.

        Of two with different content, the one stays that may replace files of others; if both may,
        the later one.

        Raises:
            InstallError: a file of one wheel is a folder of the other.
        """
        other = self._staged.owners[path]
        if path in self._staged.children:
            raise self._conflict(path, other, index)
        if self._has_same_content(path, file):
            return True
        if self._staged.dists[index].overwrites:
            self._remove_file(path)
            return False
        if not self._staged.dists[other].overwrites:
            self._conflicts.append((path, other, index))
        return True

    def _remove_file(self, path: str) -> None:
        folder, _, name = path.rpartition("/")
        os.unlink(self._stages.new(path))
        self._staged.children[folder].remove(name)
        del self._staged.owners[path]

    def _has_same_content(self, path: str, file: LayoutFile) -> bool:
        if is_bytecode(path):
            return True  # The modules are compared.
        staged = Path(self._stages.new(path))
        if file.content is not None:
            return staged.read_bytes() == file.content
        return filecmp.cmp(staged, file.source, shallow=False)

    def write_file(self, path: str, file: LayoutFile, index: int) -> None:
        folder, _, name = path.rpartition("/")
        if (staged_folder := self._folders.get(folder)) is None:
            self._make_folder(folder, path, index)
            staged_folder = self._folders[folder] = self._stages.new(path)[: -len(name)]
        self._staged.children[folder].append(name)
        self._staged.owners[path] = index
        target = f"{staged_folder}{name}"
        if file.content is None:
            _link_or_copy(file.source, target, copy=self._copy)
            return
        with open(target, "xb") as output:
            output.write(file.content)
            if file.mode:
                os.fchmod(output.fileno(), file.mode)

    def _make_folder(self, folder: str, path: str, index: int) -> None:
        if folder in self._staged.children:
            return
        if (other := self._staged.owners.get(folder)) is not None:
            raise self._conflict(path, other, index)
        parent, _, name = folder.rpartition("/")
        self._make_folder(parent, path, index)
        if self._staged.volumes.is_root(folder):
            self._stages.add(folder)
        else:
            os.mkdir(self._stages.new(folder))
        self._staged.children[parent].append(name)
        self._staged.children[folder] = []
        self._staged.owners[folder] = index

    def _conflict(self, path: str, other: int, index: int) -> InstallError:
        one, two = (self._staged.dists[at] for at in (other, index))
        also = [each for each, *pair in self._conflicts if pair == [other, index] and each != path]
        return InstallError(
            f"{one.name} {one.version} and {two.name} {two.version} both contain "
            + format_paths([path, *also]),
            hint=f"leave one of them out, or let one win: --allow-overwrite {two.name}",
        )


def format_paths(paths: Sequence[str]) -> str:
    """Return paths as a message names them: all of a few, else the first ones."""
    named, more = paths[:_MAX_NAMED], len(paths) - _MAX_NAMED
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _link_or_copy(source: str, target: str, *, copy: bool) -> None:
    if not copy:
        try:
            os.link(source, target)
        except FileExistsError:
            raise
        except OSError:
            pass  # Another file system, one without hardlinks, or too many links.
        else:
            return
    shutil.copy2(source, target)
