"""A saved run as reports take it: all of its events, what they add up to, and its logs.

The events are read and folded once; every format is made from this. Logs of builds are read when
they are asked for, only their ends, cleaned and without credentials.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING

import pool
from app.model.timeline import Timeline
from app.text.summary import asked_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pool import events

__all__ = ["RunRecord", "missing_logs", "read"]

_TAIL_BYTES = 1 << 18
"""So much of a log's end is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One run, from its first event to its last."""

    header: events.Header
    events: Sequence[events.Event]
    state: pool.RunState
    """After the last event; nobody changes it any more."""
    logs: Path
    """The folder of the builds' logs; some may be missing."""
    timeline: Timeline
    """What every build did and waited for, and memory and caps over time."""

    @property
    def peak(self) -> int:
        """Bytes that all builds used together at one moment, at most; 0 is unknown."""
        return self.timeline.series["used"].peak

    @property
    def finished(self) -> bool:
        """Whether the run came to its end; a killed one did not."""
        return self.state.finished

    @property
    def asked(self) -> list[pool.BuildState]:
        """What the user asked for, and what failed inside: last tries, worst last."""
        return asked_for(self.state)

    @property
    def failed(self) -> list[pool.BuildState]:
        """The builds that failed for good."""
        return [build for build in self.asked if build.outcome is pool.Outcome.FAILED]

    def tries_before(self, build: pool.BuildState) -> list[pool.BuildState]:
        """Return the earlier tries of a build, the first one first."""
        tries: list[pool.BuildState] = []
        while build.retry_of is not None:
            build = self.state.builds[build.retry_of]
            tries.append(build)
        return tries[::-1]

    def log_of(self, build: pool.BuildState) -> Path:
        """Return where a build's log is, if it is there: never outside of the folder of logs."""
        return _place(self.logs, build)

    def tail(self, build: pool.BuildState, lines: int) -> list[str]:
        """Return the last lines of a build's log that show something; none without a log."""
        shown = list(islice(_from_the_end(self.log_of(build)), lines))
        return shown[::-1]

    def extract(self, build: pool.BuildState, lines: int) -> list[str]:
        """Return the lines of a failed build's log that say why, as far as they can be told."""
        shown = list(_from_the_end(self.log_of(build)))
        found = pool.diagnose(shown[::-1])
        return [text for _, text in found.lines[:lines]] if found is not None else []


def read(path: Path) -> RunRecord:
    """Read a journal.

    Args:
        path: its file, or a run's folder.

    Raises:
        JournalError: it is no journal, it is empty, or has a line that does not belong there.
    """
    with pool.JournalReader(path) as reader:
        happened = list(reader.read())
    if not happened:
        raise pool.JournalError(f"{reader.path}: there are no events in it")
    state, timeline = pool.RunState(header=reader.header), Timeline()
    for event in happened:
        pool.apply(state, event)
        timeline.record(event, state)
    return RunRecord(
        header=reader.header,
        events=happened,
        state=state,
        logs=pool.logs_of(reader.path),
        timeline=timeline,
    )


def missing_logs(state: pool.RunState, logs: Path) -> list[str]:
    """Return the names of logs that had lines in them and are not in their folder."""
    builds = state.builds.values()
    return [build.log for build in builds if build.lines and not _place(logs, build).is_file()]


def _place(logs: Path, build: pool.BuildState) -> Path:
    return logs / PurePath(build.log).name


def _from_the_end(log: Path) -> Iterator[str]:
    """Yield the last lines that show something, the last one first."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read()
    except (OSError, ValueError):  # A name that no file can have.
        return
    cleaned = map(pool.clean_line, reversed(text.split(b"\n")))
    yield from filter(None, cleaned)
