"""The memory of each build, and of each running process, over time.

Pure: it records the same events as the state. The series of a process is dropped when it has ended,
so the size of the history depends on what runs.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from app.model.series import Series
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
        """Record one event; only samples and the ends of builds matter."""
        if isinstance(event, events.Sample):
            for sample in event.builds:
                self._record_sample(event.t, sample)
        elif isinstance(event, events.BuildFinished):
            self._processes.pop(event.build, None)
            if event.build in self.builds:
                self.builds[event.build].append(event.t, 0)

    def _record_sample(self, t: float, sample: events.BuildSample) -> None:
        self.builds[sample.build].append(t, sample.rss)
        before = self._processes.get(sample.build, {})
        now = {process.pid: before.get(process.pid) or Series() for process in sample.processes}
        for process in sample.processes:
            if process.rss is not None:
                now[process.pid].append(t, process.rss)
        self._processes[sample.build] = now

    def copy(self) -> MemoryHistory:
        """Return a copy to go on with; the series of finished builds are shared."""
        twin = MemoryHistory()
        for build, series in self.builds.items():
            twin.builds[build] = series.copy() if build in self._processes else series
        for build, processes in self._processes.items():
            twin._processes[build] = {pid: series.copy() for pid, series in processes.items()}
        return twin

    def process(self, build: pool.BuildId, pid: int) -> Series:
        """Return the memory of one process; an empty series if it has none."""
        return self._processes.get(build, {}).get(pid) or Series()


def sample_columns(series: Series, count: int, since: float, until: float) -> list[int | None]:
    """Return the highest value in each of `count` equal parts of a time; None before the first."""
    if not series.times or until <= since:
        return [None] * count
    width = (until - since) / count
    first = series.times[0]
    return [
        series.highest(since + n * width, since + (n + 1) * width)
        if since + (n + 1) * width > first
        else None
        for n in range(count)
    ]
