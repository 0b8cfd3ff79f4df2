"""Whether a journal makes sense: a build is announced once, nothing is said of it before.

A reader of journals asks this of each event, so that nobody who folds or shows them ever meets a
build that is not there, or tries of builds that go in a circle. Deliberately no more: events that
come in an odd order are folded as they come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.events.types import BuildNeeded, BuildQueued, BuildWaiting, Event, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pool.common.model import BuildId

__all__ = ["EventValidator", "InvalidEventError"]

_LONGEST = 1e9
"""Seconds: no run takes thirty years, and no clock can show much more."""


class InvalidEventError(ValueError):
    """An event that cannot follow those before it, with the reason in words."""


class EventValidator:
    """What the events of one journal have announced so far."""

    def __init__(self) -> None:
        self._builds: set[BuildId] = set()

    def check(self, event: Event) -> None:
        """Take in the next event.

        Raises:
            NonsenseError: it is about a build that was not announced, or announces one again, or
                its time is none.
        """
        if not 0 <= event.t <= _LONGEST:
            raise InvalidEventError(f"it is at {event.t:g} seconds")
        if isinstance(event, BuildQueued) and event.build in self._builds:
            raise InvalidEventError(f"{event.build!r} is announced again")
        for build in _mentioned(event):
            if build not in self._builds:
                raise InvalidEventError(f"it is about {build!r}, which is not known by then")
        if isinstance(event, BuildQueued):  # Not before: no build is a try after itself.
            self._builds.add(event.build)


def _mentioned(event: Event) -> Iterable[BuildId]:
    """Return the builds that an event names beside one that it announces."""
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
