"""The run of another process as an `EventSource`: its journal is followed.

The journal is read once, by whole lines; the source ends when the process has ended, too. Controls
are sent to the run's control socket on a thread of their own, so a run that does not answer cannot
delay the screen. Detaching changes nothing in the run.
"""

from __future__ import annotations

import queue
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Self

import pool
from app.runs.store import is_running

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["AttachedSource"]

_CHECK_SECONDS = 1.0
"""The interval of checks whether the process still runs, while no event comes."""
_POLL_SECONDS = 0.05
_SEND_TIMEOUT_SECONDS = 2.0
"""The time for sending the last controls on detach."""


class AttachedSource:
    """Follows another process's run; see `EventSource`.

    Args:
        journal: the journal of the run.
        clock: the clock for the checks whether the process still runs.

    Raises:
        JournalError: the file is no journal.
    """

    live = True
    attached = True
    generation = 0

    def __init__(self, journal: Path, clock: pool.Clock) -> None:
        self._reader = pool.JournalReader(journal)
        self.journal = self._reader.path
        self.header = self._reader.header
        self.exit_code: int | None = None
        """The exit code of the run; None while it runs, and if it was killed."""
        self.error: str | None = None
        """Why the journal cannot be followed any longer."""
        self.on_refusal: Callable[[str], None] = _ignore
        """Called with the reason of each rejected control, on the thread that polls."""
        self._started = datetime.fromisoformat(self.header.started)
        self._clock = clock
        self._checked = clock.monotonic()
        self._ahead: list[pool.events.Event] = []
        self._seq = 0
        self._ended = False
        self._controls: queue.SimpleQueue[pool.Control | None] = queue.SimpleQueue()
        self._refusals: queue.SimpleQueue[str] = queue.SimpleQueue()
        # A daemon thread: a run that hangs does not keep this process from ending.
        self._sender = threading.Thread(target=self._send_controls, name="sender", daemon=True)
        self._sender.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Detach; the run continues."""
        self._controls.put(None)
        self._sender.join(_SEND_TIMEOUT_SECONDS)
        self._reader.close()

    @property
    def name(self) -> str:
        """The name that finds the run again: its id, or a journal outside of the state folder."""
        run = self.header.run
        return run if self.journal.parent.name == run else str(self.journal)

    @property
    def exit_code_on_leave(self) -> int:
        """The exit code on detach: the run's, 1 if it is unknown, 0 while the run continues."""
        return int(self._ended) if self.exit_code is None else self.exit_code

    @property
    def exhausted(self) -> bool:
        """Whether the run has ended, or was killed, and all events have been polled."""
        return self._ended and not self._ahead

    def poll(self) -> Sequence[pool.events.Event]:
        """Return the events since the last call, in order; never blocks."""
        while not self._refusals.empty():
            self.on_refusal(self._refusals.get())
        self._read()
        batch, self._ahead = self._ahead, []
        return batch

    def wait(self, seconds: float) -> None:
        """Return as soon as there is an event to poll, or the run has ended."""
        until = self._clock.monotonic() + seconds
        self._read()
        while not self._ahead and not self._ended and self._clock.monotonic() < until:
            time.sleep(_POLL_SECONDS)
            self._read()

    def send(self, control: pool.Control) -> None:
        """Send a control: from any thread, at any time; in order, without waiting.

        A control after the end of the run is ignored.
        """
        if not self._ended:
            self._controls.put(control)

    def _send_controls(self) -> None:
        while (control := self._controls.get()) is not None:
            try:
                refused = pool.send_control(self.journal, control).refused
            except pool.RunError as problem:
                refused = problem.message
            if refused:
                self._refusals.put(pool.clean_line(refused))

    def _read(self) -> None:
        if self._ended:
            return
        before = self._seq
        try:
            self._read_events()
            if self._seq == before and not self._ended and self._process_ended():
                # Events that it wrote between the last read and its end.
                self._read_events()
                self._ended = True
        except pool.JournalError as problem:
            self.error = problem.message
            self._ended = True

    def _read_events(self) -> None:
        for event in self._reader.read():
            if event.seq != self._seq + 1:
                raise pool.JournalError(
                    f"{self.journal}: another run writes to it: event {event.seq} after {self._seq}"
                )
            self._seq = event.seq
            self._ahead.append(event)
            if isinstance(event, pool.events.RunFinished):
                self.exit_code = event.exit_code
                self._ended = True

    def _process_ended(self) -> bool:
        """Return whether the process of the run has ended; checked once a second."""
        now = self._clock.monotonic()
        if now - self._checked < _CHECK_SECONDS:
            return False
        self._checked = now
        return not is_running(self.header.run, self._started)


def _ignore(_text: str) -> None:
    """Ignore the reason of a rejected control."""
