"""Writes reports to files or stdout; one format is loaded only when it is written.

A file is complete or not written at all. `app.reports` has one module for each format.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.runs.record import RunRecord

__all__ = ["write_report"]

_CONTROLS = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
"""All control characters in UTF-8, except tab and newline."""


def write_report(record: RunRecord, name: str, to: str) -> None:
    """Write a run in one format.

    Args:
        record: the run.
        name: of the format: ``trace``, ``junit``, ``html`` or ``markdown``.
        to: a file, or ``-`` for stdout.

    Raises:
        OutputError: the file cannot be written.
    """
    data = _renderer(name)(record).encode("utf-8", "replace")
    # A terminal obeys control characters, and stdout or `cat` may lead to one.
    data = pool.escape_controls(data) if name == "trace" else _CONTROLS.sub(b"", data)
    if to == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        return
    with pool.open_output(Path(to)) as file:
        file.write(data)


def _renderer(name: str) -> Callable[[RunRecord], str]:
    """Import the module of a format and return its function."""
    match name:
        case "trace":
            from app.reports.chrome_trace import render_trace  # noqa: PLC0415

            return render_trace
        case "junit":
            from app.reports.junit import render_junit  # noqa: PLC0415

            return render_junit
        case "html":
            from app.reports.html import render_html  # noqa: PLC0415

            return render_html
        case _:
            from app.reports.markdown import render_markdown  # noqa: PLC0415

            return render_markdown
