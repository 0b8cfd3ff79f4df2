"""Cancellation of blocking work. A thread cannot be interrupted, so long work checks a flag.

`pool.common.aio.in_thread` sets the flag when its caller is cancelled. Work that may take long
calls `check_cancelled` now and then, however deep it is; elsewhere that does nothing.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["WorkCancelledError", "check_cancelled", "observe_flag"]

_thread = threading.local()


class WorkCancelledError(BaseException):
    """The result of this work is not wanted any more; no ``except Exception`` handles it."""


@contextmanager
def observe_flag(flag: threading.Event) -> Iterator[None]:
    """Let `check_cancelled` read this flag in the current thread."""
    _thread.flag = flag
    try:
        yield
    finally:
        _thread.flag = None


def check_cancelled() -> None:
    """Do nothing, or end the work of this thread.

    Raises:
        WorkCancelledError: the caller was cancelled.
    """
    flag: threading.Event | None = getattr(_thread, "flag", None)
    if flag is not None and flag.is_set():
        raise WorkCancelledError
