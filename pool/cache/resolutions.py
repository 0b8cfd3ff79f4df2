"""Results of resolutions that are remembered, so that a cached build needs no resolver.

A result holds as long as the resolver would give it again without a request: as long as the index
pages that it was made from are recent (`pool.sources.index.client.MAX_PAGE_AGE`), and the folders
and files of local places are unchanged. It belongs to the requirements, the interpreter, and the
settings of the indexes. There are two kinds: the wheels of a set of build requirements, if all are
from indexes (what is built, or comes from a URL, may be another one the next time), and the sdist
that was selected for a requirement of the user.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from pool.cache.key import RequirementDigest
from pool.common.cache_layout import CacheLayout
from pool.common.files import atomic_write
from pool.common.json import encode_json
from pool.sources.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.common.clock import Clock
    from pool.sources.index.settings import IndexSettings
    from pool.system.interpreter import Interpreter

__all__ = ["ResolutionCache", "SelectedSdist"]

_SCHEMA = 2
"""Raised when the resolver would select other files from the same pages."""


class SelectedSdist(msgspec.Struct, frozen=True, kw_only=True):
    """The sdist that was selected for a requirement; its field names are the format on disk."""

    filename: str
    project: str
    version: str
    sha256: str | None
    """As the index lists it."""
    path: str | None = None
    """The file itself if it is on this machine; None for one on a server."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a file; its field names are the format on disk."""

    evidence: Evidence
    wheels: tuple[RequirementDigest, ...] = ()
    sdist: SelectedSdist | None = None


class ResolutionCache:
    """The results for one interpreter and one set of indexes; all methods block.

    A failure to store a result costs only time.

    Args:
        cache_dir: the root of the cache.
        clock: the time, for the age of index pages.
        index: the settings of the indexes.
        interpreter: the target.
    """

    def __init__(
        self, cache_dir: Path, clock: Clock, index: IndexSettings, interpreter: Interpreter
    ) -> None:
        self._folder = CacheLayout(cache_dir).resolutions
        self._clock = clock
        context = (_SCHEMA, index, interpreter.environment, interpreter.tag_names)
        self._context = _digest(context)
        self._found: dict[str, _Entry] = {}
        """By digest, what this process has found: many builds have the same requirements."""

    def find_wheels(self, requires: Sequence[str]) -> tuple[RequirementDigest, ...] | None:
        """Return the wheels of build requirements; None if they must be resolved."""
        if not requires:
            return ()
        entry = self._find(list(requires))
        return None if entry is None else entry.wheels

    def store_wheels(
        self, requires: Sequence[str], wheels: Iterable[UnpackedWheel], evidence: Evidence
    ) -> None:
        """Store the wheels of build requirements."""
        digests = tuple(map(RequirementDigest.of, wheels))
        self._store(list(requires), _Entry(evidence=evidence, wheels=digests))

    def find_sdist(self, rules: object) -> SelectedSdist | None:
        """Return the sdist that rules select (`Manifest.file_rules`); None if it is unknown."""
        entry = self._find(("sdist", rules))
        return None if entry is None else entry.sdist

    def store_sdist(self, rules: object, sdist: SelectedSdist, evidence: Evidence) -> None:
        """Store the sdist that rules select."""
        self._store(("sdist", rules), _Entry(evidence=evidence, sdist=sdist))

    def _find(self, question: object) -> _Entry | None:
        name = _digest((self._context, question))
        if name in self._found:
            return self._found[name]
        with suppress(OSError, ValueError, msgspec.DecodeError):
            entry = msgspec.json.decode((self._folder / name).read_bytes(), type=_Entry)
            if entry.evidence.is_valid(self._clock.now().timestamp()):
                self._found[name] = entry
                return entry
        return None

    def _store(self, question: object, entry: _Entry) -> None:
        with suppress(OSError):
            atomic_write(self._folder / _digest((self._context, question)), encode_json(entry))


def _digest(question: object) -> str:
    return hashlib.sha256(encode_json(question, order="sorted")).hexdigest()
