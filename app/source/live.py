"""Where events come from and where commands go: the seam between a run and its faces.

A face (screen or printer) polls an `EventSource`, folds what it gets into a `RunState` of its own,
and sends `Control` values back. It cannot tell a live run from a replay but by `live`.
`LiveSession` is the own one: the engine in a thread of its own with a loop of its own, so that
neither can make the other stutter. That of another process is in `app.source.attached`.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import traceback
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

import pool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["LiveSession"]

OWN_ERROR = 3
"""The exit code of an error of wheelpool's own."""
_END = None
"""What the engine's thread says last; it wakes a face that waits."""


class LiveSession:
    """A run that goes on in this process.

    Args:
        settings: what was asked for.
        request: what to build, fetch or install.
        linger: stay when all is built, for retries, until a `Stop` comes.

    Raises:
        PoolError: the settings cannot be used; nothing has been started.
    """

    live = True
    attached = False
    generation = 0

    def __init__(
        self, settings: pool.Settings, request: pool.Request, *, linger: bool = False
    ) -> None:
        self._events: queue.SimpleQueue[pool.events.Event | None] = queue.SimpleQueue()
        self._pool = pool.Pool(settings, request, self._events.put, linger=linger)
        self._controls: deque[pool.Control] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ahead: list[pool.events.Event] = []
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="engine")
        self.exit_code: int | None = None
        """None until the run has ended."""
        self.error: str | None = None
        """What went wrong if the engine itself broke, and where the traceback is."""

    @property
    def journal(self) -> Path:
        """The journal's file."""
        return self._pool.journal

    @property
    def header(self) -> pool.events.Header:
        """Line 1 of the journal."""
        return self._pool.header

    @property
    def done(self) -> bool:
        """Whether the engine has ended, and all has been polled."""
        return self._ended and not self._ahead

    def start(self) -> None:
        """Let the engine go; once."""
        self._thread.start()

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the engine's end, at most so long; return whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def poll(self) -> Sequence[pool.events.Event]:
        """Return what has happened since the last call, in order; never blocks."""
        self._take(0.0)
        batch, self._ahead = self._ahead, []
        return batch

    def wait(self, seconds: float) -> None:
        """Return as soon as there is something to poll, or the engine has ended."""
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
        """Pass a command on: from any thread, from a signal handler, at any time.

        One that comes early is obeyed when the engine has begun, one that comes late by nobody.
        """
        # Without a lock, so that a handler can interrupt a sender: the command is in the queue
        # before the loop is looked for, and the engine looks into the queue once it has a loop.
        self._controls.append(control)
        if (loop := self._loop) is not None:
            with suppress(RuntimeError):  # The loop is closed.
                loop.call_soon_threadsafe(self._obey)

    def _obey(self) -> None:
        while self._controls and self._loop is not None:
            self._pool.control(self._controls.popleft())

    def _work(self) -> None:
        try:
            with asyncio.Runner() as runner:
                self.exit_code = runner.run(self._run())
        except BaseException as problem:  # noqa: BLE001 - a bug of ours: told to the user, not to stderr
            self.error = _kept(problem, pool.logs_path(self.journal))
            self.exit_code = OWN_ERROR
        finally:
            self._events.put(_END)

    async def _run(self) -> int:
        self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self._obey)
        try:
            return await self._pool.run()
        finally:
            self._loop = None


def _kept(problem: BaseException, folder: Path) -> str:
    """Write a traceback where the run's logs are; return one line about it."""
    file = folder / "traceback.txt"
    first = problem
    while isinstance(
        first, BaseExceptionGroup
    ):  # Groups of tasks say no more than how many there are.
        first = first.exceptions[0]
    what = pool.redact_urls(f"an error of wheelpool's own: {type(first).__name__}: {first}")
    try:
        file.write_text(pool.redact_urls("".join(traceback.format_exception(problem))))
    except OSError as refused:
        return f"{what} (no traceback kept: {refused})"
    return f"{what} (traceback: {file})"
