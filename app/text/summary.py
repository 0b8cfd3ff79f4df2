"""The last lines of a run: its outcomes, what was installed, warnings and failures.

Pure. The rows of single builds are the printer's (`app.plain.printer`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from app.format import format_duration, format_size
from app.model.outcomes import requested_builds
from app.model.status import end_of_work
from app.text.lines import Line
from app.text.run_status import count_unchanged, environment_name, format_changes, split_message
from pool import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pool

__all__ = ["format_outcomes", "summary_lines"]


def summary_lines(state: pool.RunState, peak: int) -> Iterator[Line]:
    """Yield the summary of a run; the first line has its totals.

    Args:
        state: the run at its end.
        peak: the largest number of bytes that all builds used at one time; 0 is unknown.
    """
    yield Line(text=_totals(state, peak))
    if installed := _installed(state):
        yield Line(text=installed)
    if state.warning:
        yield Line(word="failed", text=f"warning: {state.warning}")
    if failed := _failed(state):
        yield Line(word="failed", text=failed)


def format_outcomes(
    builds: Iterable[pool.BuildState], order: Iterable[Outcome] = tuple(Outcome)
) -> str:
    """Return how many builds have each outcome: ``6 built, 1 failed``; those of ``order`` count."""
    counts = Counter(build.outcome for build in builds)
    return ", ".join(f"{counts[one]} {one}" for one in order if counts[one]) or "nothing built"


def _totals(state: pool.RunState, peak: int) -> str:
    builds = requested_builds(state)
    parts = [f"{format_outcomes(builds)} in {format_duration(end_of_work(state))}"]
    # Samples are a second apart; the kernel's peak of a build's largest process may be higher.
    if peak := max([peak, *(build.peak for build in state.builds.values())]):
        parts.append(f"peak {format_size(peak)}")
    slowest = max(builds, key=lambda build: build.seconds, default=None)
    if slowest is not None and len(builds) > 1 and slowest.seconds:
        parts.append(f"slowest {slowest.label} {format_duration(slowest.seconds)}")
    return " · ".join([*parts, f"logs {state.logs}"])


def _installed(state: pool.RunState) -> str:
    environment, kept = state.environment, count_unchanged(state)
    if environment is None or environment.message:
        return ""
    if environment.changes:
        return format_changes(environment) + (f", kept {kept}" if kept else "")
    name = environment_name(environment.path)
    return f"kept {kept} in {name}, nothing to install" if kept else ""


def _failed(state: pool.RunState) -> str:
    """Return why version resolution or installation failed; empty if neither did."""
    resolve, environment = state.resolve, state.environment
    if resolve is not None and resolve.message:
        return f"not resolved: {split_message(resolve.message)[0]}"
    if environment is not None and environment.message:
        where, why = environment_name(environment.path), split_message(environment.message)[0]
        return f"not installed into {where}: {why}"
    return ""
