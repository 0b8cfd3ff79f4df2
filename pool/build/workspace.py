"""The folders in which builds run, and the publication of wheels from them.

Each run has one folder below the cache, so that build environments can be hardlinked. It is locked
while the run lives. Each build has a folder in it with the unpacked source, the environment, and
an empty folder for the wheel. The folder is removed if the build succeeded and kept if it failed.
Later runs remove the folders of killed runs.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import time
from typing import TYPE_CHECKING

from pool.common.cache_layout import CacheLayout
from pool.common.errors import OutputError, ProjectError, os_error_text
from pool.common.files import copy_into, move_into, remove_tree
from pool.common.record import Record
from pool.system.locks.run_folder import RunFolderLock, abandoned_folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pool.build.job import BuildJob, BuildRequest
    from pool.common.model import BuildId, RunId

__all__ = [
    "BuildDir",
    "PublishedWheels",
    "RunWorkspace",
    "check_out_dir",
    "find_full_folders",
    "sweep_workspaces",
]

_MARKER = ".made"
"""A file in the folder of a build: it is missing if something has begun to remove the folder."""
_KEEP_MARKER = ".kept"
"""A file in the folder of a failed build; its time is the end of the build."""
_FULL_BYTES = 64 << 10
"""A file system with less free space is called full: the rest can be smaller than a block."""
KEEP_SECONDS = 7 * 24 * 3600.0
"""How long the folders of failed builds are kept."""


class BuildDir(Record, frozen=True, kw_only=True):
    """The folder of one build."""

    root: Path

    @property
    def source(self) -> Path:
        """The folder for an unpacked archive, a checkout, or a copied tree."""
        return self.root / "src"

    @property
    def environment(self) -> Path:
        """The build environment."""
        return self.root / "env"

    @property
    def wheels(self) -> Path:
        """The folder to which the backend writes its wheel."""
        return self.root / "out"

    @property
    def temporary(self) -> Path:
        """The folder for temporary files of its hooks."""
        return self.root / "tmp"

    @property
    def reads(self) -> Path:
        """The record of what the build reads."""
        return self.root / "reads"

    def make(self) -> None:
        """Create the folder, and the empty one for the wheel, unless they exist."""
        self.wheels.mkdir(parents=True, exist_ok=True)
        (self.root / _MARKER).touch()

    def check(self) -> None:
        """Check that the folder was not removed, and perhaps made again in part, since `make`.

        Raises:
            FileNotFoundError: it was, so a wheel that was made in it may lack files.
        """
        (self.root / _MARKER).stat()

    def discard(self) -> None:
        """Remove the folder and its contents."""
        remove_tree(self.root)

    def keep(self) -> None:
        """Mark the folder of a failed build, so that sweeps keep it for the user."""
        (self.root / _KEEP_MARKER).touch()


class RunWorkspace:
    """The folder of one run; `close` it at the end."""

    def __init__(self, cache_dir: Path, run: RunId) -> None:
        self.cache_dir = cache_dir
        self.root = CacheLayout(cache_dir).builds / run
        self._lock = RunFolderLock.create(self.root)

    def build_dir(self, build: BuildId) -> BuildDir:
        """Return the folder of one build, which `BuildDir.make` creates."""
        return BuildDir(root=self.root / build)

    def restore(self) -> None:
        """Make the folder again if the user has removed the cache.

        Raises:
            OSError: no space, no permission.
        """
        if not self.root.exists():
            self._lock.release()
            self._lock = RunFolderLock.create(self.root)

    def is_removed(self, build_dir: BuildDir, problem: BaseException) -> bool:
        """Return whether a build has failed because the user has removed the cache; blocks.

        Args:
            build_dir: the folder of the build.
            problem: the failure.
        """
        try:
            build_dir.check()
        except FileNotFoundError:
            return True
        return any(path.startswith(f"{self.cache_dir}/") for path in _missing_files(problem))

    def close(self) -> None:
        """Unlock the run's folder; remove it unless a failed build is kept in it."""
        _remove_if_empty(self.root)
        self._lock.release()


def _missing_files(problem: BaseException | None) -> Iterator[str]:
    seen = set[int]()
    while problem is not None and id(problem) not in seen:
        seen.add(id(problem))
        if isinstance(problem, FileNotFoundError):
            yield from (str(name) for name in (problem.filename, problem.filename2) if name)
        problem = problem.__cause__ or problem.__context__


class PublishedWheels:
    """The published wheels of one run; its methods block and may be called from any thread.

    Two builds of one run can make wheels of one name. If their content differs, one of them would
    be lost, so the second build fails.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[str, tuple[BuildRequest, str, str]] = {}
        """By file name: the request, the title of the build, the digest."""

    def move(self, wheel: Path, folder: Path, job: BuildJob, sha256: str) -> tuple[Path, str]:
        """Move a wheel into the output folder.

        Returns:
            Its new path, and a note for the user; empty if there is none.

        Raises:
            ProjectError: another build has published a different wheel of this name.
            OSError: no space, no permission.
        """
        note = self._claim(wheel.name, job, sha256)
        return move_into(wheel, folder), note

    def copy(self, wheel: Path, folder: Path, job: BuildJob, sha256: str) -> tuple[Path, str]:
        """Copy a wheel into the output folder, as `move` does."""
        note = self._claim(wheel.name, job, sha256)
        return copy_into(wheel, folder), note

    def _claim(self, filename: str, job: BuildJob, sha256: str) -> str:
        """Take a file name for a request; its retries may take it again."""
        with self._lock:
            claim = self._claims.setdefault(filename, (job.request, job.title, sha256))
            request, title, digest = claim
            if request is job.request:
                self._claims[filename] = (request, title, sha256)
                return ""
        if digest == sha256:
            return f"{title} has made the same {filename}"
        raise ProjectError(
            f"{title} has made another {filename} in this run",
            hint="build them in runs of their own, with different folders (--out-dir)",
        )


def sweep_workspaces(cache_dir: Path) -> None:
    """Remove build folders of ended runs, except failures of the last `KEEP_SECONDS`."""
    for lock in abandoned_folders(CacheLayout(cache_dir).builds):
        with lock:
            _sweep(lock.folder)


def _sweep(folder: Path) -> None:
    oldest = time.time() - KEEP_SECONDS  # noqa: TID251 - compared with file times
    for build_dir in folder.iterdir():
        marker = build_dir / _KEEP_MARKER
        if not marker.exists() or marker.stat().st_mtime < oldest:
            remove_tree(build_dir)
    _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as problem:
        if problem.errno not in (errno.ENOTEMPTY, errno.ENOENT, errno.EEXIST):
            raise


def find_full_folders(folders: Iterable[Path]) -> list[Path]:
    """Return those of the folders that have no space left, each once."""
    return [folder for folder in dict.fromkeys(folders) if _is_full(folder)]


def _is_full(folder: Path) -> bool:
    try:
        status = os.statvfs(folder)
    except OSError:
        return False
    # Some file systems have no fixed number of inodes.
    has_no_inodes = status.f_files > 0 and status.f_favail == 0
    return has_no_inodes or status.f_bavail * status.f_frsize < _FULL_BYTES


def check_out_dir(out_dir: Path) -> None:
    """Create the output folder and check that files can be created in it.

    Raises:
        OutputError: the folder cannot be created or written to.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out_dir):
            pass
    except OSError as problem:
        reason = os_error_text(problem)
        raise OutputError(
            f"{out_dir}: cannot write wheels there: {reason}",
            hint="choose another folder with --out-dir",
        ) from problem
