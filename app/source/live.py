"""A run in this process: a pool with one run, in a thread with an event loop of its own.

The thread keeps the screen and the engine from delaying each other: events go to the screen through
a queue, controls come back as data. A run of another process is in `app.source.attached`.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import pool
from app.runs.crash_report import describe_error, write_traceback

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["LiveSession"]

INTERNAL_ERROR = 3
"""The exit code of an error of wheelpool's own."""
_END = None
"""The last item of the queue; it wakes a reader that waits."""


class LiveSession:
    """A private pool with one run.

    Args:
        settings: the settings of the pool and of the run.
        request: the requirements to build, fetch or install.

    Raises:
        PoolError: the settings cannot be used; nothing has been started.
    """

    live = True
    attached = False
    generation = 0

    def __init__(self, settings: pool.Settings, request: pool.Request) -> None:
        self._events: queue.SimpleQueue[pool.events.Event | None] = queue.SimpleQueue()
        self._controls: deque[pool.Control] = deque()
        self._active = False
        self._ahead: list[pool.events.Event] = []
        self._ended = False
        # The loop runs here until the run is created, and then in the thread.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        try:
            self._loop = self._runner.get_loop()
            created = self._runner.run(self._create(settings, request))
        except BaseException:
            self._runner.close()
            raise
        self._pool, self._run = created
        self._thread = threading.Thread(target=self._run_thread, name="engine")
        self.exit_code: int | None = None
        """None until the run has ended."""
        self.error: str | None = None
        """The error of wheelpool's own that ended the run, and the file with its traceback."""

    async def _create(
        self, settings: pool.Settings, request: pool.Request
    ) -> tuple[pool.Pool, pool.Run]:
        the_pool = await pool.Pool.create(settings)
        try:
            run = await the_pool.create_run(settings, request, self._events.put)
        except BaseException:
            await the_pool.aclose()
            raise
        return the_pool, run

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self._run.journal

    @property
    def header(self) -> pool.events.Header:
        """Line 1 of the journal."""
        return self._run.header

    @property
    def exhausted(self) -> bool:
        """Whether the run has ended, and all events have been polled."""
        return self._ended and not self._ahead

    def start(self) -> None:
        """Start the run; once."""
        self._thread.start()

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the end of the thread, at most so long; return whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def poll(self) -> Sequence[pool.events.Event]:
        """Return the events since the last call, in order; never blocks."""
        self._take(0.0)
        batch, self._ahead = self._ahead, []
        return batch

    def wait(self, seconds: float) -> None:
        """Return as soon as there is an event to poll, or the run has ended."""
        if not self._ahead and not self._ended:
            self._take(seconds)

    def _take(self, seconds: float) -> None:
        with suppress(queue.Empty):
            event = self._events.get(timeout=seconds) if seconds else self._events.get_nowait()
            while event is not _END:
                self._ahead.append(event)
                event = self._events.get_nowait()
            self._ended = True

    def send(self, control: pool.Control) -> None:
        """Send a control: from any thread, from a signal handler, at any time.

        A control that comes before the start is applied at the start; one that comes after the end
        is ignored.
        """
        # Without a lock, so that a signal handler can interrupt a sender: the control is in the
        # deque before the flag is read, and the run reads the deque once the flag is set.
        self._controls.append(control)
        if self._active:
            with suppress(RuntimeError):  # The loop is closed.
                self._loop.call_soon_threadsafe(self._apply_controls)

    def _apply_controls(self) -> None:
        while self._controls and self._active:
            self._run.control(self._controls.popleft())

    def _run_thread(self) -> None:
        try:
            with self._runner as runner:
                self.exit_code = runner.run(self._run_to_end())
        except BaseException as problem:  # noqa: BLE001 - a bug of ours: reported to the user, not on stderr
            if (shortage := pool.shortage_error(problem)) is not None:
                self.error, self.exit_code = f"{shortage.message}; {shortage.hint}", 1
                return
            where = write_traceback(problem, pool.logs_path(self.journal) / "traceback.txt")
            self.error = f"an error of wheelpool's own: {describe_error(problem)} ({where})"
            self.exit_code = INTERNAL_ERROR
        finally:
            self._events.put(_END)

    async def _run_to_end(self) -> int:
        async with self._pool:
            self._active = True
            self._loop.call_soon(self._apply_controls)
            try:
                return await self._run.run()
            finally:
                self._active = False
