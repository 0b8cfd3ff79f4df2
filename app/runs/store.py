"""Saved runs: which there are, which go on, how each went, and where the log of one is.

Reads the beginning and the end of a journal, not what is between: a listing of many long runs
stays quick. Deliberately forgiving: a log that is broken is listed as that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import psutil

import pool
from app.format import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "SavedRun",
    "find_run",
    "find_running",
    "format_table",
    "is_running",
    "list_running",
    "list_runs",
    "newest_run",
    "runs_with_journal",
]

_TAIL_BYTES = 1 << 16
_RUNNING = "running"
_NAMED = 3
"""So many targets are named in the listing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRun:
    """What the listing says about one run."""

    id: str
    started: datetime | None = None
    """In UTC; None where the log does not say."""
    targets: tuple[str, ...] = ()
    """The first few, as the user typed them."""
    target_count: int = 0
    """How many targets there were."""
    seconds: float = 0.0
    totals: Mapping[pool.Outcome, int] = field(default_factory=dict)
    status: str = ""
    """Why there are no totals: it runs, it was killed, or the log is broken."""


def list_runs(state_dir: Path, count: int, *, beginning: str = "") -> list[SavedRun]:
    """Read the newest runs below the state directory whose ids begin so, newest first."""
    fitting = (folder for folder in _folders(state_dir) if folder.name.startswith(beginning))
    folders = sorted(fitting, key=lambda folder: folder.name, reverse=True)
    return [_read(folder) for folder in folders[:count]]


def newest_run(state_dir: Path) -> Path:
    """Return the folder of the newest run.

    Raises:
        JournalError: there is none.
    """
    folders = runs_with_journal(state_dir)
    if not folders:
        raise pool.JournalError("no saved runs yet", hint="name the log of one: a file or a folder")
    return folders[-1]


def runs_with_journal(state_dir: Path) -> list[Path]:
    """Return the folders of the runs that have a log, the newest last."""
    folders = [folder for folder in _folders(state_dir) if pool.journal_path(folder).exists()]
    return sorted(folders, key=lambda folder: folder.name)


def find_run(state_dir: Path, text: str) -> Path:
    """Return the log a user named: a file, a run's folder, or a run's id or its beginning.

    Raises:
        JournalError: no run has that name, or several begin with it.
    """
    path = type(state_dir)(text).expanduser()
    if path.is_dir() and not pool.journal_path(path).exists():
        raise pool.JournalError(f"{text}: not the folder of a run: there is no log in it")
    if path.exists() or "/" in text:
        return path
    found = [folder for folder in _folders(state_dir) if folder.name.startswith(text)]
    exact = [folder for folder in found if folder.name == text]
    match exact or found:
        case [one]:
            return one
        case []:
            raise pool.JournalError(
                f"{text}: no such file, and no such run", hint="wheelpool runs lists saved runs"
            )
        case several:
            raise pool.JournalError(f"{text}: {len(several)} runs begin like that")


def find_running(state_dir: Path, text: str | None) -> Path:
    """Return the journal of the run that goes on which a user named, or of the only one.

    Raises:
        JournalError: no run has that name, or several begin with it, or its log is broken.
        RunError: it has ended, or none or several go on and none was named.
    """
    if text is not None:
        return _still_going(find_run(state_dir, text))
    match [run.id for run in list_running(state_dir)]:
        case [one]:
            return pool.journal_path(state_dir / "runs" / one)
        case []:
            hint = "wheelpool runs lists saved runs; one with --log FILE is named by its file"
            raise pool.RunError("no run goes on", hint=hint)
        case several:
            names = " ".join(reversed(several))
            raise pool.RunError(f"{len(several)} runs go on, name one of them: {names}")


def list_running(state_dir: Path) -> list[SavedRun]:
    """Read the runs that go on, newest first."""
    runs = (_read(folder) for folder in _folders(state_dir) if _pid_is_there(folder.name))
    going_on = (run for run in runs if run.status == _RUNNING)
    return sorted(going_on, key=lambda run: run.id, reverse=True)


def _still_going(path: Path) -> Path:
    with pool.JournalReader(path) as reader:
        journal, header = reader.path, reader.header
    hint = f"wheelpool replay {path} shows it"
    if isinstance(_last(journal), pool.events.RunFinished):
        raise pool.RunError(f"{header.run}: the run has ended", hint=hint)
    if not is_running(header.run, datetime.fromisoformat(header.started)):
        raise pool.RunError(f"{header.run}: the run was killed", hint=hint)
    return journal


def is_running(run: str, started: datetime) -> bool:
    """Tell whether the process of a run is there; its pid may be somebody else's by now."""
    try:
        process = psutil.Process(_pid(run))
        # A dead one whose parent has not asked for it yet still has a pid.
        dead = process.status() == psutil.STATUS_ZOMBIE
        return not dead and process.create_time() <= started.timestamp()
    except (ValueError, OverflowError, psutil.Error):
        return False


def _pid_is_there(run: str) -> bool:
    """Tell whether it is worth while to read a log: most runs have ended long ago."""
    try:
        return psutil.pid_exists(_pid(run))
    except (ValueError, OverflowError):
        return False


def _pid(run: str) -> int:
    return int(run.rpartition("-")[2])


def format_table(runs: Sequence[SavedRun]) -> Iterator[str]:
    """Yield the lines of the listing."""
    if not runs:
        yield "no saved runs yet"
    rows = [(run.id, _when(run), _how_long(run), _outcomes(run), _targets(run)) for run in runs]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield pool.clean_line("  ".join(cells).rstrip(), longest=1000)


def _folders(state_dir: Path) -> list[Path]:
    try:
        return [folder for folder in (state_dir / "runs").iterdir() if folder.is_dir()]
    except OSError:
        return []


def _read(folder: Path) -> SavedRun:
    try:
        with pool.JournalReader(folder) as reader:
            header, beginning = reader.header, list(islice(reader.read(), 1 + _NAMED))
        last = _last(pool.journal_path(folder))
        started = datetime.fromisoformat(header.started)
    except (pool.JournalError, ValueError, OSError):
        return SavedRun(id=folder.name, status="broken log")
    asked = [event.targets for event in beginning if isinstance(event, pool.events.RunStarted)]
    queued = [event for event in beginning if isinstance(event, pool.events.BuildQueued)]
    ended = isinstance(last, pool.events.RunFinished)
    return SavedRun(
        id=folder.name,
        started=started,
        targets=tuple(event.target for event in queued if not event.needed_by),
        target_count=sum(asked),
        seconds=last.t if last else 0.0,
        totals=last.totals if isinstance(last, pool.events.RunFinished) else {},
        status="" if ended else _RUNNING if is_running(folder.name, started) else "ended early",
    )


def _last(journal: Path) -> pool.events.Event | None:
    """Return the last whole event; None where there is none, or it is no event."""
    with journal.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        whole = file.read().rpartition(b"\n")[0]
    line = whole.rpartition(b"\n")[2]
    try:
        return pool.decode(line)
    except ValueError:  # The header of a run that has just begun, or a log that is broken.
        return None


def _when(run: SavedRun) -> str:
    return f"{run.started.astimezone():%Y-%m-%d %H:%M}" if run.started else ""


def _how_long(run: SavedRun) -> str:
    return format_duration(run.seconds) if run.seconds else ""


def _outcomes(run: SavedRun) -> str:
    counts = (
        f"{run.totals[outcome]} {outcome}" for outcome in pool.Outcome if outcome in run.totals
    )
    return run.status or ", ".join(counts)


def _targets(run: SavedRun) -> str:
    more = run.target_count - len(run.targets)
    return " ".join([*run.targets, *([f"and {more} more"] if more > 0 else [])])
