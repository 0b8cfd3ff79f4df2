"""The commands ``wheelpool report`` and ``wheelpool runs export``.

Reads a saved run once and writes it in each format that the user selected (`app.reports`), or
prints its summary. Nothing is written if the journal cannot be read.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import msgspec

import pool
from app.format import format_count
from app.plain.printer import Printer, unfinished_line
from app.reports.files import write_report
from app.runs import bundle
from app.runs import store as runs
from app.runs.record import format_missing_logs, read_record
from app.text.failure import log_name, short_cause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from app.runs.record import RunRecord

__all__ = ["export_run", "print_missing_logs", "record_to_json", "write_reports"]


def write_reports(
    state_dir: Path,
    run: str | None,
    formats: Mapping[str, str],
    *,
    timings: bool = False,
    as_json: bool = False,
) -> None:
    """Write a run in the selected formats; without any, print its summary on stdout.

    Args:
        state_dir: the folder of saved runs.
        run: the run as `runs.find_run` takes it; None is the newest run.
        formats: the file of each format, ``-`` for stdout.
        timings: print the timings of the run as well.
        as_json: print failures and timings as JSON, and nothing else.

    Raises:
        JournalError: there is no such run, or its journal cannot be read.
        OutputError: a file cannot be written.
    """
    with ExitStack() as stack:
        path = runs.newest_run(state_dir) if run is None else runs.find_run(state_dir, run)
        record = read_record(stack.enter_context(bundle.open_journal(path)))
        print_missing_logs(record.state, record.logs)
        for name, to in formats.items():
            write_report(record, name, to)
        if as_json:
            print(record_to_json(record))
        elif timings or not formats:
            for line in _summary(record, timings=timings):
                print(line)


def _summary(record: RunRecord, *, timings: bool) -> Iterator[str]:
    """Yield the summary that the run printed last."""
    printer = Printer("normal", record.header, record.logs, timings=timings)
    for event in record.events:
        printer.apply(event)
    yield from (line.text for line in printer.short_summary())
    if not record.finished:
        yield unfinished_line(record.state).text


def record_to_json(record: RunRecord) -> str:
    """Return the outcome, the failures and the timings of a run as JSON; times are seconds."""
    document = {
        "run": record.header,
        "finished": record.finished,
        "exit_code": record.state.exit_code,
        "seconds": record.end,
        "failures": [_failure_to_json(record, build) for build in record.failed],
        "timings": record.timings,
    }
    return msgspec.json.format(pool.encode_json(document), indent=2).decode()


def _failure_to_json(record: RunRecord, build: pool.BuildState) -> dict[str, object]:
    """Return what failed, why, and what to do."""
    return {
        "name": build.name,
        "version": build.version,
        "cause": short_cause(build),
        "message": build.message,
        "fix": build.hint,
        "log": log_name(build, record.state),
        "rerun": build.rerun,
        "seconds": build.seconds,
    }


def print_missing_logs(state: pool.RunState, logs: Path) -> None:
    """Print on stderr which logs of builds are missing."""
    if text := format_missing_logs(state, logs):
        print(f"wheelpool: {text}", file=sys.stderr)


def export_run(state_dir: Path, run: str, to: Path) -> str:
    """Pack a run into one file; return a line about the file.

    Raises:
        JournalError: there is no such run, or its journal cannot be read.
        OutputError: the file cannot be written.
    """
    journal = runs.find_run(state_dir, run)
    record = read_record(journal)
    logs = bundle.pack_run(journal, to)
    print_missing_logs(record.state, record.logs)
    return f"{to}: {format_count(len(record.events), 'event')}, {format_count(len(logs), 'log')}"
