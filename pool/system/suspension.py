"""Stopping this process together with its hooks, as Ctrl-Z does in a shell.

A hook leads a session of its own, so the terminal's SIGTSTP does not reach it: compilers would go
on while no sample is taken. The time of the stop counts for no build, limit or timeout that is
measured with `SystemClock`.
"""

from __future__ import annotations

import time
import weakref
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

from pool.common.clock import exclude_from_clock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

__all__ = ["Suspendable", "register_suspendable", "suspended"]


class Suspendable(Protocol):
    """An object whose processes stop together with this process."""

    def suspended(self) -> AbstractContextManager[None]:
        """Stop the processes for the length of a block, and start none meanwhile."""
        ...


_registered: weakref.WeakSet[Suspendable] = weakref.WeakSet()


def register_suspendable(suspendable: Suspendable) -> None:
    """Let `suspended` stop the processes of an object, as long as the object lives."""
    _registered.add(suspendable)


@contextmanager
def suspended() -> Iterator[None]:
    """Stop all hooks for the length of a block, in which the caller stops this process.

    A signal handler may call it, on a thread that runs no event loop of a pool.
    """
    stopped_at = time.monotonic()
    with ExitStack() as stack:
        for suspendable in list(_registered):
            stack.enter_context(suspendable.suspended())
        try:
            yield
        finally:
            exclude_from_clock(time.monotonic() - stopped_at)
