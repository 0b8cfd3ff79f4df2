"""Where events come from and where commands go: the seam between a run and its faces.

A face (screen or printer) polls an `EventSource`, folds what it gets into a `State` of its own,
and sends `Control` values back. It cannot tell a live run from a replay but by `live`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pool

__all__ = ["EventSource"]


class EventSource(Protocol):
    """One stream of events, read by one face on one thread."""

    @property
    def live(self) -> bool:
        """Whether controls act (a run) or only tell (a replay)."""
        ...

    @property
    def journal(self) -> Path | None:
        """The journal's file; the logs of builds are in ``pool.logs_of(journal)``."""
        ...

    @property
    def header(self) -> pool.events.Header | None:
        """Line 1 of the journal, as soon as it is known."""
        ...

    @property
    def generation(self) -> int:
        """Grows when the stream starts over (a replay went back): fold from an empty state."""
        ...

    @property
    def done(self) -> bool:
        """Whether nothing more will come, and all has been polled."""
        ...

    def poll(self) -> Sequence[pool.events.Event]:
        """Return what has happened since the last call, in order; never blocks."""
        ...

    def send(self, control: pool.Control) -> None:
        """Pass a command on; a replay ignores it."""
        ...
