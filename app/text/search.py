"""Filters builds by text: name, status, detail and last line of output.

Pure. `app.model.sorting` has the order of the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.model.sorting import sort_key
from app.model.status import kind_of
from app.text.rows import describe
from pool import Status

if TYPE_CHECKING:
    from pool import BuildState, RunState

__all__ = ["filter_builds", "matches_filter"]


def filter_builds(state: RunState, needle: str = "") -> list[BuildState]:
    """Return the builds that match a filter, sorted by state."""
    builds = (build for build in state.builds.values() if matches_filter(build, state, needle))
    return sorted(builds, key=sort_key)


def matches_filter(build: BuildState, state: RunState, needle: str) -> bool:
    """Return whether a build's name, status, detail or last line contains a text, in any case."""
    if not needle:
        return True
    needle = needle.casefold()
    # The detail costs most, and queued builds, usually the largest part of a long list, have none.
    return (
        needle in build.label.casefold()
        or needle in kind_of(build)
        or needle in build.last.casefold()
        or (build.status is not Status.QUEUED and needle in _status_text(build, state))
    )


def _status_text(build: BuildState, state: RunState) -> str:
    text = describe(build, state, state.now)
    return f"{text.word} {text.detail}".casefold()
