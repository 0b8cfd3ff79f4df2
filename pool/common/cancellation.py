"""Cancellation of blocking work. A thread cannot be interrupted, so long work checks a flag.

`pool.common.aio.in_thread` sets the flag when its caller is cancelled. Work that may take long
calls `check_cancelled` now and then, however deep it is; elsewhere that does nothing.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

__all__ = ["WorkCancelledError", "check_cancelled", "observe_flag"]

_flag: ContextVar[threading.Event | None] = ContextVar("flag", default=None)
"""Each thread has a context of its own."""


class WorkCancelledError(BaseException):
    """The result of this work is not wanted any more; no ``except Exception`` handles it."""


@contextmanager
def observe_flag(flag: threading.Event) -> Iterator[None]:
    """Let `check_cancelled` read this flag in the current thread."""
    token = _flag.set(flag)
    try:
        yield
    finally:
        _flag.reset(token)


def check_cancelled() -> None:
    """Do nothing, or end the work of this thread.

    Raises:
        WorkCancelledError: the caller was cancelled.
    """
    flag = _flag.get()
    if flag is not None and flag.is_set():
        raise WorkCancelledError
