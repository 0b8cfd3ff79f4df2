"""How a sample changes the state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool.events.process_delta import patch

if TYPE_CHECKING:
    from pool.events.reducer.dirty import Dirty
    from pool.events.state import RunState
    from pool.events.types import Sample

__all__ = ["apply_sample"]


def apply_sample(state: RunState, event: Sample) -> Dirty:
    """Set the processes and the memory of all builds in the sample."""
    state.machine = event.machine
    for sample in event.builds:
        build = state.builds[sample.build]
        build.processes = patch(sample.processes, build.processes)
        build.rss = sample.rss
        build.tokens = sample.tokens
        build.peak = max(build.peak, sample.peak)
        if sample.pss is not None:
            build.pss = sample.pss
            build.pss_peak = max(build.pss_peak, sample.pss)
    return frozenset([sample.build for sample in event.builds])
