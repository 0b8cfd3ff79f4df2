"""Downloads of files from indexes and URLs, under the downloads cap, with their events."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from msgspec import field

from pool.common.record import MutableRecord, Record
from pool.events.types import DownloadFinished, DownloadProgress, DownloadStarted
from pool.sources.index.file_cache import filename_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pool.common.model import BuildId, RunId
    from pool.events.bus import EventBus
    from pool.scheduling.gate import Gate
    from pool.sources.index.client import CachedFile, IndexClient, IndexFile

__all__ = ["Fetcher"]

_PROGRESS_SECONDS = 0.25


class Fetcher(Record, frozen=True, kw_only=True):
    """The index client behind the downloads gate, for one run."""

    run: RunId
    index: IndexClient
    gate: Gate
    bus: EventBus

    async def fetch(
        self,
        file: IndexFile,
        build: BuildId | None,
        required_hashes: frozenset[str] = frozenset(),
    ) -> CachedFile:
        """Download a file, or find it in the cache; its hashes are verified.

        Args:
            file: a file that an index lists.
            build: the build that needs it; None if the run as a whole does.
            required_hashes: ``sha256:<digest>``; the file must have one of them, if there are any.

        Raises:
            PoolError: the file cannot be downloaded, or does not have the promised or required
                hashes.
        """
        if (cached := await self.index.find_cached(file, required_hashes)) is not None:
            return cached
        async with self._download(file.filename, file.size, build) as progress:
            return await self.index.fetch(file, progress, required_hashes=required_hashes)

    async def fetch_url(
        self, url: str, build: BuildId, required_hashes: frozenset[str]
    ) -> CachedFile:
        """Download the file at a URL, as `fetch` does."""
        async with self._download(filename_in(url), None, build) as progress:
            return await self.index.fetch_url(
                url, on_progress=progress, required_hashes=required_hashes
            )

    @asynccontextmanager
    async def _download(
        self, name: str, size: int | None, build: BuildId | None
    ) -> AsyncIterator[_ProgressEvents]:
        """Hold a slot of the gate, between the events of start and end."""
        async with self.gate.slot((self.run, build, name), (0, 0.0, 0), group=self.run):
            self.bus.emit(DownloadStarted(build=build, file=name, total=size))
            progress = _ProgressEvents(self.bus, build, name)
            ok = False
            try:
                yield progress
                ok = True
            finally:
                self.bus.emit(DownloadFinished(build=build, file=name, bytes=progress.bytes, ok=ok))


class _ProgressEvents(MutableRecord):
    """Emits the progress of one download, at most four times a second (a `Progress`)."""

    bus: EventBus
    build: BuildId | None
    file: str
    bytes: int = 0
    emitted_at: float = field(default=float("-inf"))

    def __call__(self, received: int, total: int | None) -> None:
        self.bytes = received
        if (now := self.bus.elapsed) - self.emitted_at >= _PROGRESS_SECONDS:
            self.emitted_at = now
            event = DownloadProgress(build=self.build, file=self.file, bytes=received, total=total)
            self.bus.emit(event)
