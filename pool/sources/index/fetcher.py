"""Files from indexes and URLs, under the downloads cap, with their events."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pool.events.types import DownloadFinished, DownloadProgress, DownloadStarted
from pool.sources.index.file_cache import name_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pool.build.job import BuildJob
    from pool.common.model import BuildId
    from pool.events.bus import EventBus
    from pool.scheduling.gate import Gate
    from pool.sources.index.client import Fetched, IndexClient, IndexFile

__all__ = ["Fetcher"]

_PROGRESS_SECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetcher:
    """One for the whole pool."""

    index: IndexClient
    gate: Gate
    bus: EventBus

    async def fetch(
        self, file: IndexFile, job: BuildJob | None, demanded: frozenset[str] = frozenset()
    ) -> Fetched:
        """Download a file, or find it in the cache; its digest is right when this returns.

        Args:
            file: one that an index lists.
            job: the build that it is for; None where it is for the run as a whole.
            demanded: ``sha256:<digest>``, one of which it must have; empty where all are good.

        Raises:
            PoolError: it cannot be had, or is not what was promised or demanded.
        """
        if (cached := self.index.cached(file, demanded)) is not None:
            return cached
        async with self._told(file.filename, file.size, job) as progress:
            return await self.index.fetch(file, progress, demanded=demanded)

    async def fetch_url(self, url: str, job: BuildJob, demanded: frozenset[str]) -> Fetched:
        """Download what a URL points at, as `fetch` does."""
        async with self._told(name_in(url), None, job) as progress:
            return await self.index.fetch_url(url, on_progress=progress, demanded=demanded)

    @asynccontextmanager
    async def _told(
        self, name: str, size: int | None, job: BuildJob | None
    ) -> AsyncIterator[_Progress]:
        build = None if job is None else job.id
        async with self.gate.slot((build, name), (0, 0.0, 0)):
            self.bus.emit(DownloadStarted(build=build, file=name, total=size))
            seen = _Progress(self.bus, build, name)
            ok = False
            try:
                yield seen
                ok = True
            finally:
                self.bus.emit(DownloadFinished(build=build, file=name, bytes=seen.bytes, ok=ok))


@dataclass(slots=True)
class _Progress:
    """Tells of a download at most a few times a second."""

    bus: EventBus
    build: BuildId | None
    file: str
    bytes: int = 0
    told: float = field(default=float("-inf"))

    def __call__(self, done: int, total: int | None) -> None:
        self.bytes = done
        if (now := self.bus.elapsed) - self.told >= _PROGRESS_SECONDS:
            self.told = now
            told = DownloadProgress(build=self.build, file=self.file, bytes=done, total=total)
            self.bus.emit(told)
