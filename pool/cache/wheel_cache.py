"""Cache of wheels that were built here, found again by their cache key.

A wheel is stored once, in a folder named by its digest, however many keys lead to it. It is never
changed, so a caller may use it until the end of the run. Keys and wheels are written atomically. A
damaged wheel is noticed when it is found, and its key is removed.

A key may lead to several wheels, which were built with different inputs (`BuildInputs`): the one
whose inputs are those of now is found.

The cache deliberately takes no locks. The caller locks `WheelCache.lock_path` before a build, so
that two processes do not build the same wheel; without that lock only the work is done twice.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from pool.cache.build_inputs import BuildInputs
from pool.common.cache_layout import CacheLayout
from pool.common.errors import os_error_text
from pool.common.files import atomic_write, copy_into, hash_file
from pool.common.json import decode_json
from pool.common.record import Record
from pool.sources.pyproject import Project
from pool.sources.wheels import RULES
from pool.system.process_limits import reraise_shortage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pool.cache.key import CacheKey
    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.common.clock import Clock

__all__ = ["CachedWheel", "DamagedWheel", "WheelCache"]


class CachedWheel(Record, frozen=True, kw_only=True):
    """A wheel of an earlier build."""

    path: Path
    """In the cache: to be copied, never moved or changed."""
    name: str
    version: str
    sha256: str
    bytes: int
    made: float
    """When it was built, in seconds since the epoch."""
    seconds: float
    """How long the build took."""
    is_checked: bool
    """Whether it was checked by the rules of now before it was stored."""


class DamagedWheel(Record, frozen=True, kw_only=True):
    """A wheel of an earlier build that cannot be used; its key is removed already."""

    reason: str
    """For a message: ``attrs-26.1.0-py3-none-any.whl is not what was stored``."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One wheel in a key's file; its field names are the format on disk."""

    file: str
    name: str
    version: str
    sha256: str
    bytes: int
    made: float
    seconds: float
    inputs: BuildInputs = BuildInputs()
    rules: int = 0
    """The `RULES` by which the wheel was checked; 0 for those before they were counted."""

    def at(self, path: Path) -> CachedWheel:
        return CachedWheel(
            path=path,
            name=self.name,
            version=self.version,
            sha256=self.sha256,
            bytes=self.bytes,
            made=self.made,
            seconds=self.seconds,
            is_checked=self.rules == RULES,
        )


_Entries = tuple[_Entry, ...]
"""The content of a key's file, the newest wheel first."""
_MAX_ENTRIES = 4
"""The most wheels of one key; the oldest is dropped."""


class WheelCache:
    """The built wheels in a cache folder, shared by all processes of a user.

    Args:
        cache_dir: the root of the cache; the folders of this part are created when needed.
        clock: gives the times of new entries.
    """

    def __init__(self, cache_dir: Path, clock: Clock) -> None:
        self._layout = CacheLayout(cache_dir)
        self._clock = clock

    def lock_path(self, key: CacheKey) -> Path:
        """Return the lock file to hold from the lookup of a wheel until it is stored.

        Raises:
            OSError: its folder cannot be created.
        """
        self._layout.build_locks.mkdir(parents=True, exist_ok=True)
        return self._layout.build_locks / key.digest

    def read_hook_requires(self, key: CacheKey) -> tuple[str, ...] | None:
        """Return the result of get_requires_for_build_wheel in the last build; None if unknown."""
        path = self._layout.hook_requires / key.digest
        try:
            requires = decode_json(path.read_bytes(), tuple[str, ...])
        except (OSError, ValueError):
            return None
        _touch(path)
        return requires

    def read_project(self, fingerprint: str) -> Project | None:
        """Return the project tables of an archive or a commit; None if they are not stored."""
        path = self._project_path(fingerprint)
        try:
            project = decode_json(path.read_bytes(), Project)
        except (OSError, ValueError):
            return None
        _touch(path)
        return project

    def store_project(self, fingerprint: str, project: Project) -> None:
        """Store the project tables of a source, so that it need not be opened the next time.

        Args:
            fingerprint: of an archive or a commit, whose content never changes.
            project: what its pyproject.toml says.
        """
        # A failure costs only time: the source is opened again.
        with suppress(OSError):
            atomic_write(self._project_path(fingerprint), msgspec.json.encode(project))

    def _project_path(self, fingerprint: str) -> Path:
        return self._layout.projects / hashlib.sha256(fingerprint.encode()).hexdigest()

    def find(
        self, final_digest: str, environ: Mapping[str, str], *, discard: bool = True
    ) -> CachedWheel | DamagedWheel | None:
        """Return the wheel of a `CacheKey.final_digest`, its content verified; None if unknown.

        Args:
            final_digest: of the key and the build environment.
            environ: the environment that hooks inherit; the wheel's other inputs are read anew.
            discard: remove a damaged entry, so that it is reported once.
        """
        path = self._layout.wheel_keys / final_digest
        try:
            entry = self._find_entry(path, environ)
            if entry is None:
                return None
            folder = self._layout.built_wheels / entry.sha256
            if not folder.is_dir():
                return None  # The wheel was pruned before its key.
            if (reason := _find_damage(entry, folder / entry.file)) is None:
                _touch(path)
                _touch(folder)
                return entry.at(folder / entry.file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as problem:
            reraise_shortage(problem)
            reason = f"the entry cannot be read: {_error_text(problem)}"
        if discard:
            with suppress(OSError):
                path.unlink()
        return DamagedWheel(reason=reason)

    def _find_entry(self, path: Path, environ: Mapping[str, str]) -> _Entry | None:
        """Return the newest entry of a key's file whose inputs are those of now."""
        entries = decode_json(path.read_bytes(), _Entries)
        return next((entry for entry in entries if entry.inputs.are_unchanged(environ)), None)

    def store(
        self,
        wheel: Path,
        keys: Iterable[CacheKey],
        *,
        hook_requires: Sequence[str],
        wheels: Sequence[UnpackedWheel],
        name: str,
        version: str,
        seconds: float,
        inputs: BuildInputs = BuildInputs(),  # noqa: B008 - immutable
    ) -> CachedWheel:
        """Store a copy of a wheel that was just built.

        Args:
            wheel: a checked wheel; the file stays where it is.
            keys: those of the source before the build and after it.
            hook_requires: the result of get_requires_for_build_wheel.
            wheels: all wheels in the build environment.
            name: of the distribution.
            version: of the distribution.
            seconds: how long the build took.
            inputs: what it used beside the inputs in its key.

        Raises:
            OSError: no space, no permission; older entries are unchanged.
        """
        digest = hash_file(wheel)
        # Replaces a copy that is there already: it may be damaged.
        path = copy_into(wheel, self._layout.built_wheels / digest)
        entry = _Entry(
            file=wheel.name,
            name=name,
            version=version,
            sha256=digest,
            bytes=path.stat().st_size,
            made=self._clock.now().timestamp(),
            seconds=seconds,
            inputs=inputs,
            rules=RULES,
        )
        requires = msgspec.json.encode(list(hook_requires))
        for key in keys:
            final = self._layout.wheel_keys / key.final_digest(wheels)
            atomic_write(final, msgspec.json.encode(_with_entry(final, entry)))
            atomic_write(self._layout.hook_requires / key.digest, requires)
        return entry.at(path)

    def entries(self) -> Iterator[CachedWheel]:
        """Yield each wheel once, without verifying it; broken entries are skipped."""
        seen = set[str]()
        for key_file in self._layout.wheel_keys.glob("[!.]*"):
            with suppress(OSError, ValueError):
                for entry in decode_json(key_file.read_bytes(), _Entries):
                    path = self._layout.built_wheels / entry.sha256 / entry.file
                    if entry.sha256 not in seen and path.exists():
                        seen.add(entry.sha256)
                        yield entry.at(path)


def _with_entry(path: Path, entry: _Entry) -> _Entries:
    """Return the content of a key's file with a new entry; one with the same inputs is replaced."""
    try:
        before = decode_json(path.read_bytes(), _Entries)
    except (OSError, ValueError):
        before = ()
    others = [one for one in before if one.inputs != entry.inputs]
    return (entry, *others[: _MAX_ENTRIES - 1])


def _find_damage(entry: _Entry, path: Path) -> str | None:
    """Return why a wheel is not the one that was stored; None if it is."""
    try:
        return None if hash_file(path) == entry.sha256 else f"{entry.file} is not what was stored"
    except OSError as problem:
        reraise_shortage(problem)
        return f"{entry.file}: {_error_text(problem)}"


def _error_text(problem: Exception) -> str:
    return os_error_text(problem) if isinstance(problem, OSError) else str(problem).lower()


def _touch(path: Path) -> None:
    """Note the use of an entry; a read-only cache is used without it."""
    with suppress(OSError):
        os.utime(path)
