"""Build environments of the cache: one for each set of wheels, shared by builds and kept for later.

The path of an environment follows from its content: interpreter, wheels, umask. It is made under a
temporary name, whose folder is locked, and renamed. Each build that uses it holds a shared lock on
its folder (flock), and its hooks inherit that: an environment without a lock is in no use, however
its users ended. Only such a one is removed or made anew.

No build may change it, though each can: with folders of mode 0555, a backend that installs into
its environment would fail, or would do something else, and root could write all the same. So each
build looks at it after its hooks. A changed environment is used by no later build. The change is
taken for the build's own, as in an environment that it has for itself, only if no other build has
used the environment since this one began to; else the build must be repeated.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import msgspec

from pool.build.frontend import build_env
from pool.build.frontend.environments.content import OWN_PREFIX, EnvChange, EnvContent, read_content
from pool.build.frontend.read_recording import recorder_source
from pool.common.errors import ChangedWheelError, PoolError
from pool.common.files import NEW_PREFIX, read_umask, remove_tree
from pool.common.json import decode_json, encode_json
from pool.common.record import Record
from pool.system.locks.run_folder import abandoned_folders

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pool.build.frontend.read_recording import ReadRecording
    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.common.cache_layout import CacheLayout
    from pool.system.interpreter import Interpreter

__all__ = ["CachedEnvironment", "EnvJudgement", "EnvironmentCache"]

_FORMAT = 1
_MANIFEST = f"{OWN_PREFIX}content.json"
_USERS = f"{OWN_PREFIX}users"
"""A file with one byte for each build that has used the environment since it was in no use."""
_CHANGED = f"{OWN_PREFIX}changed"
"""A file that appears when a change is noticed: the environment is not used any more."""
_REMOVED_PREFIX = ".removed-"
_NAME_DIGITS = 24
_LOCK_SECONDS = 10.0
"""The longest wait for another process, which may be stopped while it makes the environment."""
_POLL_SECONDS = 0.005
_ATTEMPTS = 20


class _Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of an environment's manifest."""

    identity: str
    wheels: list[tuple[int, int]]
    """Inode and time of the marker file of each unpacked wheel."""
    content: EnvContent


class EnvJudgement(Record, frozen=True, kw_only=True):
    """The judgement of a build on a change of its environment."""

    change: EnvChange
    is_own: bool
    """Whether the build itself has made it, and no other has seen it."""


class CachedEnvironment:
    """The use of an environment by one build, until `release`; all methods but that block.

    Args:
        request: what it was made of.
        content: its content as it was made.
        fd: its folder, with a shared lock.
        number: how many builds have used it, this one included.
        alone: whether no other build used it when this one began to.
    """

    def __init__(
        self,
        request: _Request,
        content: EnvContent,
        *,
        fd: int,
        number: int,
        alone: bool,
    ) -> None:
        self.path = request.folder
        self.wheels = request.wheels
        self.fds = (fd,)
        """For hooks to inherit."""
        self._interpreter = request.interpreter
        self._content = content
        self._number = number
        self._alone = alone
        self._is_private = False

    def environment(self, recording: ReadRecording) -> build_env.BuildEnvironment:
        """Return the environment for the hooks of the build."""
        return build_env.BuildEnvironment(
            path=self.path,
            interpreter=self._interpreter,
            wheels=self.wheels,
            recording=recording,
            fds=self.fds,
        )

    def judge(self, *, files: bool) -> EnvJudgement | None:
        """Look for changes after a hook; None if there is none, or this build has made one before.

        A changed environment is marked, so that no later build uses it.

        Args:
            files: whether to look at the content of files, too; the last look of a build must.
        """
        if self._is_private:
            return None
        find = self._content.find_changed_file if files else self._content.find_changed_entry
        change = find(os.fspath(self.path))
        is_marked = os.path.lexists(self.path / _CHANGED)
        if change is None and not is_marked:
            return None
        if change is None:
            change = EnvChange(text="another build has changed it", in_place=False)
        own = not is_marked and not change.in_place and self._was_alone()
        (self.path / _CHANGED).touch()
        self._is_private = own
        return EnvJudgement(change=change, is_own=own)

    def _was_alone(self) -> bool:
        """Return whether no other build has used it since this one began to."""
        return self._alone and (self.path / _USERS).stat().st_size == self._number

    def release(self) -> None:
        """End the use; processes that a hook has left still hold the lock."""
        os.close(*self.fds)


class EnvironmentCache:
    """The environments of one cache, for all processes that use it. All methods block.

    Args:
        layout: the folders of the cache.
    """

    def __init__(self, layout: CacheLayout) -> None:
        self._root = layout.environments
        self._notes = layout.environment_notes
        self._wheel_prefix = f"{layout.unpacked_wheels}/"
        self._seen: dict[tuple[str, int, int], EnvContent] = {}
        """Contents that this process has compared, by path, inode and time of the manifest."""
        self._swept = threading.Lock()

    def acquire(
        self, interpreter: Interpreter, wheels: Sequence[UnpackedWheel]
    ) -> CachedEnvironment | None:
        """Return an environment with these wheels, made if there is none.

        Returns:
            None if it cannot be shared: a wheel is not of the cache, a changed environment of this
            content is still in use, the file system has no locks, or the folder is not writable.

        Raises:
            ChangedWheelError: a build has changed a file of a wheel meanwhile.
        """
        if not all(str(wheel.path).startswith(self._wheel_prefix) for wheel in wheels):
            return None
        ordered = build_env.sort_wheels(wheels)
        identity = _identify(self._root, interpreter, ordered)
        folder = self._root / identity[:_NAME_DIGITS]
        request = _Request(
            folder=folder, identity=identity, interpreter=interpreter, wheels=ordered
        )
        try:
            for _ in range(_ATTEMPTS):
                if (acquired := self._join(request) or self._make(request)) is not None:
                    return acquired
        except ChangedWheelError:
            raise
        except (OSError, PoolError):
            # A private environment meets the same problem, or none.
            return None
        return None

    def is_changed_by(self, project: str) -> bool:
        """Return whether an earlier build of a project has changed its environment."""
        return self._note(project).exists()

    def note_changed_by(self, project: str) -> None:
        """Note that the builds of a project change their environments."""
        with suppress(OSError):  # It is noticed again.
            self._notes.mkdir(parents=True, exist_ok=True)
            self._note(project).touch()

    def _note(self, project: str) -> Path:
        return self._notes / hashlib.sha256(project.encode(errors="surrogateescape")).hexdigest()

    def _join(self, request: _Request) -> CachedEnvironment | None:
        """Use an existing environment; None if there is none.

        Raises:
            OSError: it is in use and must not be, or its folder cannot be used.
        """
        try:
            lock = _FolderLock(request.folder)
        except FileNotFoundError:
            return None
        with lock:
            alone = lock.try_exclusive()
            if not alone:
                lock.await_shared()
            if not lock.is_current():
                return None
            content = self._read(request, alone=alone)
            if content is None:
                if not alone:
                    raise BlockingIOError(f"{request.folder} was changed, and is in use")
                _remove(request.folder)
                return None
            return self._use(lock, request, content, alone=alone)

    def _use(
        self, lock: _FolderLock, request: _Request, content: EnvContent, *, alone: bool
    ) -> CachedEnvironment | None:
        """Count one more build, and hold the lock shared; None if it is lost meanwhile."""
        number = _count_user(request.folder / _USERS, first=alone)
        if alone:
            # Not in one step: a process that removes environments may be faster.
            lock.await_shared()
            if not lock.is_current():
                return None
        return CachedEnvironment(request, content, fd=lock.keep(), number=number, alone=alone)

    def _read(self, request: _Request, *, alone: bool) -> EnvContent | None:
        """Return the content of an existing environment; None if it was changed."""
        folder = request.folder
        try:
            if os.path.lexists(folder / _CHANGED):
                return None
            status = (folder / _MANIFEST).stat()
            key = (str(folder), status.st_ino, status.st_mtime_ns)
            if (content := self._seen.get(key)) is not None:
                return None if content.find_changed_entry(str(folder)) else content
            manifest = decode_json((folder / _MANIFEST).read_bytes(), _Manifest)
            expected = (request.identity, _identify_wheels(request.wheels))
            if (manifest.identity, manifest.wheels) != expected:
                return None
        except (OSError, ValueError):
            return None
        content = manifest.content
        if content.find_changed_file(str(folder)):
            return None
        self._seen[key] = content
        return content

    def _make(self, request: _Request) -> CachedEnvironment | None:
        """Make an environment; None if another process makes it, or has made it meanwhile."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._sweep()
        temporary = request.folder.with_name(f"{NEW_PREFIX}{request.folder.name}")
        with suppress(FileExistsError):
            temporary.mkdir()
        with suppress(FileNotFoundError), _FolderLock(temporary) as lock:
            if not lock.try_exclusive():
                lock.await_shared()
                return None
            if not lock.is_current():
                return None
            if os.path.lexists(request.folder) or any(temporary.iterdir()):
                # It was made before `mkdir`, or the process that made it was killed.
                _remove(temporary)
                return None
            try:
                content = _fill(temporary, request)
                temporary.rename(request.folder)
            except BaseException:
                _remove(temporary)
                raise
            lock.folder = request.folder
            return self._use(lock, request, content, alone=True)
        return None

    def _sweep(self) -> None:
        """Remove what killed processes have left; once in a process."""
        if not self._swept.acquire(blocking=False):
            return  # Never released: it marks that the sweep was done.
        for lock in abandoned_folders(self._root):
            with lock:
                if lock.folder.name.startswith((NEW_PREFIX, _REMOVED_PREFIX)):
                    remove_tree(lock.folder)


class _Request(Record, frozen=True, kw_only=True):
    """The environment that a build needs."""

    folder: Path
    identity: str
    interpreter: Interpreter
    wheels: tuple[UnpackedWheel, ...]


class _FolderLock:
    """An open folder, and the lock on it; a context manager that closes it, unless it is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd: int | None = os.open(folder, flags)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def try_exclusive(self) -> bool:
        """Take the lock exclusively; return whether no other process or build has it."""
        return self._try(fcntl.LOCK_EX)

    def await_shared(self) -> None:
        """Wait for a shared lock: others hold it exclusively for some milliseconds.

        Raises:
            TimeoutError: they hold it for longer.
            OSError: the file system has no locks.
        """
        end = time.monotonic() + _LOCK_SECONDS
        while not self._try(fcntl.LOCK_SH):
            if time.monotonic() > end:
                raise TimeoutError(f"{self.folder} is locked")
            time.sleep(_POLL_SECONDS)

    def _try(self, kind: int) -> bool:
        if self._fd is None:
            raise AssertionError("the lock was handed over")
        try:
            fcntl.flock(self._fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def is_current(self) -> bool:
        """Return whether the path still leads to the locked folder."""
        if self._fd is None:
            raise AssertionError("the lock was handed over")
        with suppress(OSError):
            return os.path.samestat(self.folder.stat(), os.fstat(self._fd))
        return False

    def keep(self) -> int:
        """Return the descriptor, which the caller closes."""
        if self._fd is None:
            raise AssertionError("the lock was handed over")
        fd, self._fd = self._fd, None
        return fd


def _identify(root: Path, interpreter: Interpreter, wheels: Sequence[UnpackedWheel]) -> str:
    """Return a digest of all that an environment is made of; its commands name its path."""
    recorder = hashlib.sha256(recorder_source()).hexdigest()
    python = (str(interpreter.executable), interpreter.version, interpreter.site)
    bytecode = (interpreter.cache_tag, interpreter.magic)
    paths = [str(wheel.path) for wheel in wheels]
    parts = (_FORMAT, str(root), recorder, *python, *bytecode, read_umask(), *paths)
    return hashlib.sha256(repr(parts).encode(errors="surrogateescape")).hexdigest()


def _identify_wheels(wheels: Sequence[UnpackedWheel]) -> list[tuple[int, int]]:
    """Return the identity of the unpacked wheels: one that was damaged is unpacked anew."""
    statuses = [wheel.marker.stat() for wheel in wheels]
    return [(status.st_ino, status.st_mtime_ns) for status in statuses]


def _fill(folder: Path, request: _Request) -> EnvContent:
    """Make the environment in a folder that has another name yet."""
    wheels = _identify_wheels(request.wheels)
    env = build_env.create(
        folder, request.interpreter, request.wheels, final=request.folder, is_shared=True
    )
    content = read_content(str(folder))
    build_env.check_wheels(env, content)
    manifest = _Manifest(identity=request.identity, wheels=wheels, content=content)
    (folder / _MANIFEST).write_bytes(encode_json(manifest))
    return content


def _count_user(users: Path, *, first: bool) -> int:
    """Count one more build; return how many there are since the environment was in no use."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if first else 0)
    fd = os.open(users, flags, 0o666)
    try:
        os.write(fd, b".")
        return os.lseek(fd, 0, os.SEEK_CUR)
    finally:
        os.close(fd)


def _remove(folder: Path) -> None:
    """Remove an environment that is in no use; its path is free at once."""
    removed = folder.with_name(f"{_REMOVED_PREFIX}{secrets.token_hex(8)}")
    folder.rename(removed)
    remove_tree(removed)
