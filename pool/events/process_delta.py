"""Processes as the journal tells them: each look says only what is not as it was at the one before.

A command line of 200 characters for each of 256 processes each second would be a quarter of a
gigabyte an hour. Pure: `diff` makes the difference where samples are taken, `patch` takes
it in where they are folded. A look that leaves out nothing is understood as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pool.common.model import ProcessSample

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["ProcessDelta", "diff", "patch"]


class ProcessDelta(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is new of one process; None is as it was at the look before."""

    pid: int
    ppid: int | None = None
    name: str | None = None
    command: str | None = None
    rss: int | None = None
    """Bytes."""
    cpu: float | None = None
    """Percent of one core."""


def diff(now: Sequence[ProcessSample], before: Sequence[ProcessSample]) -> tuple[ProcessDelta, ...]:
    """Return what somebody needs to know who knows how it was before."""
    known = {process.pid: process for process in before}
    return tuple(_difference(process, known.get(process.pid)) for process in now)


def patch(
    news: Sequence[ProcessDelta], before: Sequence[ProcessSample]
) -> tuple[ProcessSample, ...]:
    """Return how it is now."""
    known = {process.pid: process for process in before}
    return tuple(_renewed(one, known.get(one.pid)) for one in news)


def _difference(now: ProcessSample, before: ProcessSample | None) -> ProcessDelta:
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


def _renewed(news: ProcessDelta, before: ProcessSample | None) -> ProcessSample:
    # Nobody knows it where the look before is not in the journal: then there is nothing to show.
    was = before or ProcessSample(pid=news.pid, ppid=0, name="", command="", rss=0, cpu=0.0)
    return ProcessSample(
        pid=news.pid,
        ppid=was.ppid if news.ppid is None else news.ppid,
        name=was.name if news.name is None else news.name,
        command=was.command if news.command is None else news.command,
        rss=was.rss if news.rss is None else news.rss,
        cpu=was.cpu if news.cpu is None else news.cpu,
    )
