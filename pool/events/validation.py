"""Validation of the events of one journal: each build is announced once, before other events.

`JournalReader` checks each event here, so that the reducer and the screens never get an event of a
build that does not exist, or retries in a circle. Nothing else is checked: the reducer accepts
events in any other order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.events.types import BuildNeeded, BuildQueued, BuildWaiting, Event, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pool.common.model import BuildId

__all__ = ["EventValidator", "InvalidEventError"]

_MAX_SECONDS = 1e9
"""No run takes thirty years, and clocks on the screen have no room for much more."""


class InvalidEventError(ValueError):
    """An event that cannot follow the events before it, with the reason."""


class EventValidator:
    """Remembers the announced builds of one journal."""

    def __init__(self) -> None:
        self._builds: set[BuildId] = set()

    def check(self, event: Event) -> None:
        """Check the next event.

        Raises:
            InvalidEventError: the event names a build that is not announced, or announces one
                again, or its time is impossible.
        """
        if not 0 <= event.t <= _MAX_SECONDS:
            raise InvalidEventError(f"it is at {event.t:g} seconds")
        if isinstance(event, BuildQueued) and event.build in self._builds:
            raise InvalidEventError(f"{event.build!r} is announced again")
        for build in _referenced_builds(event):
            if build not in self._builds:
                raise InvalidEventError(f"it names {build!r}, which is not announced yet")
        if isinstance(event, BuildQueued):  # Only now: a build cannot be a retry of itself.
            self._builds.add(event.build)


def _referenced_builds(event: Event) -> Iterable[BuildId]:
    """Return the builds that an event names, except one that it announces."""
    match event:
        case Sample():
            return [sample.build for sample in event.builds]
        case BuildQueued():
            return (*event.needed_by, *([event.retry_of] if event.retry_of is not None else []))
        case BuildNeeded():
            return (event.build, event.by)
        case BuildWaiting():
            return (event.build, *event.builds)
        case _:
            build: BuildId | None = getattr(event, "build", None)
            return () if build is None else (build,)
