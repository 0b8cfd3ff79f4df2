"""Whose files are whose in an environment: the old versions that go, and everybody else.

A file that the old version shares with a distribution that stays is not its to give away.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from pool.common.errors import InstallError
from pool.install.installed import all_installed
from pool.install.staging import is_bytecode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pool.install.env_paths import EnvPaths
    from pool.install.environment import TargetEnvironment
    from pool.install.installed import Installed
    from pool.install.records import Records
    from pool.install.staging import StagedDist

__all__ = ["Ownership", "source_of"]


class Ownership:
    """Who has which file, at the moment that this is made.

    Args:
        env: read, never written.
        root: its paths.
        records: of its distributions.
        parts: what is to be installed or removed.

    Raises:
        InstallError: an old version has no RECORD, so that nobody knows its files.
    """

    def __init__(
        self, env: TargetEnvironment, root: EnvPaths, records: Records, parts: Sequence[StagedDist]
    ) -> None:
        self._root = root
        self._records = records
        position = {part.name: index for index, part in enumerate(parts)}
        everyone = all_installed(env.layout)
        self.going = [(position[one.name], one) for one in everyone if one.name in position]
        """The old versions, each with the position of its part."""
        self._staying = [one for one in everyone if one.name not in position]
        self.infos = {root.of(one.info_dir): index for index, one in self.going}
        """By metadata folder of an old version: the position of its part."""
        self.old: dict[str, int] = {}
        """By file of an old version: the position of its part."""
        self.children: dict[str, set[str]] = {}
        """By folder: what old versions have in it."""
        for index, one in self.going:
            for path in self._files(one):
                if path not in self.others:
                    self._add(path, index)

    def is_old(self, path: str) -> bool:
        """Return whether a file is an old version's, or compiled from one that is."""
        return path in self.old or (is_bytecode(path) and source_of(path) in self.old)

    def position(self, path: str) -> int:
        """Return the position of the part whose old version has a file, or one in a folder."""
        while path in self.children:
            path = f"{path}/{min(self.children[path])}"
        return self.old[path if path in self.old else source_of(path)]

    @cached_property
    def others(self) -> dict[str, str]:
        """By file of a distribution that stays: who that is."""
        return {
            path: f"{one.name} {one.version}"
            for one in self._staying
            for path in self._records.of(one) or ()
        }

    def _files(self, one: Installed) -> Iterator[str]:
        if (recorded := self._records.of(one)) is None:
            raise InstallError(
                f"{one.name} {one.version} cannot be replaced: it was installed without a RECORD, "
                f"so nobody knows its files ({one.info_dir})",
                hint="remove it with what installed it, or use a fresh environment",
            )
        yield from recorded
        # All in there is its own, whoever wrote it.
        for folder, _, names in os.walk(one.info_dir):
            for name in names:
                if path := self._root.file(os.path.join(folder, name)):
                    yield path

    def _add(self, path: str, index: int) -> None:
        self.old.setdefault(path, index)
        while path:
            path, _, name = path.rpartition("/")
            names = self.children.setdefault(path, set())
            if name in names:
                return
            names.add(name)


def source_of(bytecode: str) -> str:
    """Return the module that a file of bytecode is compiled from (PEP 3147)."""
    folder, _, name = bytecode.rpartition("/")
    parent, _, cache = folder.rpartition("/")
    if cache != "__pycache__":
        return bytecode[:-1]
    stem = name.rpartition(".")[0]
    if ".opt-" in stem:
        stem = stem.rpartition(".")[0]
    return f"{parent}/{stem.rpartition('.')[0]}.py"
