"""The files that RECORDs of installed distributions list, as paths of `EnvPaths`.

RECORDs are read before the environment's lock is taken; under the lock only those that changed are
read again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pool.install.installed import scan_distributions

if TYPE_CHECKING:
    from collections.abc import Collection

    from packaging.utils import NormalizedName

    from pool.install.installed import InstalledDistribution
    from pool.install.layout import EnvPaths
    from pool.system.interpreter import Layout

__all__ = ["Records"]


class Records:
    """A cache of RECORDs; a RECORD that has changed is read again.

    Args:
        paths: the paths of the environment.
    """

    def __init__(self, paths: EnvPaths) -> None:
        self._paths = paths
        self._cache: dict[InstalledDistribution, tuple[tuple[int, int, int], tuple[str, ...]]] = {}

    def files_of(self, dist: InstalledDistribution) -> tuple[str, ...] | None:
        """Return the files of a distribution that are in the environment; None if unknown."""
        try:
            status = os.stat(dist.record_file)
        except OSError:
            return None
        version = status.st_ino, status.st_mtime_ns, status.st_size
        cached = self._cache.get(dist)
        if cached is None or cached[0] != version:
            library = self._paths.relative(dist.info_dir.parent)
            paths = (self._paths.normalize(row, library) for row in dist.record or ())
            cached = self._cache[dist] = version, tuple(path for path in paths if path)
        return cached[1]

    def preload(self, layout: Layout, names: Collection[NormalizedName]) -> None:
        """Read all RECORDs if one of these distributions is installed.

        A distribution that replaces it must not overwrite files of any other one.
        """
        dists = scan_distributions(layout)
        if any(dist.name in names for dist in dists):
            for dist in dists:
                self.files_of(dist)
