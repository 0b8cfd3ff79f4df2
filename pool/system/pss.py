"""What process trees weigh: the proportional set size, in which shared pages count once.

A sum of RSS counts a page as often as it is shared, so it is more than the tree has. The true
figure (``smaps_rollup``, proc(5)) costs the kernel a walk over all pages: about 3 ms for 300 MiB.
So each build is weighed every few seconds only, the one that somebody looks at each second, and
all of them together take no more than half a hundredth of a core: of many large trees the figures
just come less often. Who is the latest by its own measure comes first, so nobody is forgotten.

Linux only; elsewhere nothing is weighed.
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
    from pool.common.model import BuildId

__all__ = ["PssSampler", "pss_of"]

EVERY_SECONDS = 5.0
"""Between two weighings of one build."""
LOOKED_AT_SECONDS = 0.9
"""The same for the one that is looked at: looks are a second apart, now and then a bit less."""
SHARE = 0.005
"""Of a core."""
_MOST_SAVED = 0.05
"""Seconds of work that may be saved up while little is to be done."""


class PssSampler:
    """Weighs the trees of running builds, as far as the allowance goes.

    Args:
        clock: whose turn it is.
        pss: weighs one process, in bytes; None for one that is gone or not ours to look at.
        used: what the work is measured by; a processor's time, for on a busy machine we also wait.
    """

    def __init__(
        self,
        clock: Clock,
        pss: Callable[[int], int | None] | None = None,
        used: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock = clock
        self._used = used
        self._pss = pss or pss_of
        self._last: dict[BuildId, float] = {}
        self._closely: BuildId | None = None
        self._allowance = _MOST_SAVED
        self._at = clock.monotonic()

    def weighed(
        self, trees: Mapping[BuildId, Sequence[int]], closely: BuildId | None = None
    ) -> dict[BuildId, int]:
        """Return the bytes of those trees, given as pids, whose turn it is.

        Args:
            trees: all that there are.
            closely: who is looked at: once it is, it is weighed even where nothing is allowed.
        """
        now = self._clock.monotonic()
        earned = (now - self._at) * SHARE
        self._allowance, self._at = min(_MOST_SAVED, self._allowance + earned), now
        self._last = {build: at for build, at in self._last.items() if build in trees}
        at_once = closely if closely != self._closely else None
        self._closely = closely
        found = {}
        for build in self._due(trees, now, at_once):
            if self._allowance <= 0 and build != at_once:
                break
            if (pss := self._sum(trees[build])) is not None:
                found[build] = pss
            self._last[build] = now
        return found

    def _due(
        self, trees: Collection[BuildId], now: float, at_once: BuildId | None
    ) -> list[BuildId]:
        """Return whose turn it is, the latest first."""
        late = {build: self._late(build, now) for build in trees if build != at_once}
        due = [build for build in late if late[build] >= 1.0]
        first = [build for build in trees if build == at_once]
        return [*first, *sorted(due, key=late.__getitem__, reverse=True)]

    def _late(self, build: BuildId, now: float) -> float:
        """Return how late it is: 1.0 is just in time, 2.0 as late again."""
        if (last := self._last.get(build)) is None:
            return inf
        return (now - last) / (LOOKED_AT_SECONDS if build == self._closely else EVERY_SECONDS)

    def _sum(self, pids: Sequence[int]) -> int | None:
        """Weigh one tree; what that takes comes off the allowance, even below nothing."""
        begun = self._used()
        sizes = [size for pid in pids if (size := self._pss(pid)) is not None]
        self._allowance -= self._used() - begun
        return sum(sizes) if sizes else None


def pss_of(pid: int) -> int | None:
    """Return the bytes of one process, each shared page divided by those who share it."""
    if sys.platform != "linux":
        return None
    with suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * 1024
    return None
