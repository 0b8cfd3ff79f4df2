"""A saved run for reports: its events, the state and timeline they add up to, and its logs.

The journal is read and applied once; every report is made from this record. Logs of builds are read
on demand, only their ends, cleaned and with credentials redacted.
"""

from __future__ import annotations

from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING

import pool
from app.format import format_count
from app.model.outcomes import requested_builds
from app.model.status import end_of_work
from app.model.timeline import Timeline
from app.model.timings.timings import measure
from app.model.timings.transfers import Transfers
from pool import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.model.timings.timings import Timings
    from pool import events

__all__ = ["RunRecord", "format_missing_logs", "read_record"]

_TAIL_BYTES = 1 << 18
"""The part of a log's end that is read."""
_NAMED = 3
"""The number of missing logs that are named."""


class RunRecord(Record, frozen=True, kw_only=True):
    """One run, from its first event to its last."""

    header: events.Header
    events: Sequence[events.Event]
    state: pool.RunState
    """The state after the last event; read-only."""
    logs: Path
    """The folder of the builds' logs; some may be missing."""
    timeline: Timeline
    """Spans of all builds; memory and limits over time."""

    @property
    def timings(self) -> Timings:
        """How long the run was busy with what, and its critical path; computed anew each time."""
        return measure(self.state, self.timeline, Transfers.of(self.events))

    @property
    def peak(self) -> int:
        """The largest number of bytes that all builds used at one time; 0 is unknown."""
        return self.timeline.series["used"].peak

    @property
    def end(self) -> float:
        """Seconds from the start of the run to the end of its work (`end_of_work`)."""
        return end_of_work(self.state)

    @property
    def finished(self) -> bool:
        """Whether the run ended by itself; False if it was killed."""
        return self.state.finished

    @property
    def requested(self) -> list[pool.BuildState]:
        """The builds of the summary; see `requested_builds`."""
        return requested_builds(self.state)

    @property
    def failed(self) -> list[pool.BuildState]:
        """The builds whose last attempt failed."""
        return [build for build in self.requested if build.outcome is pool.Outcome.FAILED]

    def earlier_attempts(self, build: pool.BuildState) -> list[pool.BuildState]:
        """Return the attempts before a build, the first one first."""
        attempts: list[pool.BuildState] = []
        while build.retry_of is not None:
            build = self.state.builds[build.retry_of]
            attempts.append(build)
        return attempts[::-1]

    def log_path(self, build: pool.BuildState) -> Path:
        """Return the path of a build's log: always inside the folder of logs; it may not exist."""
        return _log_path(self.logs, build)

    def tail(self, build: pool.BuildState, lines: int) -> list[str]:
        """Return the last lines of a build's log that are not blank; none without a log."""
        last = list(islice(_read_backwards(self.log_path(build)), lines))
        return last[::-1]

    def extract(self, build: pool.BuildState, lines: int) -> list[str]:
        """Return the lines of a failed build's log that explain the failure, if any are found."""
        log = list(_read_backwards(self.log_path(build)))
        diagnosis = pool.diagnose(log[::-1])
        return [text for _, text in diagnosis.lines[:lines]] if diagnosis is not None else []


def read_record(path: Path) -> RunRecord:
    """Read a journal.

    Args:
        path: the journal's file, or the folder of a run.

    Raises:
        JournalError: it is no journal, it is empty, or a line of it is invalid.
    """
    with pool.JournalReader(path) as reader:
        events = list(reader.read())
    if not events:
        raise pool.JournalError(f"{reader.path}: there are no events in it")
    state, timeline = pool.RunState(header=reader.header), Timeline()
    for event in events:
        pool.apply(state, event)
        timeline.record(event, state)
    return RunRecord(
        header=reader.header,
        events=events,
        state=state,
        logs=pool.logs_path(reader.path),
        timeline=timeline,
    )


def format_missing_logs(state: pool.RunState, logs: Path) -> str:
    """Return which logs of builds are missing; empty if none is.

    Args:
        state: the run.
        logs: the folder that should have them; builds without output have no log.
    """
    builds = state.builds.values()
    names = [one.log for one in builds if one.lines and not _log_path(logs, one).is_file()]
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    named = pool.clean_line(", ".join(names[:_NAMED]))
    return f"{format_count(len(names), 'log')} of builds not there: {named}{more}"


def _log_path(logs: Path, build: pool.BuildState) -> Path:
    return logs / PurePath(build.log).name


def _read_backwards(log: Path) -> Iterator[str]:
    """Yield the last lines that are not blank, the last one first."""
    try:
        with pool.open_regular(log) as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            text = file.read()
    except (OSError, ValueError):  # ValueError: a name that no file can have.
        return
    lines = map(pool.clean_line, reversed(text.split(b"\n")))
    yield from filter(None, lines)
