"""The memory of each build, and of each process that runs, over time.

Pure: it is shown the same events as the state. Of a process that has ended nothing is kept, so
what it takes is bounded by what runs.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from app.model.timeline import Series
from pool import events

if TYPE_CHECKING:
    import pool

__all__ = ["MemoryHistory", "sample_columns"]


class MemoryHistory:
    """Series of bytes, as sampled."""

    def __init__(self) -> None:
        self.builds: defaultdict[pool.BuildId, Series] = defaultdict(Series)
        self._processes: dict[pool.BuildId, dict[int, Series]] = {}

    def record(self, event: events.Event) -> None:
        """Look at an event."""
        if isinstance(event, events.Sample):
            for sample in event.builds:
                self._sampled(event.t, sample)
        elif isinstance(event, events.BuildFinished):
            self._processes.pop(event.build, None)
            if event.build in self.builds:
                self.builds[event.build].append(event.t, 0)

    def _sampled(self, t: float, sample: events.BuildSample) -> None:
        self.builds[sample.build].append(t, sample.rss)
        before = self._processes.get(sample.build, {})
        now = {process.pid: before.get(process.pid) or Series() for process in sample.processes}
        for process in sample.processes:
            if process.rss is not None:
                now[process.pid].append(t, process.rss)
        self._processes[sample.build] = now

    def copy(self) -> MemoryHistory:
        """Return the same, for somebody else to go on with; what has ended is shared."""
        twin = MemoryHistory()
        for build, series in self.builds.items():
            twin.builds[build] = series.copy() if build in self._processes else series
        for build, processes in self._processes.items():
            twin._processes[build] = {pid: series.copy() for pid, series in processes.items()}
        return twin

    def process(self, build: pool.BuildId, pid: int) -> Series:
        """Return the memory of one process; an empty series where it is not known."""
        return self._processes.get(build, {}).get(pid) or Series()


def sample_columns(series: Series, count: int, since: float, until: float) -> list[int | None]:
    """Return the most there was in each of so many equal lengths of time."""
    if not series.times or until <= since:
        return [None] * count
    width = (until - since) / count
    begun = series.times[0]
    return [
        series.highest(since + n * width, since + (n + 1) * width)
        if since + (n + 1) * width > begun
        else None
        for n in range(count)
    ]
