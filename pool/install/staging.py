"""What is to be in an environment, laid out beside it: files linked, written, ready to be renamed.

A folder per installation, ``<prefix>/.wheelpool/<name>``, on the environment's file system. Its
process holds a ``flock`` on it for as long as it lives, so that others can tell remains from work.
Nothing here looks at what is installed, or changes it: no lock of the environment is needed.
"""

from __future__ import annotations

import fcntl
import filecmp
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName, canonicalize_name

from pool.common.errors import InstallError, os_error_text
from pool.common.files import remove_tree
from pool.install.env_paths import EnvPaths
from pool.install.layout import lay_out
from pool.install.records import Records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pool.install.environment import TargetEnvironment
    from pool.install.layout import File, WheelLayout, WheelToInstall

__all__ = ["HOME", "PLAN", "Staged", "StagedDist", "discard", "is_bytecode", "stage"]

HOME = ".wheelpool"
"""The folder in an environment that has one for each installation."""

PLAN = "plan.json"
"""In such a folder: what is being done and must be finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedDist:
    """One distribution of a set: to be installed, or only removed."""

    name: NormalizedName
    version: str | None
    """None if it is to be removed."""
    info_dir: str = ""
    """Where its metadata will be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """A set of distributions that is ready; `discard` it when it is committed, or not wanted."""

    env: TargetEnvironment
    folder: Path
    fd: int
    """Holds the lock of ``folder``."""
    parts: tuple[StagedDist, ...]
    records: Records
    """Of what was installed before."""
    children: dict[str, list[str]] = field(default_factory=lambda: {"": []})
    """By folder, relative to the environment: the names in it."""
    owners: dict[str, int] = field(default_factory=dict)
    """By path, of folders as well as files: the first part that has it, by position."""


def stage(
    env: TargetEnvironment,
    items: Sequence[WheelToInstall],
    *,
    remove: Iterable[NormalizedName] = (),
    copy: bool = False,
) -> Staged:
    """Lay out a set of distributions beside an environment.

    Args:
        env: where they will go.
        items: one for each distribution, in the order in which they are to be put in place.
        remove: distributions to be removed by the same commit.
        copy: copy files in place of linking them to those of the store.

    Raises:
        InstallError: two bring the same file, one would write outside of the environment, or
            there is no space or no permission.
    """
    try:
        return _staged(env, items, remove, copy=copy)
    except OSError as problem:
        reason = os_error_text(problem, path=True)
        raise InstallError(f"cannot install into {env.prefix}: {reason}") from problem


def discard(staged: Staged) -> None:
    """Remove what is left of a set: after its commit that is the old version of everything.

    What a commit could neither finish nor take back stays, for `recover`.
    """
    if not (staged.folder / PLAN).exists():
        remove_tree(staged.folder)
    os.close(staged.fd)
    with suppress(OSError):  # Others are at work in it.
        staged.folder.parent.rmdir()


def is_bytecode(path: str) -> bool:
    """Return whether a file is compiled from another one."""
    return path.endswith((".pyc", ".pyo"))


def _staged(
    env: TargetEnvironment,
    items: Sequence[WheelToInstall],
    remove: Iterable[NormalizedName],
    *,
    copy: bool,
) -> Staged:
    root = EnvPaths(env.layout)
    laid = [lay_out(item, env, root) for item in items]
    parts = [_part(item, files) for item, files in zip(items, laid, strict=True)]
    parts += [StagedDist(name=canonicalize_name(name), version=None) for name in remove]
    folder, fd = _folder(Path(root.path))
    staged = Staged(env=env, folder=folder, fd=fd, parts=tuple(parts), records=Records(root))
    try:
        staged.records.read_ahead(env.layout, {part.name for part in parts})
        _Layer(staged, copy=copy).add(laid)
    except BaseException:
        discard(staged)
        raise
    return staged


def _part(item: WheelToInstall, laid: WheelLayout) -> StagedDist:
    return StagedDist(
        name=canonicalize_name(item.wheel.name),
        version=item.wheel.version,
        info_dir=laid.info_dir,
    )


def _folder(prefix: Path) -> tuple[Path, int]:
    """Make a folder that is locked from the moment it has its name."""
    home = prefix / HOME
    while True:
        with suppress(FileExistsError):  # Not `exist_ok`: that looks again, and it may be gone.
            home.mkdir()
        with suppress(FileNotFoundError):  # Somebody tidied up just now.
            temporary = Path(tempfile.mkdtemp(dir=home, prefix="."))
            fd = os.open(temporary, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                return temporary.rename(home / temporary.name[1:]), fd
            except BaseException:
                os.close(fd)
                raise


class _Layer:
    """Puts the files of one part after the other into the folder of a set."""

    def __init__(self, staged: Staged, *, copy: bool) -> None:
        self._staged = staged
        self._copy = copy
        self._root = f"{staged.folder}/new"
        os.mkdir(self._root)
        os.mkdir(f"{staged.folder}/old")

    def add(self, laid: Iterable[WheelLayout]) -> None:
        for index, part in enumerate(laid):
            for path, file in part.files.items():
                if not self._known(path, file, index):
                    self._place(path, file, index)

    def _known(self, path: str, file: File, index: int) -> bool:
        """Return whether another part brings the very same file."""
        other = self._staged.owners.get(path)
        if other is None:
            return False
        if path in self._staged.children or not self._same(path, file):
            raise self._conflict(path, other, index)
        return True

    def _same(self, path: str, file: File) -> bool:
        if is_bytecode(path):
            return True  # Their sources are compared.
        placed = Path(self._root, path)
        if file.content is not None:
            return placed.read_bytes() == file.content
        return filecmp.cmp(placed, file.source, shallow=False)

    def _place(self, path: str, file: File, index: int) -> None:
        folder, _, name = path.rpartition("/")
        self._make(folder, path, index)
        self._staged.children[folder].append(name)
        self._staged.owners[path] = index
        target = f"{self._root}/{path}"
        if file.content is None:
            _link(file.source, target, copy=self._copy)
            return
        with open(target, "xb") as written:
            written.write(file.content)
            if file.mode:
                os.fchmod(written.fileno(), file.mode)

    def _make(self, folder: str, path: str, index: int) -> None:
        if folder in self._staged.children:
            return
        if (other := self._staged.owners.get(folder)) is not None:
            raise self._conflict(path, other, index)
        parent, _, name = folder.rpartition("/")
        self._make(parent, path, index)
        os.mkdir(f"{self._root}/{folder}")
        self._staged.children[parent].append(name)
        self._staged.children[folder] = []
        self._staged.owners[folder] = index

    def _conflict(self, path: str, other: int, index: int) -> InstallError:
        one, two = (self._staged.parts[at] for at in (other, index))
        return InstallError(
            f"{one.name} {one.version} and {two.name} {two.version} both bring {path}",
            hint="they cannot be in one environment; leave one of them out",
        )


def _link(source: str, target: str, *, copy: bool) -> None:
    if not copy:
        try:
            os.link(source, target)
        except FileExistsError:
            raise
        except OSError:
            pass  # Another file system, one without links, or too many of them.
        else:
            return
    shutil.copy2(source, target)
