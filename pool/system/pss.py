"""The proportional set size (PSS) of process trees, in which each shared page counts once.

A sum of RSS counts a page as often as it is shared, so it is more than the tree uses. PSS
(``smaps_rollup``, proc(5)) costs the kernel a walk over all pages: about 3 ms for 300 MiB. So each
build is measured every few seconds, the watched one each second, and all of them together take at
most half a hundredth of a core; many large trees are measured less often. Builds are measured in
order of how overdue they are. A newly watched build is measured at once, even over budget.

Linux only; on other systems nothing is measured.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from pool.common.clock import Clock
    from pool.common.model import BuildKey

__all__ = ["PssSampler", "read_pss"]

INTERVAL_SECONDS = 5.0
"""Between two measurements of one build."""
WATCHED_INTERVAL_SECONDS = 0.9
"""The same for the watched build: samples are a second apart, sometimes a little less."""
CPU_SHARE = 0.005
"""Of a core."""
_MAX_BUDGET_SECONDS = 0.05
"""Of work: the most that accumulates while little is to be measured."""


class PssSampler:
    """Measures the trees of running builds within a budget of processor time.

    Args:
        clock: decides when a build is due.
        read: returns the PSS of one process in bytes; None if it is gone or cannot be read.
        cpu_seconds: the clock of the budget; processor time, as on a busy machine this thread also
            waits.
    """

    def __init__(
        self,
        clock: Clock,
        read: Callable[[int], int | None] | None = None,
        cpu_seconds: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock = clock
        self._cpu_seconds = cpu_seconds
        self._read = read or read_pss
        self._measured_at: dict[BuildKey, float] = {}
        self._watched: frozenset[BuildKey] = frozenset()
        self._budget = _MAX_BUDGET_SECONDS
        self._updated_at = clock.monotonic()

    def measure(
        self, trees: Mapping[BuildKey, Sequence[int]], watched: Collection[BuildKey] = ()
    ) -> dict[BuildKey, int]:
        """Measure the trees that are due; return their bytes.

        Args:
            trees: the pids of all running builds.
            watched: the builds that users have opened.
        """
        now = self._clock.monotonic()
        earned = (now - self._updated_at) * CPU_SHARE
        self._budget, self._updated_at = min(_MAX_BUDGET_SECONDS, self._budget + earned), now
        self._measured_at = {build: at for build, at in self._measured_at.items() if build in trees}
        urgent = frozenset(watched) - self._watched
        self._watched = frozenset(watched)
        measured = {}
        for build in self._due_builds(trees, now, urgent):
            if self._budget <= 0 and build not in urgent:
                break
            if (pss := self._measure_tree(trees[build])) is not None:
                measured[build] = pss
            self._measured_at[build] = now
        return measured

    def _due_builds(
        self, trees: Collection[BuildKey], now: float, urgent: Collection[BuildKey]
    ) -> list[BuildKey]:
        """Return the urgent builds and the due ones, the most overdue first."""
        overdue = {build: self._overdue(build, now) for build in trees if build not in urgent}
        due = [build for build in overdue if overdue[build] >= 1.0]
        first = [build for build in trees if build in urgent]
        return [*first, *sorted(due, key=overdue.__getitem__, reverse=True)]

    def _overdue(self, build: BuildKey, now: float) -> float:
        """Return the time since the last measurement in intervals: 1.0 is due, 2.0 is late."""
        if (measured_at := self._measured_at.get(build)) is None:
            return inf
        interval = WATCHED_INTERVAL_SECONDS if build in self._watched else INTERVAL_SECONDS
        return (now - measured_at) / interval

    def _measure_tree(self, pids: Sequence[int]) -> int | None:
        """Measure one tree and charge the budget, which may become negative."""
        before = self._cpu_seconds()
        sizes = [size for pid in pids if (size := self._read(pid)) is not None]
        self._budget -= self._cpu_seconds() - before
        return sum(sizes) if sizes else None


def read_pss(pid: int) -> int | None:
    """Return the PSS of one process in bytes; None if it is gone or cannot be read."""
    if sys.platform != "linux":
        return None
    with suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return None
