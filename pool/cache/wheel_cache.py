"""Wheels that were built before, found again by what they are made from.

A wheel is kept once, by its digest, however many keys lead to it; it is not replaced and not
changed, so that whoever found it has it for as long as the run goes on. Keys and wheels appear by
rename only. What is damaged is noticed when it is found, and then forgotten. Deliberately no
locks: who is about to build takes the one of the recipe's key first (see `lock_path`), so that the
same wheel is not built twice; without it the cache stays right, only the work is done twice.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from pool.common.errors import os_error_text
from pool.common.files import atomic_write, copy_into
from pool.sources.pyproject import Project
from pool.sources.wheel import sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pool.cache.key import CacheKey
    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.common.clock import Clock

__all__ = ["FOLDER", "CachedWheel", "Damaged", "WheelCache"]

FOLDER = "built-1"
"""The folder in the cache; the number changes with the layout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedWheel:
    """A wheel that was built before."""

    path: Path
    """In the cache: to be copied, never moved or changed."""
    name: str
    version: str
    sha256: str
    bytes: int
    made: float
    """Seconds since the epoch."""
    seconds: float
    """How long it took to build."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """A wheel that was built before and can no longer be used; it is forgotten already."""

    why: str
    """For a message: ``attrs-26.1.0-py3-none-any.whl is not what was stored``."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What a key leads to, as it is kept."""

    file: str
    name: str
    version: str
    sha256: str
    bytes: int
    made: float
    seconds: float

    def at(self, path: Path) -> CachedWheel:
        facts = {name: getattr(self, name) for name in self.__struct_fields__ if name != "file"}
        return CachedWheel(path=path, **facts)


class WheelCache:
    """The built wheels in a cache folder, shared by all processes of a user.

    Args:
        cache_dir: the whole cache; this part of it is made with the first entry.
        clock: says when entries were made.
    """

    def __init__(self, cache_dir: Path, clock: Clock) -> None:
        root = cache_dir / FOLDER
        self._asked, self._keys = root / "asked", root / "keys"
        self._wheels, self._locks = root / "wheels", root / "locks"
        self._projects = root / "projects"
        self._clock = clock

    def lock_path(self, recipe: CacheKey) -> Path:
        """Return the lock file to hold while a recipe is looked up, built and stored.

        Raises:
            OSError: its folder cannot be made.
        """
        self._locks.mkdir(parents=True, exist_ok=True)
        return self._locks / recipe.key

    def extra(self, recipe: CacheKey) -> tuple[str, ...] | None:
        """Return what the backend asked for the last time, as it wrote it; None if not known."""
        place = self._asked / recipe.key
        try:
            extra = msgspec.json.decode(place.read_bytes(), type=tuple[str, ...])
        except (OSError, msgspec.DecodeError):
            return None
        _touch(place)
        return extra

    def project(self, source: str) -> Project | None:
        """Return what a source that never changes says of itself; None if that is not known."""
        place = self._project_place(source)
        try:
            project = msgspec.json.decode(place.read_bytes(), type=Project)
        except (OSError, msgspec.DecodeError):
            return None
        _touch(place)
        return project

    def note_project(self, source: str, project: Project) -> None:
        """Keep what a source says of itself, so that it need not be opened the next time.

        Args:
            source: the fingerprint of an archive or a commit.
            project: what was read in it.
        """
        # The next time it is opened again, and that is all.
        with suppress(OSError):
            atomic_write(self._project_place(source), msgspec.json.encode(project))

    def _project_place(self, source: str) -> Path:
        return self._projects / hashlib.sha256(source.encode()).hexdigest()

    def find(self, key: str) -> CachedWheel | Damaged | None:
        """Return the wheel of a recipe's final key, its digest checked; None if there is none."""
        place = self._keys / key
        try:
            entry = msgspec.json.decode(place.read_bytes(), type=_Entry)
            folder = self._wheels / entry.sha256
            if not folder.is_dir():
                return None  # Pruned; the wheels go before the keys.
            if (why := _damage(entry, folder / entry.file)) is None:
                _touch(place)
                _touch(folder)
                return entry.at(folder / entry.file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, msgspec.DecodeError) as problem:
            why = f"the entry cannot be read: {_words(problem)}"
        with suppress(OSError):
            place.unlink()
        return Damaged(why=why)

    def store(
        self,
        wheel: Path,
        recipes: Iterable[CacheKey],
        *,
        extra: Sequence[str],
        wheels: Sequence[UnpackedWheel],
        name: str,
        version: str,
        seconds: float,
    ) -> CachedWheel:
        """Keep a wheel that was just built; the file itself is copied and stays where it is.

        Args:
            wheel: a good wheel.
            recipes: where it is to be found: by the source before the build, and after it.
            extra: what get_requires_for_build_wheel returned.
            wheels: all of the build environment.
            name: the distribution's.
            version: the distribution's.
            seconds: how long it took.

        Raises:
            OSError: no space, no permission; what was there before is still there.
        """
        digest, path = self._store_file(wheel)
        entry = _Entry(
            file=wheel.name,
            name=name,
            version=version,
            sha256=digest,
            bytes=path.stat().st_size,
            made=self._clock.now().timestamp(),
            seconds=seconds,
        )
        for recipe in recipes:
            atomic_write(self._keys / recipe.final_key(wheels), msgspec.json.encode(entry))
            atomic_write(self._asked / recipe.key, msgspec.json.encode(list(extra)))
        return entry.at(path)

    def _store_file(self, wheel: Path) -> tuple[str, Path]:
        """Copy a wheel into the folder of its digest; a copy there, maybe damaged, is replaced."""
        digest = sha256(wheel)
        return digest, copy_into(wheel, self._wheels / digest)

    def entries(self) -> Iterator[CachedWheel]:
        """Yield the wheels that are there, each once, unchecked; broken entries are passed over."""
        seen = set[str]()
        for place in self._keys.glob("[!.]*"):
            with suppress(OSError, msgspec.DecodeError):
                entry = msgspec.json.decode(place.read_bytes(), type=_Entry)
                path = self._wheels / entry.sha256 / entry.file
                if entry.sha256 not in seen and path.exists():
                    seen.add(entry.sha256)
                    yield entry.at(path)


def _damage(entry: _Entry, path: Path) -> str | None:
    """Return what is wrong with a wheel; None if it is as it was stored."""
    try:
        return None if sha256(path) == entry.sha256 else f"{entry.file} is not what was stored"
    except OSError as problem:
        return f"{entry.file}: {_words(problem)}"


def _words(problem: Exception) -> str:
    return os_error_text(problem) if isinstance(problem, OSError) else str(problem).lower()


def _touch(path: Path) -> None:
    """Note that it was used; a cache that may only be read is used all the same."""
    with suppress(OSError):
        os.utime(path)
