"""The durations of a build's phases in an earlier run, from the journals of saved runs.

Read only when the details of one build are shown, and from a few runs only: the durations are for
comparison, and may be missing.
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
"""The maximum number of runs that are read."""
_MAX_BYTES = 32 << 20
"""Larger journals are skipped: reading them would take seconds."""


def previous_phases(journal: Path, build: pool.BuildState) -> Mapping[pool.Phase, float]:
    """Return the seconds of each phase of the last successful build; empty if there is none.

    Args:
        journal: the journal of the run of the build; the runs beside it are read.
        build: the build, found by its name and purpose.
    """
    for path in _older_journals(journal):
        try:
            if phases := _phases(path, build):
                return phases
        except (pool.JournalError, OSError, LookupError):
            # Skip a journal that is broken or of another version.
            continue
    return {}


def _older_journals(journal: Path) -> Iterator[Path]:
    """Yield the journals of older runs, the newest first."""
    run = journal.parent
    try:
        older = sorted((one for one in run.parent.iterdir() if one.name < run.name), reverse=True)
    except OSError:
        return
    for folder in older[:_RUNS]:
        path = pool.journal_path(folder)
        if path != folder and path.is_file() and path.stat().st_size <= _MAX_BYTES:
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
