"""The limiter made awaitable: each build, download and install waits here for a slot.

A gate belongs to one event loop. Admission and the callback `on_admit` are one step: no control can
come between them, so an event that the callback emits is never later than a lower cap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from pool.common.record import MutableRecord
from pool.scheduling.limiter import Admission, Limiter, Priority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

__all__ = ["AdmissionPolicy", "Gate"]


class AdmissionPolicy(Admission[Hashable], Protocol):
    """An admission policy that also knows reservations and is notified of refusals."""

    def reserved_bytes(self, key: Hashable) -> int:
        """Return the bytes reserved for an entry that was admitted."""
        ...

    def on_refuse(self, refused: Sequence[Hashable], running: Collection[Hashable]) -> None:
        """Record the entries that a free slot was for, but that do not fit beside ``running``."""
        ...


class _Waiter(MutableRecord, eq=False):
    """One entry whose task waits for a slot."""

    future: asyncio.Future[None]
    on_admit: Callable[[int], None] | None


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
        self._waiters: dict[Hashable, _Waiter] = {}
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
        on_admit: Callable[[int], None] | None = None,
    ) -> int:
        """Wait for a slot; return its number, from 1.

        Args:
            key: neither waits nor runs yet.
            priority: the rank and more; the lowest is admitted first.
            group: the groups take turns; a group is one run.
            exclusive: the entry is admitted when no other one runs, and is the only one to run
                until it releases the slot.
            on_admit: called with the number in the step that admits the entry. From then on the
                caller releases the slot, also if this call is cancelled before it returns.
        """
        # The waiter exists before the request, so that `_wake` handles every admission alike.
        waiter = _Waiter(asyncio.get_running_loop().create_future(), on_admit)
        self._waiters[key] = waiter
        try:
            self._wake(self._limiter.request(key, priority, group=group, exclusive=exclusive))
            if not waiter.future.done():
                await waiter.future
        except asyncio.CancelledError:
            # A waiter without a callback may have been admitted: the next entry gets its slot.
            if on_admit is None or waiter.future.cancelled():
                self.release(key)
            raise
        finally:
            del self._waiters[key]
        return self._limiter.running[key]

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
            waiter = self._waiters[key]
            # A cancelled waiter releases its slot when its task runs next.
            if not waiter.future.done():
                waiter.future.set_result(None)
                if waiter.on_admit is not None:
                    waiter.on_admit(self._limiter.running[key])
