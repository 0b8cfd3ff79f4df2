"""What a run does around its builds, in words: versions that are looked for, an environment.

Pure, as `app.text.rows` is: the same sentences for the strip of the screen, the lines of a log and
their summaries. Deliberately without layout; who shows them cuts or aligns them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from packaging.version import InvalidVersion, Version

from app.format import format_clock, format_count
from app.text.holder import format_holder

if TYPE_CHECKING:
    import pool
    from pool import events

__all__ = [
    "StatusMessage",
    "change_kind",
    "count_unchanged",
    "current_status",
    "environment_name",
    "format_change",
    "format_changes",
    "format_selection",
    "split_message",
]  # fmt: skip

How = Literal["installed", "upgraded", "downgraded", "reinstalled", "removed"]


@dataclass(frozen=True, slots=True)
class StatusMessage:
    """What is to be said at the moment."""

    kind: Literal["working", "waiting", "done", "failed"]
    lines: tuple[str, ...]
    """More than one only where something failed."""


def current_status(state: pool.RunState, now: float) -> StatusMessage | None:
    """Say what goes on around the builds; None where that is nothing."""
    about = _environment(state.environment, now) or _resolving(state.resolve, now)
    if not state.notes:
        return about
    note = f"note: {state.notes[-1]}"
    if about is None:
        return StatusMessage("done", (note,))
    if about.kind in ("working", "waiting"):
        return about
    first, *rest = about.lines
    # A failure has lines of its own; elsewhere there is one for all.
    return StatusMessage(
        about.kind, (first, *rest, note) if about.kind == "failed" else (f"{first}   {note}",)
    )


def _environment(environment: pool.EnvironmentState | None, now: float) -> StatusMessage | None:
    if environment is None:
        return None
    where = environment_name(environment.path)
    if environment.waiting_since is not None:
        waited = format_clock(now - environment.waiting_since)
        holder = format_holder(environment.holder)
        return StatusMessage("waiting", (f"waiting {waited} for {where}: locked {holder}",))
    if environment.locked:
        return StatusMessage("working", (f"writing into {where}",))
    if environment.message:
        return _failed(f"not installed into {where}: ", environment.message, environment.hint)
    if environment.changes:
        return StatusMessage("done", (format_changes(environment),))
    return None


def _resolving(resolve: pool.Resolve | None, now: float) -> StatusMessage | None:
    if resolve is None:
        return None
    if resolve.message:
        return _failed("not resolved: ", resolve.message, resolve.hint)
    if resolve.finished_at is not None:
        return StatusMessage("done", (f"resolved {format_selection(resolve.selected)}",))
    words = [f"resolving {format_count(len(resolve.requirements), 'requirement')}"]
    if resolve.pages:
        words.append(format_count(resolve.pages, "page"))
    words.append(format_clock(now - resolve.since))
    return StatusMessage("working", (" · ".join(words),))


def _failed(what: str, message: str, hint: str) -> StatusMessage:
    first, *rest = split_message(message)
    return StatusMessage("failed", (what + first, *rest, *([hint] if hint else [])))


def split_message(message: str) -> list[str]:
    """Return the parts of a message that explains more than one thing."""
    return [part.strip() for part in re.split(r"; |\n", message) if part.strip()] or [""]


def environment_name(path: str) -> str:
    """Return an environment's path as people call it: ``.venv``; a short path stays whole."""
    # What is locked may be its lock's file.
    place = PurePath(path.removesuffix("/.lock"))
    return place.name if len(place.parts) > 2 else str(place)


def format_selection(picked: tuple[events.SelectedVersion, ...]) -> str:
    """Sum up a set: ``41 distributions: 3 from source, 37 wheels, 1 kept``."""
    kinds = Counter(_origin(one) for one in picked)
    parts = [f"{kinds['source']} from source"] if kinds["source"] else []
    if kinds["wheel"]:
        parts.append(format_count(kinds["wheel"], "wheel"))
    if kinds["kept"]:
        parts.append(f"{kinds['kept']} kept")
    return ": ".join(filter(None, (format_count(len(picked), "distribution"), ", ".join(parts))))


def _origin(one: events.SelectedVersion) -> Literal["source", "wheel", "kept"]:
    match one.kind:
        case "installed":
            return "kept"
        case "wheel":
            return "wheel"
        case _:
            return "wheel" if one.file.endswith(".whl") else "source"


def count_unchanged(state: pool.RunState) -> int:
    """Return how many distributions of an environment were good as they were."""
    picked = state.resolve.selected if state.resolve is not None else ()
    return sum(one.kind == "installed" for one in picked)


def change_kind(change: events.EnvironmentChange) -> How:
    """Return what became of one distribution, as one word."""
    if change.new is None:
        return "removed"
    if change.old is None:
        return "installed"
    if change.old == change.new:
        return "reinstalled"
    try:
        return "upgraded" if Version(change.new) > Version(change.old) else "downgraded"
    except InvalidVersion:
        # It comes from before versions had rules.
        return "upgraded"


def format_change(change: events.EnvironmentChange) -> str:
    """Say what an environment has now: ``rich 14.2.0 (was 13.9.4)``."""
    facts = []
    if change.editable:
        facts.append("editable")
    if change.old is not None and change.new is not None:
        facts.append(f"was {change.old}" if change.old != change.new else "again")
    about = f"{change.name} {change.new or change.old or ''}".rstrip()
    return f"{about} ({', '.join(facts)})" if facts else about


def format_changes(environment: pool.EnvironmentState) -> str:
    """Sum up the changes: ``installed 41 into .venv (2 upgraded, 1 editable)``."""
    last = {change.name: change for change in environment.changes}.values()
    ways = Counter(change_kind(change) for change in last)
    removed = ways.pop("removed", 0)
    where = environment_name(environment.path)
    if not ways:
        return f"removed {removed} from {where}"
    special: tuple[How, ...] = ("upgraded", "downgraded", "reinstalled")
    facts = [f"{ways[way]} {way}" for way in special if ways[way]]
    if editable := sum(change.editable and change.new is not None for change in last):
        facts.append(f"{editable} editable")
    if removed:
        facts.append(f"{removed} removed")
    said = f"installed {ways.total()} into {where}"
    return f"{said} ({', '.join(facts)})" if facts else said
