"""The limiter made awaitable: the only thing that lets a build, download or install go on.

It belongs to one event loop. Who is cancelled just after being let in passes the slot on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from pool.scheduling.limiter import Admission, Limiter, Priority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Sequence

__all__ = ["AdmissionPolicy", "Gate"]


class AdmissionPolicy(Admission[Hashable], Protocol):
    """Says who fits, and hears who does not."""

    def reserved(self, who: Hashable) -> int:
        """Return what is set aside for somebody who was let in."""
        ...

    def refused(self, refused: Sequence[Hashable], running: Collection[Hashable]) -> None:
        """Take note of who could have had a slot just now, but did not fit beside those who run."""
        ...


class Gate:
    """A cap that can be changed and paused at any moment.

    Args:
        cap: at the start.
        judge: says who fits, where a free slot is not all that it takes.
    """

    def __init__(
        self,
        cap: int,
        judge: AdmissionPolicy | None = None,
    ) -> None:
        self._limiter: Limiter[Hashable] = Limiter(cap, judge)
        self._judge = judge
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

    async def acquire(self, who: Hashable, priority: Priority, *, alone: bool = False) -> int:
        """Wait until ``who`` may go on; return the number of the slot, from 1.

        ``alone`` lets them in when nobody else runs, and nobody else until they leave.
        """
        self._call(self._limiter.request(who, priority, alone=alone))
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

    def reserved(self, who: Hashable) -> int:
        """Return what the judge has set aside for somebody; 0 where there is none."""
        return self._judge.reserved(who) if self._judge is not None else 0

    def reconsider(self) -> None:
        """Let in who fits now: the judge may say something else than before."""
        self._call(self._limiter.reconsider())

    def _call(self, let_in: Sequence[Hashable]) -> None:
        if self._judge is not None and self._limiter.refused:
            self._judge.refused(self._limiter.refused, self._limiter.running)
        for who in let_in:
            # Whoever is let in by their own request has no call to wait for.
            if (called := self._calls.get(who)) is not None and not called.done():
                called.set_result(None)
