"""Which builds of a run its summary, its reports and its comparison list.

One rule for all of them: the last attempt of each build that the user requested, and nested builds
that failed, the worst outcome last. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pool import Outcome

if TYPE_CHECKING:
    from pool import BuildState, RunState

__all__ = ["requested_builds"]

_ORDER = (
    Outcome.FETCHED, Outcome.CACHED, Outcome.BUILT, None, Outcome.CANCELLED, Outcome.SKIPPED,
)  # fmt: skip
"""The order of outcomes; failures come after all of these."""


def requested_builds(state: RunState) -> list[BuildState]:
    """Return the last attempts of requested builds, and nested builds that failed, worst last."""
    return sorted(filter(_is_requested, state.builds.values()), key=_badness)


def _is_requested(build: BuildState) -> bool:
    if build.superseded_by is not None:
        return False
    # A failed build of metadata is the reason of a failed resolution, which has its own line.
    return not build.nested or (build.outcome is Outcome.FAILED and bool(build.needed_by))


def _badness(build: BuildState) -> int:
    return _ORDER.index(build.outcome) if build.outcome in _ORDER else len(_ORDER)
