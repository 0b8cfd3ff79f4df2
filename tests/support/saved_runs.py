"""Two saved runs with builds in every state, for tests of completion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pool
from pool import events
from tests.support.home import write_journal

if TYPE_CHECKING:
    from tests.support.home import Home

__all__ = ["EVENTS", "NEWER", "OLDER", "save_two_runs"]

NEWER, OLDER = "20261121-031205-4711", "20261120-020000-4712"
A, B, C, D = (pool.BuildId(f"b{n}") for n in (1, 2, 3, 4))
EVENTS: list[events.KnownEvent] = [
    events.RunStarted(limits={pool.LimitName.BUILDS: 2}, targets=4, out_dir="w", logs="logs"),
    events.BuildQueued(build=A, name="six", version="1.17.0", target="six==1.17.0", log="a"),
    events.BuildQueued(build=B, name="my-lib", target="./my-lib", log="b"),
    events.BuildQueued(build=C, name="my-lib", target="./other, too", log="c"),
    events.BuildQueued(build=D, name="old", target="./old", log="d"),
    events.BuildStarted(build=A, slot=1),
    events.BuildFinished(build=D, outcome=pool.Outcome.FAILED, message="no"),
]


def save_two_runs(home: Home) -> None:
    """Save two runs of the same builds, one day apart."""
    for run, day in (NEWER, "2026-11-21"), (OLDER, "2026-11-20"):
        journal = write_journal(home.state / "runs" / run, EVENTS, run=run)
        journal.write_text(journal.read_text().replace("2026-11-21", day))
