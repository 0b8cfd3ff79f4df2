"""The seam between a run and its faces: where events come from and where controls go.

A face (the screen or the printer) polls an `EventSource`, applies the events to a `RunState` of its
own, and sends `Control` values back. It tells a live run from a replay by `live` alone.
Implementations: `app.source.live` (a run of this process), `app.source.attached` (a run of another
process), `app.source.replay` (a saved run).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from pool import Record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pool
    from app.source.snapshots import Snapshot

__all__ = ["EventSource", "Mark", "ReplayControls"]


class EventSource(Protocol):
    """One stream of events, read by one face on one thread."""

    @property
    def live(self) -> bool:
        """Whether controls change the run; in a replay they do not."""
        ...

    @property
    def attached(self) -> bool:
        """Whether the run belongs to another process and continues when the face closes."""
        ...

    @property
    def journal(self) -> Path | None:
        """The journal's file; the logs of builds are in ``pool.logs_path(journal)``."""
        ...

    @property
    def header(self) -> pool.events.Header | None:
        """Line 1 of the journal; None until it is read."""
        ...

    @property
    def generation(self) -> int:
        """A number that grows when the stream starts over: the face starts from a new state."""
        ...

    @property
    def exhausted(self) -> bool:
        """Whether the stream has ended and all events have been polled."""
        ...

    def poll(self) -> Sequence[pool.events.Event]:
        """Return the events since the last call, in order; never blocks."""
        ...

    def send(self, control: pool.Control) -> None:
        """Send a control to the run; a replay ignores it."""
        ...


class Mark(Record, frozen=True, kw_only=True):
    """A failure or a changed limit: a position to jump to."""

    t: float
    """Seconds since the start of the run."""
    kind: Literal["failure", "cap"]


class ReplayControls(Protocol):
    """The controls of a replay; times are seconds since the start of the run."""

    @property
    def position(self) -> float:
        """The time that the replay has reached."""
        ...

    @property
    def length(self) -> float:
        """The time of the last event."""
        ...

    @property
    def speed(self) -> float:
        """The speed factor: one of `app.source.replay.SPEEDS`, or the one that the user gave."""
        ...

    @property
    def playing(self) -> bool:
        """Whether the position moves; False while paused and at the end."""
        ...

    @property
    def marks(self) -> Sequence[Mark]:
        """Failures and changed limits, in order."""
        ...

    @property
    def end(self) -> pool.RunState:
        """The state after the last event; read-only."""
        ...

    def snapshot(self) -> Snapshot:
        """Return a copy of the snapshot before the next event, to apply that event to."""
        ...

    def toggle(self) -> None:
        """Pause or resume; at the end, start over."""
        ...

    def faster(self) -> None:
        """Select the next higher speed."""
        ...

    def slower(self) -> None:
        """Select the next lower speed."""
        ...

    def seek(self, seconds: float) -> None:
        """Move to a time; a time outside of the run moves to the nearest end."""
        ...

    def step(self, seconds: float) -> None:
        """Move forward, or back if negative."""
        ...
