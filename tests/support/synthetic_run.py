"""A run that never was: the same names at the same moments, whatever recordings become."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

import pool
from pool.common.model import BuildId, LimitName, Outcome, Phase, RunId
from pool.events import types as v

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["write_synthetic_run"]

COUNT, ROUND, WORK = 40, 3.0, 2.5
"""Builds, two at once; seconds from one pair to the next, and those of each build."""
FAILED = (5, 11)
NESTED, NEEDY = 30, 20
LINES = 300
CAUSE = 280
HEADER = v.Header(
    wheelpool="1", schema=1, run=RunId("r"), started="2026-11-21T03:12:05+00:00", argv=(),
    python="3.11", host=v.Host(cpus=2, memory=8 << 30),
)  # fmt: skip


def write_synthetic_run(path: Path) -> None:
    """Write a journal of a minute and its logs: 40 builds from p00 on; p05 and p11 fail."""
    lines = [pool.encode_header(HEADER)]
    told = sorted(_story(), key=lambda event: event.t)
    for number, event in enumerate(told, 1):
        lines.append(pool.encode(msgspec.structs.replace(event, seq=number)))
    path.write_bytes(b"\n".join(lines) + b"\n")
    logs = pool.logs_path(path)
    logs.mkdir()
    for number in range(COUNT):
        (logs / f"p{number:02}").write_text(_log(number))


def _log(number: int) -> str:
    wide = " --flag" * 40
    lines = [f"step {line} of p{number:02}{wide}" for line in range(1, LINES + 1)]
    if number in FAILED:
        lines[CAUSE - 1] = "p.c:1:10: fatal error: missing.h: No such file or directory"
    return "\n".join(lines) + "\n"


def _story() -> Iterator[v.KnownEvent]:
    limits = {LimitName.BUILDS: 2, LimitName.DOWNLOADS: 4}
    yield v.RunStarted(limits=limits, targets=COUNT - 1, out_dir="o", logs="l", t=0.0)
    ids = [BuildId(f"b{number + 1}") for number in range(COUNT)]
    for number, build in enumerate(ids):
        name = f"p{number:02}"
        needed_by = (ids[NEEDY],) if number == NESTED else ()
        yield v.BuildQueued(
            build=build, name=name, target=name, log=name, version="1.0", needed_by=needed_by,
            t=0.001 * number,
        )  # fmt: skip
        yield from _built(build, number)
    yield v.LimitChanged(limit=LimitName.BUILDS, old=2, new=3, why="user", t=29.0)
    yield v.RunFinished(exit_code=1, totals={Outcome.BUILT: 37, Outcome.FAILED: 2}, t=60.5)


def _built(build: BuildId, number: int) -> Iterator[v.KnownEvent]:
    begun = 1.0 + number // 2 * ROUND
    size = len(_log(number).encode())
    yield v.BuildStarted(build=build, slot=number % 2 + 1, t=begun)
    yield v.BuildPhase(build=build, phase=Phase.BUILD, t=begun + 0.1)
    yield v.BuildOutput(build=build, lines=LINES, bytes=size, last="step", t=begun + 0.5)
    end = begun + WORK
    if number in FAILED:
        yield v.BuildFinished(
            build=build, outcome=Outcome.FAILED, seconds=WORK, message="missing.h is missing",
            rerun="cd /tree && make", t=end,
        )  # fmt: skip
    else:
        yield v.BuildFinished(build=build, outcome=Outcome.BUILT, seconds=WORK, t=end)
