"""Diagnoses a failed build from its log: the cause, its short name, a fix, the relevant lines.

The rules: errors of compilers, linkers, CMake, meson and rustc come first, and of those the first
one, as the others mostly are its consequences; then the last Python exception; then any other line
that looks like an error. A known cause (`pool.build.diagnosis.causes`) may claim a line for itself.
Deliberately pure, and a single pass over the log. Lines must be cleaned and shortened
(`pool.common.text.clean_line`), so that no pattern runs over a long line.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from msgspec import field

from pool.build.diagnosis.cause import Rank, find_cause, find_claim, shorten
from pool.build.diagnosis.causes import CAUSES, STARTING_WORDS
from pool.build.diagnosis.fix_context import UNKNOWN_CONTEXT
from pool.common.record import MutableRecord, Record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pool.build.diagnosis.cause import Explanation
    from pool.build.diagnosis.fix_context import FixContext

__all__ = ["Diagnosis", "diagnose"]


class Diagnosis(Record, frozen=True, kw_only=True):
    """The cause of a failed build, according to its log."""

    cause: str
    """The error in one line."""
    lines: tuple[tuple[int, str], ...]
    """The lines of the error, each with its number in the log."""
    explanation: Explanation | None = None
    """The known cause; None if it is unknown."""

    @property
    def summary(self) -> str:
        """The cause in at most 40 characters."""
        if self.explanation is not None:
            return self.explanation.summary
        return shorten(_PLACE.sub("", self.cause).strip() or self.cause)

    @property
    def hint(self) -> str:
        """The fix where nothing but the log is known; empty if there is none."""
        return self.fix(UNKNOWN_CONTEXT)

    def fix(self, context: FixContext) -> str:
        """Return what the user of the build can do; empty if there is no advice."""
        return self.explanation.fix(context) if self.explanation is not None else ""


class _Pattern(Record, frozen=True):
    """The first line of one kind of error, and the lines around it that belong to it."""

    regex: re.Pattern[str]
    rank: Rank
    before: int = 0
    """The number of lines before it that may be context."""
    follow: re.Pattern[str] | None = None
    """Matches the lines after it that belong to it; None if there are none."""
    max_after: int = 4
    """The most lines after it."""


class _ErrorBlock(MutableRecord):
    """An error in the log; it grows while lines follow that belong to it."""

    rank: Rank
    cause: str
    lines: list[tuple[int, str]]
    number: int
    pattern: _Pattern | None = None
    remaining: int = 0
    body: list[str] = field(default_factory=list)
    explanation: Explanation | None = None
    """The known cause that claimed the line."""

    @property
    def text(self) -> str:
        """The whole error in one line."""
        return " ".join(" ".join([self.cause, *self.body]).split())


_CONTEXT = re.compile(
    r"\bin function\b|: In |included from|required from|nstantiat|found: NO|-- Checking for"
)
"""Matches lines before an error that tell where it is."""
_SOURCE = re.compile(r"^\s+(?:\d+ )?\|")
_INDENTED = re.compile(r"^\s*$|^\s")
_NOT_BLANK = re.compile(r"\S")
_CMAKE = re.compile(r"^CMake Error\b")
_MESON = re.compile(r"(?:^|meson\.build:\d+:\d+: )ERROR: ")
_ERROR_PATTERNS = (
    _Pattern(re.compile(r":\d+(?::\d+)?: (?:fatal )?error: "), Rank.CAUSE, 1, _SOURCE, 3),
    _Pattern(re.compile(r"^(?:g?cc|g\+\+|c\+\+|clang)\S*: fatal error: "), Rank.CAUSE),
    _Pattern(
        re.compile(
            r"cannot find -l\S|unable to find library -l|library '?-?l?\S{1,80} not found"
            r"|undefined (?:reference to|symbol: )|multiple definition of "
        ),
        Rank.CAUSE,
        1,
    ),
    _Pattern(_CMAKE, Rank.CAUSE, 0, _INDENTED, 14),
    _Pattern(_MESON, Rank.CAUSE, 2),
    _Pattern(re.compile(r"^error\[E\d+\]|^error: linker "), Rank.CAUSE, 0, _NOT_BLANK, 10),
    _Pattern(re.compile(r"^configuration error: |^error in \S+ setup command: "), Rank.CAUSE),
    _Pattern(
        re.compile(r"^error: .{0,80}(?:Rust compiler|No such file or directory)"), Rank.CAUSE
    ),
    _Pattern(re.compile(r"(?:^|: )(?:command )?not found$|: command not found\b"), Rank.SUSPECT),
    _Pattern(re.compile(r"^\S{0,100}: \d+: \S{1,80}: not found$"), Rank.SUSPECT),
    _Pattern(
        re.compile(r"No package '[^']+' found|Package '?[\w.+-]+'?.{0,80}not found"),
        Rank.SUSPECT,
        1,
    ),
    _Pattern(re.compile(r"pg_config executable not found|mysql_config not found"), Rank.SUSPECT),
    _Pattern(re.compile(r"\bKilled$|SIGKILL\b"), Rank.SUSPECT),
    _Pattern(re.compile(r"detected dubious ownership in repository"), Rank.SUSPECT),
    _Pattern(re.compile(r"python[\d.]*: No module named \S+$"), Rank.SUSPECT),
    _Pattern(
        re.compile(
            r"^collect2: |^error: could not compile|^make(?:\[\d+\])?: \*\*\*|^ninja: build"
        ),
        Rank.CONSEQUENCE,
    ),
    _Pattern(
        re.compile(r"^(?:fatal )?[Ee]rror: |^ERROR: |^fatal: "),
        Rank.CONSEQUENCE,
        before=1,
        follow=_SOURCE,
        max_after=3,
    ),
)  # fmt: skip
_CANDIDATE = re.compile(
    r"rror\b|rror\[|ERROR: |not found|annot find|nable to find|ndefined |ultiple def"
    r"|No package|Killed|SIGKILL|Traceback|fatal: |No module named|\*\*\*|collect2|ninja: "
)
"""Matches every line that any pattern may match: most lines are tested with this alone."""
_PROBE = re.compile(r"_configtest|conftest\.|CMakeScratch|CMakeTmp|TryCompile")
"""Files that configure steps compile as a test; their failure is a result, not an error."""
_TRACEBACK = re.compile(r"^(\s*)Traceback \(most recent call last\):")
_UNINFORMATIVE = re.compile(
    r"returned non-zero exit|failed with exit (?:code|status)|exit status:? \d|^SystemExit\b"
)
_NEARBY_LINES = 6
"""The most lines between a missing item and the error of the tool that looked for it."""

_PLACE = re.compile(r"^\S{1,200}:\d+:(?:\d+:)? (?:fatal )?(?:error|ERROR): |^(?:error|ERROR): ")
"""The file and line before the text of an error."""
_NEAR = 40
"""The most lines between a missing item and the exception of the tool that needed it."""


def diagnose(lines: Iterable[str], first: int = 1) -> Diagnosis | None:
    """Find the cause of a failed build.

    Args:
        lines: the cleaned lines of the log.
        first: the number of the first line.

    Returns:
        The diagnosis; the last line if there is no error, None if the log is empty.
    """
    scan = _LogScan()
    for number, line in enumerate(lines, first):
        scan.add_line(number, line)
    return scan.result()


class _LogScan:
    """The errors in the lines so far, the best one of each rank."""

    def __init__(self) -> None:
        self._best: dict[Rank, _ErrorBlock] = {}
        self._open_block: _ErrorBlock | None = None
        self._previous: deque[tuple[int, str]] = deque(maxlen=4)
        self._traceback_indent: str | None = None
        """The indentation of the traceback that is being read; None outside of one."""
        self._suspects: deque[_ErrorBlock] = deque(maxlen=8)

    def add_line(self, number: int, line: str) -> None:
        """Process the next line."""
        if self._open_block is not None and not self._extend_block(self._open_block, number, line):
            self._open_block = None
        if self._traceback_indent is not None:
            self._add_traceback_line(number, line, self._traceback_indent)
        elif self._open_block is None:
            self._read_line(number, line)
        if line.strip():
            self._previous.append((number, line))

    def _extend_block(self, error: _ErrorBlock, number: int, line: str) -> bool:
        follow = error.pattern.follow if error.pattern else _NOT_BLANK
        if follow is None or not error.remaining or not follow.search(line):
            return False
        error.remaining -= 1
        error.lines.append((number, line))
        error.body.append(line)
        return True

    def _read_line(self, number: int, line: str) -> None:
        if (claim := find_claim(line, STARTING_WORDS)) is not None and not _PROBE.search(line):
            self._add_claimed(claim, number, line, [])
        elif _CANDIDATE.search(line):
            self._match_line(number, line)

    def _add_claimed(
        self, claim: Explanation, number: int, line: str, before: list[tuple[int, str]]
    ) -> None:
        """Add the error of a known cause that claims its line."""
        error = _ErrorBlock(
            rank=claim.cause.starts or Rank.CAUSE,
            cause=line.strip(),
            lines=[*before, (number, line)],
            number=number,
            explanation=claim,
        )
        self._add_block(error)

    def _match_line(self, number: int, line: str) -> None:
        if (traceback := _TRACEBACK.match(line)) is not None:
            self._traceback_indent = traceback[1]
            return
        pattern = next((one for one in _ERROR_PATTERNS if one.regex.search(line)), None)
        if pattern is None or _PROBE.search(line):
            return
        before = [*self._previous][-pattern.before :] if pattern.before else []
        context = [(at, text) for at, text in before if _CONTEXT.search(text)]
        error = _ErrorBlock(
            rank=pattern.rank,
            cause=line.strip(),
            lines=[*context, (number, line)],
            number=number,
            pattern=pattern,
            remaining=pattern.max_after,
        )
        self._add_block(error)

    def _add_traceback_line(self, number: int, line: str, indent: str) -> None:
        if not line.strip() or line.startswith(f"{indent} "):
            return
        # The first line that is not indented more than the header is the exception.
        self._traceback_indent = None
        cause = line.strip()
        before = [*self._previous][-3:]
        if (claim := find_claim(line, STARTING_WORDS)) is not None:
            self._add_claimed(claim, number, line, before)
            return
        error = _ErrorBlock(
            rank=Rank.CONSEQUENCE if _UNINFORMATIVE.search(cause) else Rank.EXCEPTION,
            cause=cause,
            lines=[*before, (number, line)],
            number=number,
            remaining=3,
        )
        self._add_block(error)

    def _add_block(self, error: _ErrorBlock) -> None:
        """Keep the first error of each rank, but the last exception: that one was not handled."""
        if error.rank is Rank.SUSPECT:
            self._suspects.append(error)
        if error.rank is Rank.CAUSE and error.rank not in self._best:
            self._prepend_missing_item(error)
        if error.rank is Rank.EXCEPTION or error.rank not in self._best:
            self._best[error.rank] = self._open_block = error

    def _prepend_missing_item(self, error: _ErrorBlock) -> None:
        """Report an item that was not found just before, instead of the tool's general error."""
        if error.pattern is None or error.pattern.regex not in (_CMAKE, _MESON):
            return
        first = error.number - _NEARBY_LINES
        if nearby := [suspect for suspect in self._suspects if suspect.number >= first]:
            missing, numbers = nearby[-1], {number for number, _ in error.lines}
            error.lines[:0] = [line for line in missing.lines if line[0] not in numbers]
            error.cause = missing.cause.removeprefix("--").strip()

    def _select_best(self) -> _ErrorBlock:
        """Return the error of the lowest rank; or a known one just before an unknown exception."""
        best = self._best[min(self._best)]
        if best.rank is Rank.CAUSE:
            return best
        refused = [one for one in self._suspects if "dubious ownership" in one.cause]
        if refused:
            return refused[0]
        if best.rank is Rank.EXCEPTION and _explain(best) is None:
            near = [one for one in self._suspects if 0 < best.number - one.number <= _NEAR]
            return next((one for one in reversed(near) if _explain(one) is not None), best)
        return best

    def result(self) -> Diagnosis | None:
        """Return the error of the lowest rank, or the last line."""
        if self._best:
            best = self._select_best()
            return Diagnosis(
                cause=_format_cause(best),
                lines=_strip_blank_end(best.lines),
                explanation=_explain(best),
            )
        if self._previous:
            number, line = self._previous[-1]
            return Diagnosis(cause=line.strip(), lines=((number, line),))
        return None


def _format_cause(error: _ErrorBlock) -> str:
    """Return the cause in one line; CMake writes the reason below the first line."""
    if not _CMAKE.match(error.cause):
        return error.cause
    paragraph: list[str] = []
    for line in error.body:
        if line.strip():
            paragraph.append(line.strip())
        elif paragraph:
            break
    return " ".join([f"{error.cause.rstrip(':')}:", *paragraph])


def _explain(error: _ErrorBlock) -> Explanation | None:
    """Return the known cause of the first line of an error, else of its whole text."""
    if error.explanation is not None:
        return error.explanation
    return find_cause(error.cause, CAUSES) or find_cause(error.text, CAUSES)


def _strip_blank_end(lines: list[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    while lines and not lines[-1][1].strip():
        lines.pop()
    return tuple(lines)
