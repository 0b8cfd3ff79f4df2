"""A run that goes on in another process, as an `EventSource`: its journal is followed.

What is written is read once, by whole lines; that the process is gone is noticed as well. Commands
go through the run's door on a thread of their own, so that a run that does not answer cannot make
a screen stutter. Deliberately no hold on the run: whoever stops looking has changed nothing.
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

_LOOK_SECONDS = 1.0
"""How often it is looked whether the process is still there, while nothing is written."""
_NAP_SECONDS = 0.05
_PATIENCE_SECONDS = 2.0
"""For the last commands to be delivered."""


class AttachedSource:
    """Follows another process's run; see `EventSource`.

    Args:
        journal: the run's.
        clock: says when to look again whether the process is there.

    Raises:
        JournalError: it is no log.
    """

    live = True
    attached = True
    generation = 0

    def __init__(self, journal: Path, clock: pool.Clock) -> None:
        self._reader = pool.JournalReader(journal)
        self.journal = self._reader.path
        self.header = self._reader.header
        self.exit_code: int | None = None
        """The run's; None while it goes on, and if it was killed."""
        self.error: str | None = None
        """Why the log cannot be followed any more."""
        self.on_refusal: Callable[[str], None] = _ignore
        """Gets each command's refusal, on the thread that polls."""
        self._started = datetime.fromisoformat(self.header.started)
        self._clock = clock
        self._looked = clock.monotonic()
        self._ahead: list[pool.events.Event] = []
        self._seq = 0
        self._ended = False
        self._commands: queue.SimpleQueue[pool.Control | None] = queue.SimpleQueue()
        self._refusals: queue.SimpleQueue[str] = queue.SimpleQueue()
        # A run that hangs keeps nobody from leaving.
        self._messenger = threading.Thread(target=self._deliver, name="messenger", daemon=True)
        self._messenger.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Let go; the run goes on."""
        self._commands.put(None)
        self._messenger.join(_PATIENCE_SECONDS)
        self._reader.close()

    @property
    def name(self) -> str:
        """What finds the run again: its id, or its log where that is somewhere else."""
        run = self.header.run
        return run if self.journal.parent.name == run else str(self.journal)

    @property
    def exit_code_on_leave(self) -> int:
        """The exit code for who leaves: the run's; 1 if nobody knows it, 0 while it goes on."""
        return int(self._ended) if self.exit_code is None else self.exit_code

    @property
    def done(self) -> bool:
        """Whether the run has ended, or was killed, and all has been polled."""
        return self._ended and not self._ahead

    def poll(self) -> Sequence[pool.events.Event]:
        """Return what has been written since the last call, in order; never blocks."""
        while not self._refusals.empty():
            self.on_refusal(self._refusals.get())
        self._read()
        batch, self._ahead = self._ahead, []
        return batch

    def wait(self, seconds: float) -> None:
        """Return as soon as there is something to poll, or the run has ended."""
        until = self._clock.monotonic() + seconds
        self._read()
        while not self._ahead and not self._ended and self._clock.monotonic() < until:
            time.sleep(_NAP_SECONDS)
            self._read()

    def send(self, control: pool.Control) -> None:
        """Pass a command on: from any thread, at any time; in order, and without waiting.

        One that comes after the run's end is nobody's.
        """
        if not self._ended:
            self._commands.put(control)

    def _deliver(self) -> None:
        while (control := self._commands.get()) is not None:
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
            self._take()
            if self._seq == before and not self._ended and self._gone():
                # What it wrote between our last look at the file and its end.
                self._take()
                self._ended = True
        except pool.JournalError as problem:
            self.error = problem.message
            self._ended = True

    def _take(self) -> None:
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

    def _gone(self) -> bool:
        """Tell, once in a while, whether the run's process is there no more."""
        now = self._clock.monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return False
        self._looked = now
        return not is_running(self.header.run, self._started)


def _ignore(_text: str) -> None:
    """Nobody wants to hear of it."""
