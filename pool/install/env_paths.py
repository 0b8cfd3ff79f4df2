"""Paths in an environment: relative to its folder, links in them followed, never outside of it.

So a file has one name, however a wheel or a RECORD spells it (``lib64`` is a link to ``lib``).
"""

from __future__ import annotations

import os
import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pool.system.interpreter import Layout

__all__ = ["EnvPaths"]


class EnvPaths:
    """The folder of one environment; what links it has is remembered, so make one per use.

    Args:
        layout: of the environment.
    """

    def __init__(self, layout: Layout) -> None:
        self.path = os.path.realpath(layout.prefix)
        self._known = {"": ""}
        self.schemes = {
            name: self.of(getattr(layout, name))
            for name in ("purelib", "platlib", "scripts", "data", "headers")
        }
        """Where the files of a scheme go."""
        kept = [self.schemes[name] for name in ("purelib", "platlib", "scripts")]
        self.fixed = frozenset(
            "/".join(folder.split("/")[:depth])
            for folder in [*kept, "include"]
            for depth in range(folder.count("/") + 2)
        )
        """Folders that are the environment's own: filled, never renamed or removed."""

    def of(self, path: Path) -> str:
        """Return a folder of the environment, relative."""
        relative = os.path.relpath(os.path.realpath(path), self.path)
        return "" if relative == "." else relative

    def absolute(self, path: str) -> str:
        """Return a path as the system takes it."""
        return f"{self.path}/{path}"

    def file(self, path: str, base: str = "") -> str | None:
        """Return the one name of a file; None if it would be outside.

        Args:
            path: as RECORD has it, relative to ``base`` or absolute.
            base: a folder, relative.
        """
        if path[:1] == "/":
            path = os.path.relpath(path, self.path)
        elif base:
            path = f"{base}/{path}"
        if ".." in path or "//" in path or "./" in path:
            path = posixpath.normpath(path)
        folder, _, name = path.rpartition("/")
        if name in ("", ".", "..") or path.startswith("../"):
            return None
        followed = self._followed(folder)
        return None if followed is None else f"{followed}/{name}".lstrip("/")

    def _followed(self, folder: str) -> str | None:
        if folder not in self._known:
            parent, _, name = folder.rpartition("/")
            above = self._followed(parent)
            if above is None:
                return None
            path = f"{above}/{name}".lstrip("/")
            if os.path.islink(self.absolute(path)):
                path = os.path.relpath(os.path.realpath(self.absolute(path)), self.path)
                if path == ".." or path.startswith("../"):
                    return None
                path = "" if path == "." else path
            self._known[folder] = path
        return self._known[folder]
