"""Finds and lists saved runs, and tells which of them are still running.

A listing reads the start and the end of each journal only, so it is quick for many long runs. A
broken journal is no error; it is listed as broken.
"""

from __future__ import annotations

import os
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

import psutil
from msgspec import field

import pool
from app.format import format_duration
from pool import Record

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
"""The number of targets that the listing names."""


class SavedRun(Record, frozen=True, kw_only=True):
    """One run in the listing."""

    id: str
    started: datetime | None = None
    """In UTC; None if the journal is broken."""
    targets: tuple[str, ...] = ()
    """The first few, as the user typed them."""
    target_count: int = 0
    """The number of all targets."""
    command: str = ""
    """``build`` or ``install``."""
    exit_code: int | None = None
    """None without an end."""
    seconds: float = 0.0
    totals: Mapping[pool.Outcome, int] = field(default_factory=dict)
    status: str = ""
    """Why there are no totals: it runs, was killed, or its journal is broken."""


def list_runs(state_dir: Path, count: int, *, prefix: str = "") -> list[SavedRun]:
    """Read the newest runs whose ids start with a prefix, the newest first."""
    matching = (folder for folder in _folders(state_dir) if folder.name.startswith(prefix))
    folders = sorted(matching, key=lambda folder: folder.name, reverse=True)
    return [_read(folder) for folder in folders[:count]]


def newest_run(state_dir: Path) -> Path:
    """Return the folder of the newest run.

    Raises:
        JournalError: there are no saved runs.
    """
    folders = runs_with_journal(state_dir)
    if not folders:
        raise pool.JournalError("no saved runs yet", hint="name the log of one: a file or a folder")
    return folders[-1]


def runs_with_journal(state_dir: Path) -> list[Path]:
    """Return the folders of the runs that have a journal, the newest last."""
    folders = [folder for folder in _folders(state_dir) if pool.journal_path(folder).exists()]
    return sorted(folders, key=lambda folder: folder.name)


def find_run(state_dir: Path, text: str) -> Path:
    """Return the journal of an argument: a file, a run's folder, a run's id or a prefix of it.

    Raises:
        JournalError: there is no such run, or several match.
    """
    path = pool.expand_user(text)
    if path.is_dir() and not pool.journal_path(path).exists():
        raise pool.JournalError(f"{text}: not a run's folder: it has no journal")
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
            raise pool.JournalError(f"{text}: {len(several)} runs start like this")


def find_running(state_dir: Path, text: str | None) -> Path:
    """Return the journal of a running run, or of the only one if none is named.

    Raises:
        JournalError: there is no such run, several match, or its journal is broken.
        RunError: the run has ended; or none is named, and none or several are running.
    """
    if text is not None:
        return _require_running(find_run(state_dir, text))
    match [run.id for run in list_running(state_dir)]:
        case [one]:
            return pool.journal_path(state_dir / "runs" / one)
        case []:
            hint = "wheelpool runs lists saved runs; name a run with --log FILE by its file"
            raise pool.RunError("no run in progress", hint=hint)
        case several:
            names = " ".join(reversed(several))
            raise pool.RunError(f"{len(several)} runs in progress, name one of them: {names}")


def list_running(state_dir: Path) -> list[SavedRun]:
    """Read the runs that are still running, the newest first."""
    runs = (_read(folder) for folder in _folders(state_dir) if _pid_exists(folder.name))
    running = (run for run in runs if run.status == _RUNNING)
    return sorted(running, key=lambda run: run.id, reverse=True)


def _require_running(path: Path) -> Path:
    with pool.JournalReader(path) as reader:
        journal, header = reader.path, reader.header
    hint = f"wheelpool replay {path} shows it"
    if isinstance(_last(journal), pool.events.RunFinished):
        raise pool.RunError(f"{header.run}: the run has ended", hint=hint)
    if not is_running(header.run, datetime.fromisoformat(header.started)):
        raise pool.RunError(f"{header.run}: the run was killed", hint=hint)
    return journal


def is_running(run: str, started: datetime) -> bool:
    """Return whether the process of a run exists; a younger process with its pid does not count."""
    try:
        process = psutil.Process(pool.pid_of_run(run))
        # A zombie still has a pid.
        dead = process.status() == psutil.STATUS_ZOMBIE
        return not dead and process.create_time() <= started.timestamp()
    except (ValueError, OverflowError, psutil.Error):
        return False


def _pid_exists(run: str) -> bool:
    """Return whether the pid of a run is in use; a cheap check before its journal is read."""
    try:
        return psutil.pid_exists(pool.pid_of_run(run))
    except (ValueError, OverflowError):
        return False


def format_table(runs: Sequence[SavedRun]) -> Iterator[str]:
    """Yield the lines of the listing."""
    if not runs:
        yield "no saved runs yet"
    rows = [
        (run.id, _when(run), _duration(run), _exit(run), _outcomes(run), _targets(run))
        for run in runs
    ]
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
    targets = [event.targets for event in beginning if isinstance(event, pool.events.RunStarted)]
    queued = [event for event in beginning if isinstance(event, pool.events.BuildQueued)]
    ended = isinstance(last, pool.events.RunFinished)
    return SavedRun(
        id=folder.name,
        started=started,
        targets=tuple(event.target for event in queued if not event.needed_by),
        target_count=sum(targets),
        command=next(iter(header.argv[1:]), ""),
        exit_code=last.exit_code if isinstance(last, pool.events.RunFinished) else None,
        seconds=last.t if last else 0.0,
        totals=last.totals if isinstance(last, pool.events.RunFinished) else {},
        status="" if ended else _RUNNING if is_running(folder.name, started) else "ended early",
    )


def _last(journal: Path) -> pool.events.Event | None:
    """Return the last complete event; None if there is none."""
    with journal.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        whole = file.read().rpartition(b"\n")[0]
    line = whole.rpartition(b"\n")[2]
    try:
        return pool.decode(line)
    except ValueError:  # The header of a new run, or a broken journal.
        return None


def _when(run: SavedRun) -> str:
    return f"{run.started.astimezone():%Y-%m-%d %H:%M}" if run.started else ""


def _duration(run: SavedRun) -> str:
    return format_duration(run.seconds) if run.seconds else ""


def _exit(run: SavedRun) -> str:
    return "" if run.exit_code is None else f"exit {run.exit_code}"


def _outcomes(run: SavedRun) -> str:
    counts = (
        f"{run.totals[outcome]} {outcome}" for outcome in pool.Outcome if outcome in run.totals
    )
    return run.status or ", ".join(counts)


def _targets(run: SavedRun) -> str:
    more = run.target_count - len(run.targets)
    return " ".join([run.command, *run.targets, *([f"and {more} more"] if more > 0 else [])])
