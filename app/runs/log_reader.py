"""Reads the log of one build of a saved run, at once or while it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pool
from app.runs.build_lookup import find_build
from app.text.rows import build_title

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["LogReader"]

_LONGEST_LINE = 1 << 16
"""The maximum number of bytes that are read as one line."""


class LogReader:
    """The log of a build; of several attempts, that of the last one.

    Args:
        reader: the journal of the run, at its beginning.
        name: the build's name, its name and version, its target or its id.

    Raises:
        JournalError: the journal is invalid.
        RunError: there is no such build, or it has no log.
    """

    def __init__(self, reader: pool.JournalReader, name: str) -> None:
        self._reader = reader
        self._state = pool.RunState(header=self._reader.header)
        self._read_journal()
        self._build = find_build(self._state, name, _is_last_attempt)
        self._path = pool.logs_path(self._reader.path) / self._build.log.rpartition("/")[2]
        self._position = 0
        if not self._build.log or (self.is_complete and not self._path.is_file()):
            raise pool.RunError(
                f"{build_title(self._build)}: this build has no log",
                hint=f"it is {self._build.outcome or self._build.status}",
            )

    @property
    def is_complete(self) -> bool:
        """Whether the build, or its run, has ended."""
        return self._state.finished or self._build.status is pool.Status.DONE

    def read(self) -> Iterator[str]:
        """Yield the lines that have not been read yet, without control characters.

        While the build is running, an incomplete last line is left for the next call.

        Raises:
            RunError: the file cannot be read.
        """
        try:
            with pool.open_regular(self._path) as file:
                file.seek(self._position)
                while line := file.readline(_LONGEST_LINE):
                    whole = line.endswith(b"\n") or len(line) == _LONGEST_LINE
                    if not whole and not self.is_complete:
                        return
                    self._position += len(line)
                    yield pool.clean_line(line, longest=_LONGEST_LINE)
        except FileNotFoundError:
            return  # No output yet.
        except OSError as problem:
            raise pool.RunError(f"{self._path}: {pool.os_error_text(problem)}") from problem

    def follow(self, poll_delays: Iterable[None]) -> Iterator[str]:
        """Yield the lines of the log, and new ones until its build has ended.

        Args:
            poll_delays: an iterator that sleeps on each step.

        Raises:
            RunError: the file cannot be read.
        """
        for _ in poll_delays:
            # Read first: when the outcome is in the journal, the log is complete.
            self._read_journal()
            yield from self.read()
            if self.is_complete:
                return

    def _read_journal(self) -> None:
        pool.apply_all(self._state, self._reader.read())


def _is_last_attempt(build: pool.BuildState) -> bool:
    return bool(build.log) and build.superseded_by is None and build.purpose != "metadata"
