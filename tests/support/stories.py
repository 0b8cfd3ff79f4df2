"""Runs as short stories: events with their times, for tests of what reads a whole run."""

from __future__ import annotations

import msgspec

import pool
from app.model.timeline import Timeline
from app.model.timings.timings import Timings, measure
from app.model.timings.transfers import Transfers
from pool import LimitName, events

__all__ = ["at", "measure_journal", "queued", "started_run"]


def queued(name: str, **facts: object) -> events.BuildQueued:
    """Return the announcement of a build whose id is its name."""
    return msgspec.convert(
        {"build": name, "name": name, "target": name, "log": f"{name}.log", **facts},
        events.BuildQueued,
    )


def started_run(startup: float = 0.0) -> events.RunStarted:
    """Return the first event of a run with two slots that installs into an environment."""
    return events.RunStarted(
        limits={LimitName.BUILDS: 2},
        targets=1,
        out_dir="",
        logs="",
        environment="/env",
        startup=startup,
    )


def at(*happened: tuple[float, events.KnownEvent]) -> list[events.KnownEvent]:
    """Return events with their times and numbers."""
    return [
        msgspec.structs.replace(event, t=t, seq=seq)
        for seq, (t, event) in enumerate(happened, start=1)
    ]


def measure_journal(journal: list[events.KnownEvent]) -> Timings:
    """Return the timings of a run."""
    state, timeline = pool.RunState(), Timeline()
    for event in journal:
        pool.apply(state, event)
        timeline.record(event, state)
    return measure(state, timeline, Transfers.of(journal))
