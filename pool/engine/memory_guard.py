"""Acts on each sample of all builds: adapts the limits to memory, and evicts a build if it must.

Deliberately without the decisions: `pool.scheduling.limits` says whether memory is short, and
`pool.scheduling.eviction` which build is ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.scheduling.eviction import choose_victim

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pool.common.model import BuildKey, RunId
    from pool.run.run import Run
    from pool.scheduling.limits import Limits

__all__ = ["MemoryGuard"]


class MemoryGuard:
    """The guard of one pool's memory.

    Args:
        limits: the limits of the pool.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.runs: dict[RunId, Run] = {}
        """The runs of the pool, whose builds may be evicted."""

    def on_sample(self, usage: Mapping[BuildKey, int]) -> None:
        """Take the bytes that each running build uses."""
        if not (reason := self._limits.on_sample(usage)):
            return
        candidates = [one for run in self.runs.values() for one in run.eviction_candidates()]
        if (job := choose_victim(candidates)) is not None:
            self.runs[job.run].evict(job, reason)
