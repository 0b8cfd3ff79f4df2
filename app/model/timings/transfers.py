"""Downloads, unpacked wheels and released locks of a run: the timeline has no spans of them.

Pure. Only `app.model.timings` needs it, so that screens and replays do not pay for it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Self

from app.model.timings.activity import Activity, Interval
from pool import events

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pool

__all__ = ["Transfers"]


class Transfers:
    """The downloads, unpacked wheels and released locks of one run.

    Attributes:
        intervals: downloads and unpacked wheels, by the build that needs them; None for the run.
        releases: for each lock, when which build released it.
    """

    def __init__(self) -> None:
        self.intervals: dict[pool.BuildId | None, list[Interval]] = defaultdict(list)
        self.releases: dict[str, list[tuple[float, pool.BuildId]]] = defaultdict(list)
        self._open: dict[tuple[Activity, pool.BuildId | None, str], float] = {}

    @classmethod
    def of(cls, journal: Iterable[events.Event]) -> Self:
        """Return those of all events of a run."""
        transfers = cls()
        for event in journal:
            transfers.record(event)
        return transfers

    def record(self, event: events.Event) -> None:
        """Record one event."""
        match event:
            case events.DownloadStarted(build=build, file=file):
                self._open[Activity.DOWNLOAD, build, file] = event.t
            case events.DownloadFinished(build=build, file=file):
                self._close(Activity.DOWNLOAD, build, file, event.t)
            case events.InstallStarted(build=build, distribution=name):
                self._open[Activity.UNPACK, build, name] = event.t
            case events.InstallFinished(build=build, distribution=name):
                self._close(Activity.UNPACK, build, name, event.t)
            case events.LockReleased(build=build, lock=lock) if build is not None:
                self.releases[lock].append((event.t, build))
            case _:
                return

    def _close(self, activity: Activity, build: pool.BuildId | None, name: str, t: float) -> None:
        since = self._open.pop((activity, build, name), None)
        if since is not None and since < t:
            self.intervals[build].append(Interval(since, t, activity))

    def until(self, end: float) -> dict[pool.BuildId | None, list[Interval]]:
        """Return all intervals before a moment; those that are still open end there."""
        intervals = defaultdict(list, {build: [*own] for build, own in self.intervals.items()})
        for (activity, build, _), since in self._open.items():
            intervals[build].append(Interval(since, end, activity))
        return {
            build: [one._replace(until=min(one.until, end)) for one in own if one.since < end]
            for build, own in intervals.items()
        }
