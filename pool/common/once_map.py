"""Values that are computed once: one at its first use, or many by key.

Of a map, several builds may request a key at the same time: the first request computes the value;
the others wait for it. If the first is cancelled, the next one computes it. A failure is raised for
all waiting requests and not stored.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

__all__ = ["Lazy", "OnceMap"]

K = TypeVar("K", bound="Hashable")
V = TypeVar("V")


class Lazy(Generic[V]):
    """A value that is made when it is first used; belongs to one thread.

    Most parts of a pool serve builds that really run. A build whose wheel is cached uses none of
    them, so they are neither made nor imported: that would take several times as long.

    Args:
        make: makes the value; if it raises, the next use calls it again.
    """

    __slots__ = ("_make", "existing")

    def __init__(self, make: Callable[[], V]) -> None:
        self._make = make
        self.existing: V | None = None
        """None until the value is used."""

    def get(self) -> V:
        """Return the value, made now if it was not used before."""
        if self.existing is None:
            self.existing = self._make()
        return self.existing


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
