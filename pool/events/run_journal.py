"""The record of a run: who it is, and the journal that it begins with."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING

import psutil

from pool.common.errors import OutputError
from pool.common.model import RunId
from pool.events.journal import EVENTS, JournalWriter
from pool.events.types import SCHEMA, Header, Host

if TYPE_CHECKING:
    from pool.common.clock import Clock
    from pool.settings import Settings

__all__ = ["open_run_journal"]


def open_run_journal(settings: Settings, clock: Clock, python: str) -> tuple[Header, JournalWriter]:
    """Name the run and open its journal; ``python`` is the target's version.

    Raises:
        OutputError: the journal cannot be written.
    """
    header = _header(settings, clock, python)
    path = settings.journal or settings.state_dir / "runs" / header.run / EVENTS
    try:
        return header, JournalWriter(path, header)
    except OSError as problem:
        raise OutputError(
            f"{path}: the log cannot be written: {(problem.strerror or str(problem)).lower()}",
            hint="choose another place with --log",
        ) from problem


def _header(settings: Settings, clock: Clock, python: str) -> Header:
    started = clock.now()
    return Header(
        wheelpool=version("wheelpool"),
        schema=SCHEMA,
        run=RunId(f"{started:%Y%m%d-%H%M%S}-{os.getpid()}"),
        started=started.isoformat(timespec="milliseconds"),
        argv=settings.argv,
        python=python,
        host=Host(cpus=os.cpu_count() or 1, memory=psutil.virtual_memory().total),
    )
