"""One build's lookup in the wheel cache: the key, the search, and the store of a new wheel.

All methods block on files. A user's tree is fingerprinted here, under its lock; an archive or a
commit is identified by its digest.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from pool.build.read_inputs import InputFinder
from pool.cache.build_inputs import UnknownInputError
from pool.cache.key import CacheKey
from pool.common.errors import os_error_text
from pool.common.record import Record
from pool.sources import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pool.build.context import BuildContext
    from pool.build.frontend.read_recording import ReadRecord
    from pool.build.job import BuildJob
    from pool.build.source import Source
    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.cache.wheel_cache import CachedWheel, DamagedWheel, WheelCache
    from pool.sources.fingerprint import TreeContent
    from pool.sources.pyproject import Project
    from pool.sources.wheels.reader import WheelMetadata

__all__ = ["CacheLookup"]


class CacheLookup(Record, frozen=True, kw_only=True):
    """The cache key of one build, and the state of its source before the build."""

    cache: WheelCache
    key: CacheKey
    refresh: bool
    """Whether earlier entries are ignored (--refresh)."""
    content_before: TreeContent | None
    """The content of a user's tree before the build; None for a source that the pool owns."""
    tree: Path
    ignored: tuple[Path, ...]
    """The pool's own folders, which may lie in the tree."""
    inputs: InputFinder
    """For what the build will have read outside of the tree."""

    @classmethod
    def create(
        cls,
        context: BuildContext,
        job: BuildJob,
        source: Source,
        tree: Path,
        wheels: Sequence[UnpackedWheel],
    ) -> Self | None:
        """Read the source; return None if a wheel of it cannot be cached.

        Args:
            context: has the cache, the interpreter and the settings.
            job: the build.
            source: the fetched source.
            tree: the opened source; a user's tree is locked.
            wheels: the wheels of its static build requirements.
        """
        settings, content = context.settings, None
        source_id: str | None = source.fingerprint
        if not source_id:
            content = fingerprint.read_tree(tree, context.own_folders)
            source_id = content.fingerprint if content else None
        if context.cache.wheels is None or not source_id:
            return None
        key = CacheKey.of(
            source_id,
            name=job.name,
            config_settings=job.request.config_settings,
            interpreter=context.env.interpreter,
            wheels=wheels,
            environ=settings.environ,
        )
        return cls(
            cache=context.cache.wheels,
            key=key,
            refresh=settings.refreshes(job.name),
            content_before=content if tree == source.path else None,
            tree=tree,
            ignored=context.own_folders,
            inputs=InputFinder(
                tree=tree,
                python=context.env.interpreter.executable,
                excluded=context.cache_folders,
                environ=settings.environ,
                since=time.time_ns(),
            ),
        )

    def extra_requires(self) -> tuple[str, ...] | None:
        """Return the get_requires_for_build_wheel result of an earlier build; None if unknown."""
        return None if self.refresh else self.cache.read_hook_requires(self.key)

    def find(self, wheels: Sequence[UnpackedWheel]) -> CachedWheel | DamagedWheel | None:
        """Return the wheel that was built in an environment of exactly these wheels."""
        return None if self.refresh else self._find(wheels)

    def find_after_wait(self, wheels: Sequence[UnpackedWheel]) -> CachedWheel | DamagedWheel | None:
        """Return the wheel that another process stored during the wait, even with --refresh."""
        return self._find(wheels)

    def _find(self, wheels: Sequence[UnpackedWheel]) -> CachedWheel | DamagedWheel | None:
        return self.cache.find(self.key.final_digest(wheels), self.inputs.environ)

    def lock_path(self) -> Path:
        """Return the lock file of the processes that build this wheel."""
        return self.cache.lock_path(self.key)

    def store(
        self,
        wheel: Path,
        facts: WheelMetadata,
        *,
        project: Project,
        record: ReadRecord,
        wheels: Sequence[UnpackedWheel],
        extra: Sequence[str],
        seconds: float,
    ) -> str:
        """Store a built wheel under the source's fingerprints before and after the build.

        Returns:
            The reason if it was not stored; else the empty string.
        """
        keys = [self.key.with_source(source_id) for source_id in self._source_fingerprints()]
        if not keys:
            return "not kept in the cache: its source changed while it was built"
        try:
            inputs = self.inputs.find(record)
            self.cache.store(
                wheel,
                keys,
                inputs=inputs,
                hook_requires=extra,
                wheels=wheels,
                name=facts.name,
                version=facts.version,
                seconds=seconds,
            )
            for key in keys:
                self._store_project(key, project)
        except UnknownInputError as problem:
            return f"not kept in the cache: {problem}"
        except OSError as problem:
            return f"not kept in the cache: {os_error_text(problem)}"
        return ""

    def store_project(self, project: Project) -> None:
        """Store what pyproject.toml of a tree says: a later run looks it up by the fingerprint."""
        self._store_project(self.key, project)

    def _store_project(self, key: CacheKey, project: Project) -> None:
        # That of an archive or a commit is stored when it is opened.
        if self.content_before is not None and self.cache.read_project(key.source) is None:
            self.cache.store_project(key.source, project)

    def _source_fingerprints(self) -> tuple[str, ...]:
        """Return the fingerprints of the states of the source that the wheel was built from."""
        if self.content_before is None:
            return (self.key.source,)
        after = fingerprint.read_tree(self.tree, self.ignored)
        return () if after is None else self.content_before.after_build(after)
