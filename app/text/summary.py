"""How a run went, in its last lines: what was asked for, what came of it, what is to be known.

Pure, and deliberately without the builds' own lines, which are the printer's.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from app.format import format_duration, format_size
from app.model.outcomes import requested_builds
from app.text.lines import Line
from app.text.run_status import count_unchanged, environment_name, format_changes, split_message
from pool import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pool

__all__ = ["summary_lines"]


def summary_lines(state: pool.RunState, peak: int) -> Iterator[Line]:
    """Yield the last lines.

    Args:
        state: the run at its end.
        peak: bytes: what all builds used together at one moment, at most; 0 is unknown.
    """
    yield Line(text=_totals(state, peak))
    if installed := _installed(state):
        yield Line(text=installed)
    if state.warning:
        yield Line(word="failed", text=f"warning: {state.warning}")
    if failed := _failed(state):
        yield Line(word="failed", text=failed)


def _totals(state: pool.RunState, peak: int) -> str:
    asked = requested_builds(state)
    counts = Counter(build.outcome for build in asked)
    said = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    parts = [f"{said or 'nothing built'} in {format_duration(_lasted(state))}"]
    # Looks are a second apart; what the kernel knows of a build's largest process may be more.
    if peak := max([peak, *(build.peak for build in state.builds.values())]):
        parts.append(f"peak {format_size(peak)}")
    slowest = max(asked, key=lambda build: build.seconds, default=None)
    if slowest is not None and len(asked) > 1 and slowest.seconds:
        parts.append(f"slowest {slowest.label} {format_duration(slowest.seconds)}")
    return "  ".join([*parts, f"logs {state.logs}"])


def _lasted(state: pool.RunState) -> float:
    """Return when the last thing was done; a screen may have been left much later."""
    ends = [build.finished_at for build in state.builds.values()]
    ends += [doing.finished_at for doing in (state.resolve, state.environment) if doing is not None]
    return max((end for end in ends if end is not None), default=state.now)


def _installed(state: pool.RunState) -> str:
    environment, same = state.environment, count_unchanged(state)
    if environment is None or environment.message:
        return ""
    if environment.changes:
        return format_changes(environment) + (f", kept {same}" if same else "")
    return (
        f"kept {same} in {environment_name(environment.path)}, nothing to install" if same else ""
    )


def _failed(state: pool.RunState) -> str:
    """Say why there was nothing to build, or why nothing was installed; empty where it was."""
    resolve, environment = state.resolve, state.environment
    if resolve is not None and resolve.message:
        return f"not resolved: {split_message(resolve.message)[0]}"
    if environment is not None and environment.message:
        where, why = environment_name(environment.path), split_message(environment.message)[0]
        return f"not installed into {where}: {why}"
    return ""
