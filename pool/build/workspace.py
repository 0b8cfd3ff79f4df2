"""The folders in which builds run, and the way of a wheel out of them.

Each run has one folder below the cache (so that build environments can be hardlinked), locked
while the run lives. Each build has a place in it with the unpacked source, the environment, and
an empty folder for the wheel; it is removed when the build was good and kept when it failed.
What a killed run left behind is swept away by a later one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pool.common.errors import OutputError, os_error_text

if TYPE_CHECKING:
    from pathlib import Path

    from pool.common.model import BuildId, RunId

__all__ = ["BuildDir", "RunWorkspace", "check_out_dir", "copy", "publish"]

_KEPT = ".kept"
KEEP_SECONDS = 7 * 24 * 3600.0
"""How long the places of failed builds are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildDir:
    """One build's own folder."""

    root: Path

    @property
    def source(self) -> Path:
        """Where an archive is unpacked, or a tree copied."""
        return self.root / "src"

    @property
    def environment(self) -> Path:
        """The build environment."""
        return self.root / "env"

    @property
    def wheels(self) -> Path:
        """Where the backend puts its wheel."""
        return self.root / "out"

    def make(self) -> None:
        """Make the folder, and the empty one for the wheel."""
        self.wheels.mkdir(parents=True)

    def discard(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.root, ignore_errors=True)

    def keep(self) -> None:
        """Leave it for the user to look at."""
        (self.root / _KEPT).touch()


class RunWorkspace:
    """The folder of one run; `close` it at the end."""

    def __init__(self, cache_dir: Path, run: RunId) -> None:
        self.root = cache_dir / "builds" / run
        # Locked before it has its name: a sweep of another run must not find it without its owner.
        unborn = self.root.with_name(f".{run}")
        unborn.mkdir(parents=True)
        self._fd = os.open(unborn, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        unborn.rename(self.root)

    def build_dir(self, build: BuildId) -> BuildDir:
        """Return where one build's folder is; `BuildDir.make` makes it."""
        return BuildDir(root=self.root / build)

    def close(self) -> None:
        """Let go of the run's folder; it stays where a failed build is kept in it."""
        _remove_if_empty(self.root)
        os.close(self._fd)

    def sweep(self) -> None:
        """Remove what dead runs left: all of a killed one, and failures kept for long enough."""
        for folder in self.root.parent.iterdir():
            if folder != self.root and folder.name[0] != "." and (fd := _lock(folder)) is not None:
                _sweep(folder)
                os.close(fd)


def _lock(folder: Path) -> int | None:
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def _sweep(folder: Path) -> None:
    for place in folder.iterdir():
        mark = place / _KEPT
        old = not mark.exists() or mark.stat().st_mtime < time.time() - KEEP_SECONDS  # noqa: TID251 - compared with file times
        if old:
            shutil.rmtree(place, ignore_errors=True)
    _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as problem:
        if problem.errno not in (errno.ENOTEMPTY, errno.ENOENT, errno.EEXIST):
            raise


def check_out_dir(out_dir: Path) -> None:
    """Find out before anything starts whether wheels can be put somewhere.

    Raises:
        OutputError: they cannot.
    """
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out_dir):
            pass
    except OSError as problem:
        reason = os_error_text(problem)
        raise OutputError(
            f"{out_dir}: wheels cannot be put there: {reason}",
            hint="choose another folder with --out-dir",
        ) from problem


def publish(wheel: Path, out_dir: Path) -> Path:
    """Put a finished wheel where the user looks, whole or not at all; an older one is replaced.

    Raises:
        OSError: no space, no permission; nothing is left in ``out_dir`` then.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    final = out_dir / wheel.name
    try:
        wheel.replace(final)
    except OSError as problem:
        if problem.errno != errno.EXDEV:
            raise
        _copy_then_rename(wheel, final)
    return final


def copy(wheel: Path, out_dir: Path) -> Path:
    """Put a copy of a wheel where the user looks, whole or not at all.

    Raises:
        OSError: no space, no permission; nothing is left in ``out_dir`` then.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    final = out_dir / wheel.name
    # It may be there already, as the very file that is to be copied.
    if not (final.exists() and final.samefile(wheel)):
        _copy_then_rename(wheel, final)
    return final


def _copy_then_rename(wheel: Path, final: Path) -> None:
    temporary = final.with_name(f".{wheel.name}.{os.getpid()}.tmp")
    try:
        shutil.copyfile(wheel, temporary)
        temporary.replace(final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
