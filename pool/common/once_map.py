"""A map whose values are computed once, even if several builds request a key at the same time.

The first request computes the value; the others wait for it. If the first is cancelled, the next
one computes it. A failure is raised for all waiting requests and not stored.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

__all__ = ["OnceMap"]

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class OnceMap(Generic[K, V]):
    """Values by key; belongs to one event loop."""

    def __init__(self) -> None:
        self.results: dict[K, V] = {}
        self._running: dict[K, asyncio.Future[None]] = {}

    async def get(self, key: K, make: Callable[[], Awaitable[V]]) -> V:
        """Return the value of a key; compute it if it is neither stored nor being computed."""
        while key not in self.results:
            if (running := self._running.get(key)) is None:
                await self._make(key, make)
            else:
                await asyncio.shield(running)
        return self.results[key]

    async def _make(self, key: K, make: Callable[[], Awaitable[V]]) -> None:
        running = self._running[key] = asyncio.get_running_loop().create_future()
        # Retrieve the exception: asyncio logs one that is never retrieved.
        running.add_done_callback(lambda future: future.exception())
        try:
            self.results[key] = await make()
        except Exception as problem:
            running.set_exception(problem)
            raise
        finally:
            del self._running[key]
            if not running.done():
                running.set_result(None)
