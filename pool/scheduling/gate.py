"""The limiter made awaitable: each build, download and install waits here for a slot.

A gate belongs to one event loop. If a waiter is cancelled right after being admitted, its slot goes
to the next waiter.
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
    """An admission policy that also knows reservations and is notified of refusals."""

    def reserved_bytes(self, key: Hashable) -> int:
        """Return the bytes reserved for an entry that was admitted."""
        ...

    def on_refuse(self, refused: Sequence[Hashable], running: Collection[Hashable]) -> None:
        """Record the entries that a free slot was for, but that do not fit beside ``running``."""
        ...


class Gate:
    """A cap that can be changed and paused at any moment.

    Args:
        cap: the cap at the start.
        policy: decides whether an entry fits; None if a free slot is enough.
    """

    def __init__(
        self,
        cap: int,
        policy: AdmissionPolicy | None = None,
    ) -> None:
        self._limiter: Limiter[Hashable] = Limiter(cap, policy)
        self._policy = policy
        self._waiters: dict[Hashable, asyncio.Future[None]] = {}
        self.cap = cap
        """The cap while the gate is not paused, restored by `resume`."""
        self.paused = False

    @property
    def running(self) -> Sequence[Hashable]:
        """The keys that hold a slot."""
        return tuple(self._limiter.running)

    @property
    def waiting(self) -> Sequence[Hashable]:
        """The keys that wait, the next one first."""
        return self._limiter.waiting

    async def acquire(
        self,
        key: Hashable,
        priority: Priority,
        *,
        group: Hashable = None,
        exclusive: bool = False,
    ) -> int:
        """Wait for a slot; return its number, from 1.

        Args:
            key: neither waits nor runs yet.
            priority: the rank and more; the lowest is admitted first.
            group: the groups take turns; a group is one run.
            exclusive: the entry is admitted when no other one runs, and is the only one to run
                until it releases the slot.
        """
        self._wake(self._limiter.request(key, priority, group=group, exclusive=exclusive))
        if key not in self._limiter.running:
            await self._wait(key)
        return self._limiter.running[key]

    async def _wait(self, key: Hashable) -> None:
        waiter = self._waiters[key] = asyncio.get_running_loop().create_future()
        try:
            await waiter
        except asyncio.CancelledError:
            # The entry waits or was just admitted: in both cases the limiter admits the next one.
            self.release(key)
            raise
        finally:
            del self._waiters[key]

    def release(self, key: Hashable) -> None:
        """Release a slot and admit the next entries."""
        self._wake(self._limiter.remove(key))

    @asynccontextmanager
    async def slot(
        self, key: Hashable, priority: Priority, *, group: Hashable = None
    ) -> AsyncIterator[int]:
        """Hold a slot for the length of a block."""
        number = await self.acquire(key, priority, group=group)
        try:
            yield number
        finally:
            self.release(key)

    def resize(self, cap: int) -> None:
        """Set the cap, at least 1; slots that are held stay held."""
        self.cap = cap
        if not self.paused:
            self._wake(self._limiter.resize(cap))

    def resize_group(self, group: Hashable, cap: int | None) -> None:
        """Set the cap of one group; 0 admits none of it, None leaves it to the gate's cap."""
        self._wake(self._limiter.resize_group(group, cap))

    def remove_group(self, group: Hashable) -> None:
        """Forget a group, none of whose entries waits or holds a slot."""
        self._limiter.remove_group(group)

    def pause(self) -> None:
        """Stop admitting; slots that are held stay held."""
        self.paused = True
        self._limiter.resize(0)

    def resume(self) -> None:
        """Admit again, up to the cap."""
        self.paused = False
        self._wake(self._limiter.resize(self.cap))

    def reserved_bytes(self, key: Hashable) -> int:
        """Return the bytes that the policy has reserved for an entry; 0 without a policy."""
        return self._policy.reserved_bytes(key) if self._policy is not None else 0

    def reconsider(self) -> None:
        """Admit the entries that fit now that the policy's answers may have changed."""
        self._wake(self._limiter.reconsider())

    def _wake(self, admitted: Sequence[Hashable]) -> None:
        if self._policy is not None and self._limiter.refused:
            self._policy.on_refuse(self._limiter.refused, self._limiter.running)
        for key in admitted:
            # An entry that is admitted by its own request has no waiter.
            if (waiter := self._waiters.get(key)) is not None and not waiter.done():
                waiter.set_result(None)
