"""Which installed distribution owns which file, as RECORDs say.

A file that a replaced version shares with a distribution that remains is owned by the latter: the
transaction must not remove it.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from pool.common.errors import InstallError
from pool.common.files import walk_folders
from pool.install.environment_files import is_environment_file
from pool.install.installed import scan_distributions
from pool.install.staging import is_bytecode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pool.install.environment import TargetEnvironment
    from pool.install.installed import InstalledDistribution
    from pool.install.layout import EnvPaths
    from pool.install.records import Records
    from pool.install.staging import StagedDist

__all__ = ["Ownership", "bytecode_source"]


class Ownership:
    """The owners of files in an environment, when this was created. Read-only.

    Args:
        env: the environment.
        paths: its paths.
        records: its RECORDs.
        dists: the distributions to install or remove.

    Raises:
        InstallError: the files of an old version are unknown.
    """

    def __init__(
        self, env: TargetEnvironment, paths: EnvPaths, records: Records, dists: Sequence[StagedDist]
    ) -> None:
        self._paths = paths
        self._records = records
        index_of = {dist.name: index for index, dist in enumerate(dists)}
        installed = scan_distributions(env.layout)
        self.replaced = [(index_of[dist.name], dist) for dist in installed if dist.name in index_of]
        """The old versions, each with the index of the distribution that replaces it."""
        self._remaining = [dist for dist in installed if dist.name not in index_of]
        self.old_info_dirs = {paths.relative(dist.info_dir) for _, dist in self.replaced}
        """The metadata folders of old versions."""
        self.old_files: dict[str, int] = {}
        """The files of old versions, each with the index of its distribution."""
        self.notes: list[str] = []
        """Sentences about old versions, for the user."""
        self.old_children: dict[str, set[str]] = {}
        """The names that old versions have in each folder."""
        for index, dist in self.replaced:
            for path in self._files_of(dist):
                if path not in self.other_owners and not self._is_protected(path):
                    self._add_file(path, index)

    def _is_protected(self, path: str) -> bool:
        return is_environment_file(path, self._paths.schemes["scripts"])

    def is_old(self, path: str) -> bool:
        """Tell whether a file belongs to an old version, or is bytecode of such a file."""
        return path in self.old_files or (
            is_bytecode(path) and bytecode_source(path) in self.old_files
        )

    def position(self, path: str) -> int:
        """Return the index of the distribution whose old version owns a file or folder."""
        while path in self.old_children:
            path = f"{path}/{min(self.old_children[path])}"
        return self.old_files[path if path in self.old_files else bytecode_source(path)]

    @cached_property
    def other_owners(self) -> dict[str, str]:
        """The files of remaining distributions, each with its owner as ``name version``."""
        return {
            path: f"{dist.name} {dist.version}"
            for dist in self._remaining
            for path in self._records.files_of(dist) or ()
        }

    def _files_of(self, dist: InstalledDistribution) -> Iterator[str]:
        recorded = self._records.files_of(dist)
        yield from self._unlisted_files(dist) if recorded is None else recorded
        if dist.kind != "dist-info":
            yield from (f"{self._paths.schemes['scripts']}/{name}" for name in dist.scripts)
        # Every file in the metadata folder belongs to it, recorded or not.
        yield from self._files_below(str(dist.info_dir))

    def _unlisted_files(self, dist: InstalledDistribution) -> Iterator[str]:
        """Yield the files of the modules and packages that a distribution says it has, as pip."""
        if dist.kind != "egg-info" or not dist.info_dir.is_dir():
            raise InstallError(
                f"{dist.name} {dist.version} cannot be replaced: it was installed without a "
                f"RECORD, so its files are unknown ({dist.info_dir})",
                hint="uninstall it with the tool that installed it, or use a fresh environment",
            )
        # A namespace of several distributions is not removed with one of them.
        shared = set[str]().union(*(other.top_level for other in self._remaining))
        names = dist.top_level - shared
        if not names:
            note = "has no list of its files: only its metadata was removed"
            self.notes.append(f"{dist.name} {dist.version} {note} ({dist.info_dir})")
        for name in names:
            path = str(dist.info_dir.parent / name)
            files = [path] if os.path.islink(path) else [f"{path}.py", f"{path}.pyc", f"{path}.pyo"]
            yield from filter(None, map(self._paths.normalize, files))
            yield from self._files_below(path)

    def _files_below(self, root: str) -> Iterator[str]:
        for folder, _, names in walk_folders(root) if not os.path.islink(root) else ():
            for name in names:
                if path := self._paths.normalize(os.path.join(folder, name)):
                    yield path

    def _add_file(self, path: str, index: int) -> None:
        self.old_files.setdefault(path, index)
        while path:
            path, _, name = path.rpartition("/")
            names = self.old_children.setdefault(path, set())
            if name in names:
                return
            names.add(name)


def bytecode_source(bytecode: str) -> str:
    """Return the path of the module that a bytecode file was compiled from (PEP 3147)."""
    folder, _, name = bytecode.rpartition("/")
    parent, _, cache = folder.rpartition("/")
    if cache != "__pycache__":
        return bytecode[:-1]
    stem = name.rpartition(".")[0]
    if ".opt-" in stem:
        stem = stem.rpartition(".")[0]
    return f"{parent}/{stem.rpartition('.')[0]}.py"
