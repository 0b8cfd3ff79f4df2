"""What the RECORDs of an environment list, as paths of its `EnvPaths`.

They are read ahead, without the environment's lock; under it only those that changed since.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pool.install.installed import all_installed

if TYPE_CHECKING:
    from collections.abc import Collection

    from packaging.utils import NormalizedName

    from pool.install.env_paths import EnvPaths
    from pool.install.installed import Installed
    from pool.system.interpreter import Layout

__all__ = ["Records"]


class Records:
    """The files of distributions; each RECORD is read once, and again when it is another.

    Args:
        root: paths of the environment.
    """

    def __init__(self, root: EnvPaths) -> None:
        self._root = root
        self._known: dict[Installed, tuple[tuple[int, int, int], tuple[str, ...]]] = {}

    def of(self, one: Installed) -> tuple[str, ...] | None:
        """Return a distribution's files, without those outside; None if it has no RECORD."""
        try:
            status = os.stat(f"{one.info_dir}/RECORD")
        except OSError:
            return None
        now = status.st_ino, status.st_mtime_ns, status.st_size
        known = self._known.get(one)
        if known is None or known[0] != now:
            library = self._root.of(one.info_dir.parent)
            paths = (self._root.file(row, library) for row in one.record or ())
            known = self._known[one] = now, tuple(path for path in paths if path)
        return known[1]

    def read_ahead(self, layout: Layout, names: Collection[NormalizedName]) -> None:
        """Read all if one of these is there: what replaces it must keep off everybody else's."""
        everyone = all_installed(layout)
        if any(one.name in names for one in everyone):
            for one in everyone:
                self.of(one)
