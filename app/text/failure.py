"""A failed build in words: its cause, its fix, the builds that were skipped because of it, its log.

Pure. Rows, details, plain lines and reports share these words.
"""

from __future__ import annotations

from pathlib import PurePath
from shlex import quote
from typing import TYPE_CHECKING

from app.text.run_status import split_message
from pool import LazyPattern, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pool

__all__ = ["failure_facts", "log_name", "short_cause"]

_HOOK = LazyPattern(r" \(\w+, exit code \d+\)$")


def short_cause(build: pool.BuildState) -> str:
    """Return the cause in at most 40 characters; without one, the first sentence of the message.

    The hook and its exit code are left out of that: they tell little, and the fix needs the room.
    """
    return build.cause or _HOOK.sub("", split_message(build.message)[0])


def failure_facts(build: pool.BuildState, state: pool.RunState) -> Iterator[tuple[str, str]]:
    """Yield label and text of what a failure means and what to do: cause, fix, also, rerun."""
    for label, text in (
        ("cause", build.message or short_cause(build)),
        ("fix", build.hint),
        ("also", _skipped(build, state)),
        ("rerun", build.rerun),
    ):
        if text:
            yield label, text


def _skipped(build: pool.BuildState, state: pool.RunState) -> str:
    """Return which dependents were skipped."""
    dependents = (state.builds.get(name) for name in build.needed_by)
    names = [one.label for one in dependents if one and one.outcome is Outcome.SKIPPED]
    if not names:
        return ""
    verb = "was" if len(names) == 1 else "were"
    return f"{', '.join(names)} {verb} skipped because of it"


def log_name(build: pool.BuildState, state: pool.RunState) -> str:
    """Return the command that prints a build's log; empty if it has no output.

    The log of a run that is not among the saved ones (``--log FILE``) is named by its path.
    """
    if not build.lines:
        return ""
    logs = PurePath(state.logs)
    if state.header is None or state.header.run not in logs.parts:
        return str(logs / build.log)
    attempts = (one for one in state.builds.values() if one.superseded_by is None)
    unique = sum(one.name == build.name for one in attempts) == 1
    return f"wheelpool log {quote(build.name) if unique else build.id}"
