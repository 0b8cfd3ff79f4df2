"""Background tasks of a pool, none of which can end a run.

A task that fails becomes a note in the journal of each run. It is started again after a while, and
given up after a few failures.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pool.common.errors import os_error_text
from pool.common.redaction import redact_urls
from pool.events.types import Note

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pool.events.router import EventRouter

__all__ = ["Housekeeping"]

RESTART_SECONDS = 5.0
_MAX_FAILURES = 3


class Housekeeping:
    """The background tasks of one pool; belongs to one event loop.

    Args:
        router: the runs in whose journals failures are noted.
    """

    def __init__(self, router: EventRouter) -> None:
        self._router = router
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, label: str, work: Callable[[], Awaitable[None]]) -> None:
        """Start a task.

        Args:
            label: the subject of the note about a failure.
            work: called again after a failure.
        """
        task = asyncio.get_running_loop().create_task(self._supervise(label, work), name=label)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _supervise(self, label: str, work: Callable[[], Awaitable[None]]) -> None:
        for _ in range(_MAX_FAILURES):
            try:
                await work()
            except Exception as problem:  # noqa: BLE001 - housekeeping never ends a run
                self._router.broadcast(Note(text=f"{label} failed: {_reason(problem)}"))
                await asyncio.sleep(RESTART_SECONDS)
            else:
                return

    async def aclose(self) -> None:
        """Cancel all tasks and wait for them."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reason(problem: Exception) -> str:
    if isinstance(problem, OSError):
        return os_error_text(problem)
    return redact_urls(f"{type(problem).__name__}: {problem}")
