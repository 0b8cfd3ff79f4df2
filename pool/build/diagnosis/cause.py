"""A known cause of failed builds: how it is recognized, its short name, its fix.

The table of them is in `pool.build.diagnosis.causes`. A pattern is compiled when a line has one of
the words of its cause, so that starting the program compiles none, and scanning a log few.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from pool.common.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pool.build.diagnosis.fix_context import FixContext

__all__ = [
    "LONGEST_SUMMARY",
    "Cause",
    "Explanation",
    "Fix",
    "Rank",
    "find_cause",
    "find_claim",
    "shorten",
]

LONGEST_SUMMARY = 40
"""Cells of a summary: it has to fit into a row of the table of builds."""


class Rank(IntEnum):
    """The rank of an error in a log; the error of the lowest rank is reported."""

    CAUSE = 0
    EXCEPTION = 1
    SUSPECT = 2
    """Possibly an error: configure steps look for many things that may be missing."""
    CONSEQUENCE = 3
    """Reports that a step failed, but not why."""


if TYPE_CHECKING:
    Fix: TypeAlias = Callable[[Mapping[str, str], FixContext], str]
    """Makes the fix from the named groups of the pattern; an empty string is no fix."""


class Cause(Record, frozen=True, kw_only=True):
    """One known cause. It takes an entry in the table, and a log in the tests."""

    name: str
    """Short and unique: the name of its log in the tests."""
    words: tuple[str, ...]
    """A text matches only if it has one of them: a search for them takes nanoseconds."""
    pattern: str
    """A regular expression that takes linear time; its groups are named."""
    summary: str
    """At most 40 characters, with groups of the pattern in braces."""
    fix: Fix
    starts: Rank | None = None
    """The rank of a line that matches; None if it only explains an error found otherwise."""

    def explain(self, text: str) -> Explanation | None:
        """Return what the text means if it matches."""
        if not any(word in text for word in self.words):
            return None
        if (match := _compiled(self.pattern).search(text)) is None:
            return None
        found = {name: value or "" for name, value in match.groupdict().items()}
        return Explanation(cause=self, found=found)


class Explanation(Record, frozen=True, kw_only=True):
    """A cause that was found, with what it names."""

    cause: Cause
    found: Mapping[str, str]

    @property
    def summary(self) -> str:
        """The cause in a few words."""
        return shorten(self.cause.summary.format_map(self.found))

    def fix(self, context: FixContext) -> str:
        """Return what this user can do; empty if there is no advice."""
        return self.cause.fix(self.found, context)


def shorten(text: str) -> str:
    """Return a text, cut to the length of a summary."""
    return text if len(text) <= LONGEST_SUMMARY else f"{text[: LONGEST_SUMMARY - 1]}…"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def find_cause(text: str, causes: Iterable[Cause]) -> Explanation | None:
    """Return the first cause in the table that explains a text."""
    return next((found for cause in causes if (found := cause.explain(text)) is not None), None)


def find_claim(line: str, words: Iterable[tuple[str, Cause]]) -> Explanation | None:
    """Return the first cause that claims a line: this runs for every line of a log."""
    for word, cause in words:
        if word in line and (found := cause.explain(line)) is not None:
            return found
    return None
