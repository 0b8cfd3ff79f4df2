"""How long the phases of a build took in the run before, from the logs that are kept of runs.

Read only when one build is looked at, and no more than a few runs back: it is there to compare
with, and where it cannot be had nothing is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

import pool
from pool import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["previous_phases"]

_RUNS = 10
"""So many runs are looked into at most."""
_MOST_BYTES = 32 << 20
"""A log beyond that is left alone: it would take seconds."""


def previous_phases(journal: Path, build: pool.BuildState) -> Mapping[pool.Phase, float]:
    """Return the seconds of each phase when it was last built well; empty where it is not known.

    Args:
        journal: that of the run the build is in; runs beside it are looked into.
        build: the one to compare with.
    """
    for path in _before(journal):
        try:
            if found := _phases(path, build):
                return found
        except (pool.JournalError, OSError, LookupError):
            # A log that is broken, or of another version, is none to compare with.
            continue
    return {}


def _before(journal: Path) -> Iterator[Path]:
    """Yield the logs of the runs before, the newest first."""
    run = journal.parent
    try:
        older = sorted((one for one in run.parent.iterdir() if one.name < run.name), reverse=True)
    except OSError:
        return
    for folder in older[:_RUNS]:
        path = pool.journal_path(folder)
        if path != folder and path.is_file() and path.stat().st_size <= _MOST_BYTES:
            yield path


def _phases(path: Path, build: pool.BuildState) -> Mapping[pool.Phase, float]:
    name = canonicalize_name(build.name)
    state = pool.RunState()
    with pool.JournalReader(path) as reader:
        pool.apply_all(state, reader.read())
    for one in state.builds.values():
        same = canonicalize_name(one.name) == name and one.purpose == build.purpose
        if same and one.outcome is Outcome.BUILT:
            return one.phases
    return {}
