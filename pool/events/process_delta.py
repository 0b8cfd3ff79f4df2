"""Delta encoding of process samples: each sample has only the fields that changed since the last.

A command line of 200 characters for each of 256 processes each second would be a quarter of a
gigabyte an hour. Pure: `diff` makes the delta for the journal, `patch` applies it in the reducer.
`patch` also accepts a sample that omits nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pool.common.model import ProcessSample

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ProcessDelta", "diff", "patch"]


class ProcessDelta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The changed fields of one process; None means unchanged since the sample before."""

    pid: int
    ppid: int | None = None
    name: str | None = None
    command: str | None = None
    rss: int | None = None
    """Bytes."""
    cpu: float | None = None
    """Percent of one core."""


def diff(now: Sequence[ProcessSample], before: Sequence[ProcessSample]) -> tuple[ProcessDelta, ...]:
    """Return the delta from ``before`` to ``now``."""
    old = {process.pid: process for process in before}
    return tuple(_diff_process(process, old.get(process.pid)) for process in now)


def patch(
    deltas: Sequence[ProcessDelta], before: Sequence[ProcessSample]
) -> tuple[ProcessSample, ...]:
    """Apply a delta to the processes of the sample before."""
    old = {process.pid: process for process in before}
    return tuple(_patch_process(delta, old.get(delta.pid)) for delta in deltas)


def _diff_process(now: ProcessSample, before: ProcessSample | None) -> ProcessDelta:
    if before is None:
        return ProcessDelta(
            pid=now.pid,
            ppid=now.ppid,
            name=now.name,
            command=now.command,
            rss=now.rss,
            cpu=now.cpu,
        )
    return ProcessDelta(
        pid=now.pid,
        ppid=None if now.ppid == before.ppid else now.ppid,
        name=None if now.name == before.name else now.name,
        command=None if now.command == before.command else now.command,
        rss=None if now.rss == before.rss else now.rss,
        cpu=None if now.cpu == before.cpu else now.cpu,
    )


def _patch_process(delta: ProcessDelta, before: ProcessSample | None) -> ProcessSample:
    # A journal may lack the sample before: then the omitted fields are empty.
    old = before or ProcessSample(pid=delta.pid, ppid=0, name="", command="", rss=0, cpu=0.0)
    return ProcessSample(
        pid=delta.pid,
        ppid=old.ppid if delta.ppid is None else delta.ppid,
        name=old.name if delta.name is None else delta.name,
        command=old.command if delta.command is None else delta.command,
        rss=old.rss if delta.rss is None else delta.rss,
        cpu=old.cpu if delta.cpu is None else delta.cpu,
    )
