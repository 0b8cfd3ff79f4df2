"""What ``wheelpool report`` does: a saved run in the formats that were asked for, each its file.

A file is there whole or not at all; ``-`` is stdout. Nothing is written where the log cannot be
read. Each format is made by its module in `app.reports`, from one reading of the log.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pool
from app.format import format_count
from app.outfile import written
from app.plain.printer import Printer, ends_early
from app.runs import bundle
from app.runs import store as runs
from app.runs.record import RunRecord, missing_logs, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["export", "missing", "report", "say_missing"]

_NAMED = 3
"""So many logs that are missing are named."""


def report(state_dir: Path, log: str | None, wanted: Mapping[str, str]) -> None:
    """Write the formats that are wanted; without any, say how it went on stdout.

    Args:
        state_dir: where saved runs are.
        log: as `runs.find` takes it; None is the newest run.
        wanted: the file for each format, ``-`` for stdout.

    Raises:
        JournalError: there is no such log, or it cannot be read.
        OutputError: a file cannot be written.
    """
    with ExitStack() as stack:
        path = runs.newest(state_dir) if log is None else runs.find(state_dir, log)
        record = read(stack.enter_context(bundle.opened(path)))
        say_missing(record.state, record.logs)
        for name, to in wanted.items():
            _write(_format(name)(record), to)
        if not wanted:
            for line in _in_words(record):
                print(line)


def _format(name: str) -> Callable[[RunRecord], str]:
    """Return what makes a format; only what is asked for is loaded."""
    match name:
        case "trace":
            from app.reports.chrome_trace import trace  # noqa: PLC0415

            return trace
        case "junit":
            from app.reports.junit import junit  # noqa: PLC0415

            return junit
        case "html":
            from app.reports.html import html  # noqa: PLC0415

            return html
        case _:
            from app.reports.markdown import markdown  # noqa: PLC0415

            return markdown


def _write(text: str, to: str) -> None:
    """Put a text into a file, or onto stdout."""
    data = text.encode("utf-8", "replace")
    if to == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        return
    with written(Path(to)) as file:
        file.write(data)


def _in_words(record: RunRecord) -> Iterator[str]:
    """Yield how a run went, as its last lines said it."""
    printer = Printer("normal", record.header, record.logs)
    for event in record.events:
        printer.follow(event)
    yield from (line.text for line in printer.in_short())
    if not record.finished:
        yield ends_early(record.state).text


def say_missing(state: pool.RunState, logs: Path) -> None:
    """Say on stderr which logs of builds are not where they should be."""
    if text := missing(state, logs):
        print(f"wheelpool: {text}", file=sys.stderr)


def missing(state: pool.RunState, logs: Path) -> str:
    """Say which logs of builds are not where they should be; empty if all are."""
    if not (names := missing_logs(state, logs)):
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    said = pool.clean_line(", ".join(names[:_NAMED]))
    return f"{format_count(len(names), 'log')} of builds not there: {said}{more}"


def export(state_dir: Path, run: str, to: Path) -> str:
    """Pack a run into one file; return what there is to say about it.

    Raises:
        JournalError: there is no such run, or it cannot be read.
        OutputError: the file cannot be written.
    """
    journal = runs.find(state_dir, run)
    record = read(journal)
    logs = bundle.pack(journal, to)
    say_missing(record.state, record.logs)
    return f"{to}: {format_count(len(record.events), 'event')}, {format_count(len(logs), 'log')}"
