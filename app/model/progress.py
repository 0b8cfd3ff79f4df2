"""How much of a build and of a run is done, from what builds print and from recorded durations.

Pure. A build that prints ``[12/58]`` or ``40%`` tells its progress itself; of another one, the part
of its usual time that it has worked is taken. Without either, nothing is known.
"""

from __future__ import annotations

from typing import NamedTuple

import pool
from app.model.status import working_seconds
from pool import Status

__all__ = ["RunProgress", "build_fraction", "run_progress"]

_COUNT = pool.LazyPattern(r"\s*\[\s*(\d{1,6})\s*/\s*(\d{1,6})\s*\]")
"""ninja, meson and Cython: ``[12/58] Compiling ...``."""
_PERCENT = pool.LazyPattern(r"\s*\[?\s*(\d{1,3}) ?%")
"""CMake with make: ``[ 40%] Building ...``."""
_MOST = 0.95
"""The part that a build reaches by its usual time alone."""


class RunProgress(NamedTuple):
    """The parts of the expected work of a run; the sum is at most 1."""

    done: float
    failed: float
    """Work that ended without a wheel."""
    running: float
    """Work that running builds have done."""


def build_fraction(build: pool.BuildState, now: float) -> float | None:
    """Return the part of a build that is done, 0 to 1; None if that is not known."""
    if build.status is Status.DONE:
        return 1.0
    if (printed := _printed_fraction(build.last)) is not None:
        return printed
    if not build.expected:
        return None
    return min(_MOST, working_seconds(build, now) / build.expected)


def _printed_fraction(line: str) -> float | None:
    """Return the progress that a line of output tells."""
    if (found := _COUNT.match(line)) is not None:
        part, whole = int(found[1]), int(found[2])
    elif (found := _PERCENT.match(line)) is not None:
        part, whole = int(found[1]), 100
    else:
        return None
    return part / whole if whole > 0 and part <= whole else None


def run_progress(state: pool.RunState, now: float) -> RunProgress:
    """Return the progress of a run; builds count by their usual durations.

    A build of unknown duration counts like the mean of the others, or all count alike.
    """
    builds = [build for build in state.builds.values() if build.superseded_by is None]
    known = [build.expected for build in builds if build.expected]
    usual = sum(known) / len(known) if known else 1.0
    done = failed = running = whole = 0.0
    for build in builds:
        work = build.expected or usual
        whole += work
        if build.outcome is not None:
            if build.outcome.is_success:
                done += work
            else:
                failed += work
        elif build.slot:
            running += work * (build_fraction(build, now) or 0.0)
    if not whole:
        return RunProgress(0.0, 0.0, 0.0)
    return RunProgress(done / whole, failed / whole, running / whole)
