"""What a shell can offer where a run or a build is meant: names with a few words about each.

Reads what is on the disk and asks no run. What cannot be read is not offered: a key that was
pressed for help must never answer with an error.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

import pool
from app.runs import store as runs
from app.text.rows import build_title

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Offer", "cancellable", "going_on", "retriable", "saved_runs"]

Offer: TypeAlias = tuple[str, str]
"""What is inserted, and what is said about it."""
_MOST_RUNS = 40


def saved_runs(state_dir: Path, beginning: str) -> list[Offer]:
    """Return the newest saved runs whose ids begin so, newest first."""
    found = runs.list_runs(state_dir, _MOST_RUNS, beginning=beginning)
    return [(run.id, _about(run)) for run in found]


def going_on(state_dir: Path, beginning: str) -> list[Offer]:
    """Return the runs that go on and whose ids begin so, newest first."""
    found = runs.list_running(state_dir)
    return [(run.id, _about(run)) for run in found if run.id.startswith(beginning)]


def _about(run: runs.SavedRun) -> str:
    when = f"{run.started.astimezone():%Y-%m-%d %H:%M}" if run.started else ""
    words = [when, run.status, *run.targets]
    if (more := run.target_count - len(run.targets)) > 0:
        words.append(f"and {more} more")
    return pool.clean_line(" ".join(filter(None, words)), longest=100)


def cancellable(state_dir: Path, run: str | None, beginning: str) -> list[Offer]:
    """Return the builds of a run that have not ended."""
    return _builds(state_dir, run, beginning, lambda build: build.status is not pool.Status.DONE)


def retriable(state_dir: Path, run: str | None, beginning: str) -> list[Offer]:
    """Return the builds of a run that ended without a wheel."""

    def failed(build: pool.BuildState) -> bool:
        return build.outcome is not None and not build.outcome.good

    return _builds(state_dir, run, beginning, failed)


def _builds(
    state_dir: Path,
    run: str | None,
    beginning: str,
    fitting: Callable[[pool.BuildState], bool],
) -> list[Offer]:
    try:
        builds = list(_read(runs.find_running(state_dir, run)).builds.values())
    except (pool.PoolError, OSError):
        return []
    again = {build.retry_of for build in builds}
    fit = [build for build in builds if fitting(build) and build.id not in again]
    called = Counter(build.name for build in fit)
    # Of namesakes only the id says which one.
    offers = ((one.name if called[one.name] == 1 else one.id, _of(one)) for one in reversed(fit))
    return [offer for offer in offers if offer[0].startswith(beginning)]


def _read(journal: Path) -> pool.RunState:
    with pool.JournalReader(journal) as reader:
        state = pool.RunState(header=reader.header)
        for event in reader.read():
            pool.apply(state, event)
    return state


def _of(build: pool.BuildState) -> str:
    return pool.clean_line(f"{build_title(build)} {build.outcome or build.status}", longest=100)
