"""One build's dealings with the wheel cache: was this built before, and if not, keep it.

All of it is blocking file work. A user's tree is read here, under its lock; of an archive or a
commit the digest is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pool.cache.key import CacheKey
from pool.sources import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pool.build.context import BuildContext
    from pool.build.job import BuildJob
    from pool.build.source import Source
    from pool.cache.unpacked_wheels import UnpackedWheel
    from pool.cache.wheel_cache import CachedWheel, Damaged, WheelCache
    from pool.sources.fingerprint import TreeContent
    from pool.sources.wheel import WheelFacts

__all__ = ["CacheLookup"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLookup:
    """What is looked for."""

    cache: WheelCache
    recipe: CacheKey
    fresh: bool
    """Whether what was kept before does not count."""
    before: TreeContent | None
    """What a user's tree had before the build; None for a source that is our own."""
    tree: Path
    ignored: tuple[Path, ...]

    @classmethod
    def of(
        cls,
        kit: BuildContext,
        job: BuildJob,
        source: Source,
        tree: Path,
        wheels: Sequence[UnpackedWheel],
    ) -> Self | None:
        """Read the source; return None where no wheel of it can be kept.

        Args:
            kit: the cache, and what the environment is.
            job: whose build it is.
            source: where it comes from.
            tree: where it lies, locked.
            wheels: for its static build requirements.
        """
        settings, before = kit.settings, None
        what: str | None = source.fingerprint
        if not what:
            before = fingerprint.read_tree(tree, settings.folders)
            what = before.fingerprint if before else None
        if kit.cache is None or not what:
            return None
        recipe = CacheKey.of(
            what,
            name=job.name,
            config_settings=job.order.config_settings,
            interpreter=kit.interpreter,
            wheels=wheels,
            environ=settings.environ,
        )
        return cls(
            cache=kit.cache,
            recipe=recipe,
            fresh=settings.refreshes(job.name),
            before=before if tree == source.path else None,
            tree=tree,
            ignored=settings.folders,
        )

    def extra(self) -> tuple[str, ...] | None:
        """Return what the backend asked for the last time; None where that is not known."""
        return None if self.fresh else self.cache.extra(self.recipe)  # noqa: S610 - not Django's

    def find(self, wheels: Sequence[UnpackedWheel]) -> CachedWheel | Damaged | None:
        """Return the wheel that was made in an environment with just these."""
        return None if self.fresh else self.cache.find(self.recipe.final_key(wheels))

    def found_by_now(self, wheels: Sequence[UnpackedWheel]) -> CachedWheel | Damaged | None:
        """Return what another process has made while we waited, whatever does not count."""
        return self.cache.find(self.recipe.final_key(wheels))

    def lock_path(self) -> Path:
        """Return the lock file of those who build this."""
        return self.cache.lock_path(self.recipe)

    def keep(
        self,
        wheel: Path,
        facts: WheelFacts,
        *,
        wheels: Sequence[UnpackedWheel],
        extra: Sequence[str],
        seconds: float,
    ) -> str:
        """Keep a wheel that was just built: for the source as it was, and as it is now.

        Returns:
            Why it is not kept; empty if it is.
        """
        recipes = [self.recipe.from_source(one) for one in self._sources()]
        if not recipes:
            return "not kept in the cache: its source changed while it was built"
        try:
            self.cache.store(
                wheel,
                recipes,
                extra=extra,
                wheels=wheels,
                name=facts.name,
                version=facts.version,
                seconds=seconds,
            )
        except OSError as problem:
            return f"not kept in the cache: {(problem.strerror or str(problem)).lower()}"
        return ""

    def _sources(self) -> tuple[str, ...]:
        """Return the fingerprints of the sources that the wheel is of."""
        if self.before is None:
            return (self.recipe.source,)
        after = fingerprint.read_tree(self.tree, self.ignored)
        return () if after is None else self.before.after_build(after)
