"""Wheels that were selected for build requirements, so that a cached build needs no resolver.

An answer holds as long as the resolver would give it again without a request: as long as the index
pages that it was made from are recent (`pool.sources.index.client.MAX_PAGE_AGE`), and the folders
and files of local places are unchanged. It belongs to the texts of the requirements, the
interpreter, and the settings of the indexes. Only wheels of indexes are remembered: what is built,
or comes from a URL, may be another one the next time.
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

__all__ = ["ResolvedRequirements"]

_SCHEMA = 1
"""Raised when the resolver would select other wheels from the same pages."""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a file; its field names are the format on disk."""

    wheels: tuple[RequirementDigest, ...]
    evidence: Evidence


class ResolvedRequirements:
    """The answers for one interpreter and one set of indexes.

    Args:
        cache_dir: the root of the cache.
        clock: the time, for the age of index pages.
        index: the settings of the indexes.
        interpreter: the target.
    """

    def __init__(
        self, cache_dir: Path, clock: Clock, index: IndexSettings, interpreter: Interpreter
    ) -> None:
        self._folder = CacheLayout(cache_dir).resolved_requirements
        self._clock = clock
        self._context = (_SCHEMA, index, interpreter.environment, interpreter.tag_names)

    def find(self, requires: Sequence[str]) -> tuple[RequirementDigest, ...] | None:
        """Return the wheels of a list of requirements; None if they must be resolved."""
        if not requires:
            return ()
        with suppress(OSError, ValueError, msgspec.DecodeError):
            entry = msgspec.json.decode(self._path(requires).read_bytes(), type=_Entry)
            if entry.evidence.is_valid(self._clock.now().timestamp()):
                return entry.wheels
        return None

    def store(
        self, requires: Sequence[str], wheels: Iterable[UnpackedWheel], evidence: Evidence
    ) -> None:
        """Store the wheels of a list of requirements; a failure costs only time."""
        entry = _Entry(wheels=tuple(map(RequirementDigest.of, wheels)), evidence=evidence)
        with suppress(OSError):
            atomic_write(self._path(requires), encode_json(entry))

    def _path(self, requires: Sequence[str]) -> Path:
        key = encode_json((*self._context, list(requires)), order="sorted")
        return self._folder / hashlib.sha256(key).hexdigest()
