"""Files that appear complete or not at all, and folders that are removed whatever their modes.

Each write goes to a temporary file in the same folder (`NEW_PREFIX`) and is renamed over the final
name, so readers see the old content or the new one. The data is deliberately not synced to disk:
this protects against a killed process, not against a power cut.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pool.common.cancellation import check_cancelled
from pool.common.errors import OutputError, os_error_text
from pool.common.record import MutableRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader

__all__ = [
    "NEW_PREFIX",
    "append_private",
    "atomic_path",
    "atomic_write",
    "copy_into",
    "executable_mode",
    "expand_user",
    "hash_file",
    "move_into",
    "open_output",
    "open_regular",
    "read_limited",
    "read_umask",
    "remove_tree",
    "walk_folders",
]

NEW_PREFIX = ".new-"
"""Begins the name of each temporary file; a killed process can leave one behind."""
_CHUNK_BYTES = 1 << 20


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


def read_limited(file: IO[bytes], limit: int) -> bytes:
    """Read the rest of a file that may have at most ``limit`` bytes.

    Raises:
        OSError: it cannot be read, or has more.
    """
    content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes")
    return content


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; the file made there replaces ``path`` at the end.

    If the block raises, the temporary file is removed and ``path`` stays as it was.
    """
    temporary = path.with_name(f"{NEW_PREFIX}{os.urandom(8).hex()}")
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
    with atomic_path(final) as temporary, file.open("rb") as source, temporary.open("wb") as copy:
        _copy_content(source, copy)


def _copy_content(source: IO[bytes], copy: IO[bytes]) -> None:
    # Not `shutil`: it imports all compression formats.
    while chunk := source.read(_CHUNK_BYTES):
        copy.write(chunk)


def walk_folders(root: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield each folder with the names of the folders and of the other entries in it.

    As `os.walk`: links are not followed, folders that cannot be read are left out, and names that
    are removed from the first list are not entered. Unlike that of Python 3.11 it is a loop: trees
    can be deeper than Python's recursion.
    """
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        folders, others = list[str](), list[str]()
        with suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                is_folder = entry.is_dir(follow_symlinks=False)
                (folders if is_folder else others).append(entry.name)
        yield folder, folders, others
        waiting += [f"{folder}/{name}" for name in reversed(folders)]


def read_umask() -> int:
    """Return the umask of this process, without changing it for an instant where that is known."""
    with suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text("ascii", "replace")
        return int(status.partition("\nUmask:")[2].split()[0], 8)
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def hash_file(path: Path) -> str:
    """Return the sha256 of a regular file, hexadecimal; ends early in a cancelled thread."""
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while block := file.read(_CHUNK_BYTES):
            check_cancelled()
            digest.update(block)
    return digest.hexdigest()


def executable_mode() -> int:
    """Return the mode of a new executable: that of the umask, and executable by all, as pip's."""
    return 0o777 & ~read_umask() | 0o111


def remove_tree(path: Path) -> list[Path]:
    """Remove a file, or a folder with its content; return the paths that could not be removed.

    A build may leave folders without write or search permission, such as Go's module cache with
    mode 0555: their owner gets the permission back. Symbolic links are removed, never followed. A
    missing path is no error. Folders that stay because of what stays in them are not returned.

    Trees may be deeper than the longest path and than Python's recursion: the walk is a loop that
    has one folder open, and returns to the folder above by ``..`` after comparing its identity.
    """
    removal = _Removal(path)
    try:
        if _is_folder(path):
            removal.remove_content()
            path.rmdir()
        else:
            path.unlink()
    except FileNotFoundError:
        pass
    except OSError:
        removal.left = removal.left or [path]
    return sorted(removal.left)


_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class _Level(MutableRecord):
    """A folder between the root and the one that is open."""

    name: str
    identity: tuple[int, int]
    """Device and inode, to notice that the folder was moved meanwhile."""
    folders: list[str]
    """Those in it that are still to be removed."""


class _Removal:
    """The removal of one tree."""

    def __init__(self, root: Path) -> None:
        self.left: list[Path] = []
        """Paths that could not be removed, without the folders that have them."""
        self._root = root
        self._levels: list[_Level] = []
        self._fd: int | None = None
        """The folder of the last level."""

    def remove_content(self) -> None:
        """Remove the content of the root.

        Raises:
            OSError: a folder was moved meanwhile.
        """
        try:
            self._enter(os.fspath(self._root))
            while self._levels:
                if self._levels[-1].folders:
                    self._enter(self._levels[-1].folders.pop())
                else:
                    self._leave()
        finally:
            self._switch_to(None)

    def _switch_to(self, fd: int | None) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd = fd

    def _enter(self, name: str) -> None:
        """Open a folder, remove its files, and add it to the levels with its folders."""
        try:
            fd = _open_own_folder(name, self._fd)
        except OSError as problem:
            self._note(name, problem)
            return
        self._switch_to(fd)
        status = os.fstat(fd)
        level = _Level(
            name=name if self._levels else "", identity=(status.st_dev, status.st_ino), folders=[]
        )
        self._levels.append(level)
        try:
            with os.scandir(fd) as entries:
                kinds = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError as problem:
            self._note("", problem)
            return
        level.folders.extend(name for name, is_folder in kinds if is_folder)
        for file in (name for name, is_folder in kinds if not is_folder):
            try:
                os.unlink(file, dir_fd=fd)
            except OSError as problem:
                self._note(file, problem)

    def _leave(self) -> None:
        """Return to the folder above, and remove the one that was left."""
        emptied = self._levels.pop()
        if not self._levels:
            return
        above = os.open("..", _FOLDER_FLAGS, dir_fd=self._fd)
        self._switch_to(above)
        status = os.fstat(above)
        if (status.st_dev, status.st_ino) != self._levels[-1].identity:
            raise OSError(errno.ESTALE, "a folder was moved")
        try:
            os.rmdir(emptied.name, dir_fd=above)
        except OSError as problem:
            self._note(emptied.name, problem)

    def _note(self, name: str, problem: OSError) -> None:
        """Record a path that stays, unless the reason is what is in it."""
        if problem.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            self.left.append(self._root.joinpath(*(level.name for level in self._levels), name))


def _open_own_folder(name: str, parent: int | None) -> int:
    """Open a folder by its name in an open one, and give its owner all rights."""
    try:
        fd = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
    except PermissionError:
        # This would follow a link, but the caller has seen a folder.
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)
        fd = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
    if os.fstat(fd).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        with suppress(OSError):
            os.fchmod(fd, stat.S_IRWXU)
    return fd


def _is_folder(path: Path) -> bool:
    with suppress(OSError):
        return stat.S_ISDIR(path.lstat().st_mode)
    return False
