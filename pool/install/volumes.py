"""The volumes of an environment: folders that a rename from its prefix does not reach.

Such a folder is a mount point (also of the same file system: a rename does not cross mounts), a
subvolume with a device number of its own, or a link out of the environment in the place of a folder
of a scheme. Each installation has a folder on each volume that it changes, so that a transaction
is made of renames alone. Read-only, but for those folders.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pool.common.files import remove_tree
from pool.install.environment_files import STAGING_DIR

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pool.install.layout import EnvPaths

__all__ = ["Stages", "Volumes", "is_root_path", "read_roots"]

_ROOTS_FILE = "volumes.jsonl"
"""The file in the folder of an installation that names the volumes with more of its files."""
_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(rb"\\([0-7]{3})")


class Volumes:
    """The volumes of an environment, as they are now.

    Args:
        paths: its paths.
    """

    def __init__(self, paths: EnvPaths) -> None:
        self._paths = paths
        self._roots = {*paths.linked_folders, *map(paths.relative_to_prefix, _mount_points())}
        self._devices: dict[str, int | None] = {}

    def is_root(self, folder: str) -> bool:
        """Tell whether a folder, relative to the prefix, is the topmost one of a volume."""
        if folder in self._roots:
            return True
        device, above = self._device(folder), self._device(folder.rpartition("/")[0])
        return device is not None and above is not None and device != above

    def _device(self, folder: str) -> int | None:
        if folder not in self._devices:
            self._devices[folder] = None
            with suppress(OSError):
                is_linked = folder in self._paths.linked_folders
                status = os.stat(self._paths.absolute(folder), follow_symlinks=is_linked)
                self._devices[folder] = status.st_dev
        return self._devices[folder]


class Stages:
    """The folders of one installation: one in the prefix, and one on each other volume.

    Each has the files to install in ``new``, and the replaced ones in ``old``.

    Args:
        folder: the one in the prefix.
        roots: the topmost folders of the other volumes, relative to the prefix.
    """

    def __init__(self, folder: Path, roots: Iterable[str] = ()) -> None:
        self._folder = folder
        self._prefix = str(folder.parent.parent)
        self._roots = dict.fromkeys(roots)
        self._root_of = {"": ""}

    @property
    def roots(self) -> tuple[str, ...]:
        """The topmost folders of the other volumes."""
        return tuple(self._roots)

    def new(self, path: str) -> str:
        """Return the staged file or folder for a path of the environment."""
        root = self._find_root(path)
        return f"{self.folder_of(root)}/new/{path[len(root) :].lstrip('/')}"

    def old(self, path: str, number: int) -> str:
        """Return where a step puts what it replaces at a path of the environment."""
        return f"{self.folder_of(self._find_root(path))}/old/{number}"

    def folder_of(self, root: str) -> str:
        """Return the folder of the installation on a volume; that of the prefix for ``""``."""
        if not root:
            return str(self._folder)
        return f"{self._prefix}/{root}/{STAGING_DIR}/{self._folder.name}"

    def add(self, root: str) -> None:
        """Make the folder of the installation on another volume.

        It is recorded first, so that the next installation finds it after a kill.

        Raises:
            OSError: no space, no permission.
        """
        if root in self._roots:
            return
        with open(self._folder / _ROOTS_FILE, "ab") as file:
            file.write(msgspec.json.encode(root) + b"\n")
        folder = Path(self.folder_of(root))
        with suppress(FileExistsError):
            folder.parent.mkdir()
        folder.mkdir(0o700)
        self.make_folders(root)
        self._roots[root] = None
        self._root_of = {"": ""}

    def make_folders(self, root: str = "") -> None:
        """Make the folders for new and for replaced files on a volume."""
        for name in ("new", "old"):
            os.mkdir(f"{self.folder_of(root)}/{name}")

    def missing(self) -> str | None:
        """Return a folder of the installation that is not there: its volume is not mounted."""
        folders = map(self.folder_of, self._roots)
        return next((folder for folder in folders if not os.path.isdir(folder)), None)

    def remove(self) -> None:
        """Remove the folders; that of the prefix last, as it names the others."""
        for root in self._roots:
            folder = Path(self.folder_of(root))
            remove_tree(folder)
            with suppress(OSError):  # Other installations use it.
                folder.parent.rmdir()
        remove_tree(self._folder)

    def _find_root(self, path: str) -> str:
        """Return the topmost folder of the volume that has the name of a file or folder."""
        folder = path.rpartition("/")[0]
        if folder not in self._root_of:
            self._root_of[folder] = folder if folder in self._roots else self._find_root(folder)
        return self._root_of[folder]


def read_roots(folder: Path, paths: EnvPaths) -> list[str]:
    """Return the roots of volumes that the folder of an installation names.

    A line that the process was killed in is left out: its folder was not made.
    """
    roots: list[str] = []
    with suppress(OSError):
        for line in (folder / _ROOTS_FILE).read_bytes().splitlines():
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                roots.append(msgspec.json.decode(line, type=str))
    return [root for root in roots if is_root_path(root, paths)]


def is_root_path(root: str, paths: EnvPaths) -> bool:
    """Tell whether a text is a path of a folder in the environment."""
    return "\0" not in root and paths.normalize(f"{root}/x") == f"{root}/x"


def _mount_points() -> list[str]:
    """Return the mount points of this process; none where the system does not list them."""
    with suppress(OSError):
        lines = _MOUNTS.read_bytes().splitlines()
        return [os.fsdecode(_ESCAPE.sub(_unescape, line.split(b" ")[4])) for line in lines]
    return []


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8)])
