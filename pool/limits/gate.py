"""The limiter made awaitable: the only thing that lets a build, download or install go on.

It belongs to one event loop. Who is cancelled just after being let in passes the slot on.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pool.limits.limiter import Limiter, Priority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Hashable, Sequence

__all__ = ["Gate"]


class Gate:
    """A cap that can be changed and paused at any moment."""

    def __init__(self, cap: int) -> None:
        self._limiter: Limiter[Hashable] = Limiter(cap)
        self._calls: dict[Hashable, asyncio.Future[None]] = {}
        self.cap = cap
        """The cap while not paused, and the one that comes back on resume."""
        self.paused = False

    @property
    def running(self) -> Sequence[Hashable]:
        """Who is in."""
        return tuple(self._limiter.running)

    @property
    def waiting(self) -> Sequence[Hashable]:
        """Who waits, the next one first."""
        return self._limiter.waiting

    async def acquire(self, who: Hashable, priority: Priority) -> int:
        """Wait until ``who`` may go on; return the number of the slot, from 1."""
        self._call(self._limiter.request(who, priority))
        if who not in self._limiter.running:
            await self._turn(who)
        return self._limiter.running[who]

    async def _turn(self, who: Hashable) -> None:
        called = self._calls[who] = asyncio.get_running_loop().create_future()
        try:
            await called
        except asyncio.CancelledError:
            # Waiting still, or let in a moment ago: either way the limiter lets the next one in.
            self.release(who)
            raise
        finally:
            del self._calls[who]

    def release(self, who: Hashable) -> None:
        """Let somebody out, and the next ones in."""
        self._call(self._limiter.leave(who))

    @asynccontextmanager
    async def slot(self, who: Hashable, priority: Priority) -> AsyncIterator[int]:
        """Hold a slot for the length of a block."""
        number = await self.acquire(who, priority)
        try:
            yield number
        finally:
            self.release(who)

    def resize(self, cap: int) -> None:
        """Set the cap, at least 1; those who are in stay in."""
        self.cap = cap
        if not self.paused:
            self._call(self._limiter.resize(cap))

    def pause(self) -> None:
        """Let nobody in; those who are in go on."""
        self.paused = True
        self._limiter.resize(0)

    def resume(self) -> None:
        """Let in again, up to the cap."""
        self.paused = False
        self._call(self._limiter.resize(self.cap))

    def _call(self, let_in: Sequence[Hashable]) -> None:
        for who in let_in:
            # Whoever is let in by their own request has no call to wait for.
            if (called := self._calls.get(who)) is not None and not called.done():
                called.set_result(None)
