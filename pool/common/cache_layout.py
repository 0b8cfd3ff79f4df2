"""Names of the folders in the cache; every owner of a folder takes its path from here.

The module lies in `pool.common` because sources, which are below `pool.cache`, have folders there,
too. A number at the end of a name changes with the format of the content: older and newer versions
of wheelpool then use the same cache without reading each other's files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.common.record import Record

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["CacheLayout"]


class CacheLayout(Record, frozen=True):
    """The paths in one cache; none of them need exist."""

    root: Path

    @property
    def lock_file(self) -> Path:
        """Locked shared by each run, exclusively by ``cache prune``."""
        return self.root / ".lock"

    @property
    def _built(self) -> Path:
        return self.root / "built-1"

    @property
    def built_wheels(self) -> Path:
        """Wheels of earlier builds, in a folder named by their digest."""
        return self._built / "wheels"

    @property
    def wheel_keys(self) -> Path:
        """By final digest of a cache key: which wheel was built."""
        return self._built / "keys"

    @property
    def hook_requires(self) -> Path:
        """By digest of a cache key: the result of get_requires_for_build_wheel (PEP 517)."""
        return self._built / "asked"

    @property
    def projects(self) -> Path:
        """By hash of a fingerprint: the [project] and [build-system] tables of a source."""
        return self._built / "projects"

    @property
    def interpreters(self) -> Path:
        """By digest of all that decides them: the facts of wheelpool's own interpreter."""
        return self._built / "interpreters"

    @property
    def resolutions(self) -> Path:
        """By digest of requirements, interpreter and indexes: the files that were selected."""
        return self._built / "resolved"

    @property
    def build_locks(self) -> Path:
        """By digest of a cache key: the lock that is held during the build."""
        return self._built / "locks"

    @property
    def environment_notes(self) -> Path:
        """By hash of a project's name: that its builds change their environments."""
        return self._built / "changing"

    @property
    def downloads(self) -> Path:
        """Files from indexes and URLs, in a folder named by their digest."""
        return self.root / "files"

    @property
    def unpacked_wheels(self) -> Path:
        """By interpreter: wheels of build requirements, unpacked and compiled."""
        return self.root / "wheels"

    @property
    def environments(self) -> Path:
        """By hash of their content: build environments, shared by builds."""
        return self.root / "environments-1"

    @property
    def index_pages(self) -> Path:
        """Parsed project pages of indexes."""
        return self.root / "pages-2"

    @property
    def git(self) -> Path:
        """Bare git repositories."""
        return self.root / "git"

    @property
    def shims(self) -> Path:
        """Scripts that build tools find on PATH in place of make, ninja and the like."""
        return self.root / "shims"

    @property
    def templates(self) -> Path:
        """By interpreter: virtual environments without packages, for template processes."""
        return self.root / "templates"

    @property
    def builds(self) -> Path:
        """By run: the folders of its builds."""
        return self.root / "builds"
