"""The status of a run beside its builds: version resolution and installation, in sentences.

Pure. The status bar of the screen, plain lines and summaries share these sentences; cutting and
aligning them is left to each of these faces.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

from app.format import format_clock, format_count
from app.text.holder import format_holder
from pool import Record

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

ChangeKind = Literal["installed", "upgraded", "downgraded", "reinstalled", "removed"]


class StatusMessage(Record, frozen=True):
    """The status to show now."""

    kind: Literal["working", "waiting", "done", "failed"]
    lines: tuple[str, ...]
    """One line, or several for a failure."""


def current_status(state: pool.RunState, now: float) -> StatusMessage | None:
    """Return the status of resolution or installation, or the newest note; None without either."""
    status = _environment(state.environment, now) or _resolution(state.resolve, now)
    if not state.notes:
        return status
    note = f"note: {state.notes[-1]}"
    if status is None:
        return StatusMessage("done", (note,))
    if status.kind in ("working", "waiting"):
        return status
    first, *rest = status.lines
    # A failure has several lines; any other status is one line.
    return StatusMessage(
        status.kind, (first, *rest, note) if status.kind == "failed" else (f"{first}   {note}",)
    )


def _environment(environment: pool.EnvironmentState | None, now: float) -> StatusMessage | None:
    if environment is None:
        return None
    where = environment_name(environment.path)
    if environment.waiting_since is not None:
        waited = format_clock(now - environment.waiting_since)
        holder = format_holder(environment.holder)
        return StatusMessage("waiting", (f"waiting {waited} for {where}: {holder}",))
    if environment.locked:
        return StatusMessage("working", (f"writing into {where}",))
    if environment.message:
        return _failed(f"not installed into {where}: ", environment.message, environment.hint)
    if environment.changes:
        return StatusMessage("done", (format_changes(environment),))
    return None


def _resolution(resolve: pool.Resolve | None, now: float) -> StatusMessage | None:
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
    """Return the sentences of a message; they are separated by ``; `` or newlines."""
    return [part.strip() for part in re.split(r"; |\n", message) if part.strip()] or [""]


def environment_name(path: str) -> str:
    """Return the short name of an environment: ``.venv``; a path of two parts stays whole."""
    # Events of locks name the lock file in the environment.
    folder = PurePath(path.removesuffix("/.lock"))
    return folder.name if len(folder.parts) > 2 else str(folder)


def format_selection(picked: tuple[events.SelectedVersion, ...]) -> str:
    """Return the size of a resolution: ``41 distributions: 3 from source, 37 wheels, 1 kept``."""
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
    """Return the number of installed distributions that the resolution kept."""
    picked = state.resolve.selected if state.resolve is not None else ()
    return sum(one.kind == "installed" for one in picked)


def change_kind(change: events.EnvironmentChange) -> ChangeKind:
    """Return the change of one distribution as one word."""
    if change.new is None:
        return "removed"
    if change.old is None:
        return "installed"
    if change.old == change.new:
        return "reinstalled"
    from packaging.version import Version  # noqa: PLC0415 - takes as long as Python's start

    try:
        return "upgraded" if Version(change.new) > Version(change.old) else "downgraded"
    except ValueError:
        # Legacy versions do not compare.
        return "upgraded"


def format_change(change: events.EnvironmentChange) -> str:
    """Return a change of a distribution: ``+ rich==14.2.0``, ``~ rich==14.2.0 (was 13.9.4)``."""
    facts = []
    if change.editable:
        facts.append("editable")
    if change.old is not None and change.new is not None:
        facts.append(f"was {change.old}" if change.old != change.new else "reinstalled")
    sign = "-" if change.new is None else "+" if change.old is None else "~"
    about = f"{sign} {change.name}=={change.new or change.old or ''}"
    return f"{about} ({', '.join(facts)})" if facts else about


def format_changes(environment: pool.EnvironmentState) -> str:
    """Return the number of changes: ``installed 41 into .venv (2 upgraded, 1 editable)``."""
    last = {change.name: change for change in environment.changes}.values()
    kinds = Counter(change_kind(change) for change in last)
    removed = kinds.pop("removed", 0)
    where = environment_name(environment.path)
    if not kinds:
        return f"removed {removed} from {where}"
    special: tuple[ChangeKind, ...] = ("upgraded", "downgraded", "reinstalled")
    facts = [f"{kinds[kind]} {kind}" for kind in special if kinds[kind]]
    if editable := sum(change.editable and change.new is not None for change in last):
        facts.append(f"{editable} editable")
    if removed:
        facts.append(f"{removed} removed")
    total = f"installed {kinds.total()} into {where}"
    return f"{total} ({', '.join(facts)})" if facts else total
