"""Files that appear complete or not at all, and folders that are removed whatever their modes.

Each write goes to a temporary file in the same folder (`NEW_PREFIX`) and is renamed over the final
name, so readers see the old content or the new one. The data is deliberately not synced to disk:
this protects against a killed process, not against a power cut.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pool.common.errors import OutputError, os_error_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

__all__ = [
    "NEW_PREFIX",
    "append_private",
    "atomic_path",
    "atomic_write",
    "copy_into",
    "expand_user",
    "move_into",
    "open_output",
    "open_regular",
    "remove_tree",
]

NEW_PREFIX = ".new-"
"""Begins the name of each temporary file; a killed process can leave one behind."""


def expand_user(text: str) -> Path:
    """Return a path with ``~`` expanded; without a known home folder ``~`` stays, as in a shell."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 - `Path.expanduser` raises then


def append_private(path: Path) -> IO[bytes]:
    """Open a file that only its user can read, to append to it; create it if it is missing."""
    return open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600))


def open_regular(path: Path) -> BufferedReader:
    """Open a file to read it, unless it is a pipe or a device, which could block or never end.

    Raises:
        IsADirectoryError: it is a folder.
        OSError: it is neither, or cannot be opened.
    """
    # Without O_NONBLOCK, opening a FIFO waits for a writer.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(fd, "rb")
    os.close(fd)
    kind = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
    reason = os.strerror(kind) if stat.S_ISDIR(mode) else "Not a regular file"
    raise OSError(kind, reason, str(path))


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; the file made there replaces ``path`` at the end.

    If the block raises, the temporary file is removed and ``path`` stays as it was.
    """
    temporary = path.with_name(f"{NEW_PREFIX}{secrets.token_hex(8)}")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def atomic_write(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Write a whole file; its folder is created if it is missing.

    Args:
        path: the file; an existing one is replaced.
        content: all of it.
        mode: permission bits; None for those of the umask.

    Raises:
        OSError: no space, no permission; an existing file is unchanged then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
        if mode is not None:
            temporary.chmod(mode)


@contextmanager
def open_output(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that the user named for writing; it replaces an older one when the block ends.

    Symbolic links stay and their target is replaced. Terminals, pipes and ``/dev/null`` are
    written directly.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as file:
                yield file
        else:
            with atomic_path(path.resolve()) as temporary, temporary.open("xb") as file:
                yield file
    except OSError as problem:
        raise OutputError(f"{path}: {os_error_text(problem)}") from problem


def move_into(file: Path, folder: Path) -> Path:
    """Move a file into a folder, which is created if it is missing; return its new path.

    Raises:
        OSError: no space, no permission; ``folder`` has no part of the file then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / file.name
    try:
        file.replace(final)
    except OSError as problem:
        if problem.errno != errno.EXDEV:  # EXDEV: a rename does not cross file systems.
            raise
        _copy(file, final)
    return final


def copy_into(file: Path, folder: Path) -> Path:
    """Copy a file into a folder, which is created if it is missing; return the copy's path.

    Raises:
        OSError: no space, no permission; ``folder`` has no part of the file then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / file.name
    # A link in the folder can lead to the very file that is to be copied.
    if not (final.exists() and final.samefile(file)):
        _copy(file, final)
    return final


def _copy(file: Path, final: Path) -> None:
    with atomic_path(final) as temporary:
        shutil.copyfile(file, temporary)


def remove_tree(path: Path) -> list[Path]:
    """Remove a file, or a folder with its content; return the paths that could not be removed.

    A build may leave folders without write or search permission, such as Go's module cache with
    mode 0555. Their owner gets the permission back where the removal needs it. Symbolic links are
    removed, never followed. A missing path is no error.
    """
    if not _is_folder(path):
        with suppress(OSError):
            path.unlink()
    elif not _rmtree(path):
        _restore_folder_modes(path)
        _rmtree(path)
    return list(_walk(path))


def _rmtree(folder: Path) -> bool:
    """Remove a folder; return whether all of it is gone."""
    with suppress(RecursionError):  # Python 3.11 and 3.12 recurse once a level.
        shutil.rmtree(folder, ignore_errors=True)
    return not _is_folder(folder)


def _restore_folder_modes(folder: Path) -> None:
    with suppress(OSError):
        folder.chmod(stat.S_IRWXU)
    with suppress(RecursionError):
        # Names are looked up relative to an open folder, so that no link is followed.
        for _, names, _, fd in os.fwalk(folder):
            for name in names:
                with suppress(OSError):
                    if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                        os.chmod(name, stat.S_IRWXU, dir_fd=fd)


def _walk(path: Path) -> Iterator[Path]:
    """Yield what exists of a path and below it; links are not followed."""
    if _is_folder(path):
        for folder, _, files in os.walk(path):
            yield (here := path.joinpath(folder))
            yield from (here / name for name in files)
    elif _exists(path):
        yield path


def _is_folder(path: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISDIR(path.lstat().st_mode)
    return False


def _exists(path: Path) -> bool:
    with suppress(OSError):
        path.lstat()
        return True
    return False
