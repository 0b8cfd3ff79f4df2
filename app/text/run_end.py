"""The line that the screen shows when a run has ended: outcomes, time, wheels, keys.

Pure. `app.text.summary` has the lines that are printed after the screen has closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.format import format_duration
from app.model.outcomes import requested_builds
from app.model.status import end_of_work
from app.text.run_status import environment_name
from app.text.summary import format_outcomes
from pool import Outcome

if TYPE_CHECKING:
    import pool

__all__ = ["format_run_end"]

_WORST_FIRST = (
    Outcome.FAILED,
    Outcome.SKIPPED,
    Outcome.CANCELLED,
    Outcome.BUILT,
    Outcome.CACHED,
    Outcome.FETCHED,
)


def format_run_end(state: pool.RunState, *, can_retry: bool) -> str:
    """Return the outcome of a run, and the keys that are useful now.

    Args:
        state: the run at its end.
        can_retry: whether the screen can run the request again.
    """
    if not state.finished:
        return "the run ended early · q quit"
    outcomes = format_outcomes(requested_builds(state), _WORST_FIRST)
    parts = [f"{outcomes} in {format_duration(end_of_work(state))}"]
    if can_retry and state.exit_code:
        parts.append("r retry failed")
    parts += ["l log", "q quit"]
    # It comes last, as it may be too long for the line.
    if state.environment is not None:
        where = environment_name(state.environment.path)
        parts.append(
            f"not installed into {where}" if state.exit_code else f"installed into {where}"
        )
    elif state.out_dir and any(build.wheel for build in state.builds.values()):
        parts.append(f"wheels in {state.out_dir}")
    return " · ".join(parts)
