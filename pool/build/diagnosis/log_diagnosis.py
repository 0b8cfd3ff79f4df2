"""Diagnoses a failed build from its log: the cause in one line, a hint, and the relevant lines.

The rules: errors of compilers, linkers, CMake, meson and rustc come first, and of those the first
one, as the others mostly are its consequences; then the last Python exception; then any other line
that looks like an error. Deliberately pure, and a single pass over the log. Lines must be cleaned
and shortened (`pool.common.text.clean_line`), so that no pattern runs over a long line.
"""

from __future__ import annotations

import re
from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING

from msgspec import field

from pool.build.diagnosis.system_packages import (
    hint_for_header,
    hint_for_library,
    hint_for_module,
    hint_for_pkgconfig,
    hint_for_program,
)
from pool.common.record import MutableRecord, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Diagnosis", "diagnose"]


class Diagnosis(Record, frozen=True, kw_only=True):
    """The cause of a failed build, according to its log."""

    cause: str
    """The error in one line."""
    hint: str
    """A possible fix; empty if none is known."""
    lines: tuple[tuple[int, str], ...]
    """The lines of the error, each with its number in the log."""


class _Rank(IntEnum):
    """The rank of an error; the error of the lowest rank is reported."""

    CAUSE = 0
    EXCEPTION = 1
    SUSPECT = 2
    """Possibly an error: configure steps look for many things that may be missing."""
    CONSEQUENCE = 3
    """Reports that a step failed, but not why."""


class _Pattern(Record, frozen=True):
    """The first line of one kind of error, and the lines around it that belong to it."""

    regex: re.Pattern[str]
    rank: _Rank
    before: int = 0
    """The number of lines before it that may be context."""
    follow: re.Pattern[str] | None = None
    """Matches the lines after it that belong to it; None if there are none."""
    max_after: int = 4
    """The most lines after it."""


class _ErrorBlock(MutableRecord):
    """An error in the log; it grows while lines follow that belong to it."""

    rank: _Rank
    cause: str
    lines: list[tuple[int, str]]
    number: int
    pattern: _Pattern | None = None
    remaining: int = 0
    body: list[str] = field(default_factory=list)

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
    _Pattern(re.compile(r":\d+(?::\d+)?: (?:fatal )?error: "), _Rank.CAUSE, 1, _SOURCE, 3),
    _Pattern(re.compile(r"^(?:g?cc|g\+\+|c\+\+|clang)\S*: fatal error: "), _Rank.CAUSE),
    _Pattern(
        re.compile(
            r"cannot find -l\S|unable to find library -l|library '?-?l?\S{1,80} not found"
            r"|undefined (?:reference to|symbol: )|multiple definition of "
        ),
        _Rank.CAUSE,
        1,
    ),
    _Pattern(_CMAKE, _Rank.CAUSE, 0, _INDENTED, 14),
    _Pattern(_MESON, _Rank.CAUSE, 2),
    _Pattern(re.compile(r"^error\[E\d+\]|^error: linker "), _Rank.CAUSE, 0, _NOT_BLANK, 10),
    _Pattern(re.compile(r"^configuration error: |^error in \S+ setup command: "), _Rank.CAUSE),
    _Pattern(
        re.compile(r"^error: .{0,80}(?:Rust compiler|No such file or directory)"), _Rank.CAUSE
    ),
    _Pattern(re.compile(r"(?:^|: )(?:command )?not found$|: command not found\b"), _Rank.SUSPECT),
    _Pattern(re.compile(r"^\S{0,100}: \d+: \S{1,80}: not found$"), _Rank.SUSPECT),
    _Pattern(
        re.compile(r"No package '[^']+' found|Package '?[\w.+-]+'?.{0,80}not found"),
        _Rank.SUSPECT,
        1,
    ),
    _Pattern(re.compile(r"pg_config executable not found|mysql_config not found"), _Rank.SUSPECT),
    _Pattern(re.compile(r"\bKilled$|SIGKILL\b"), _Rank.SUSPECT),
    _Pattern(re.compile(r"detected dubious ownership in repository"), _Rank.SUSPECT),
    _Pattern(re.compile(r"python[\d.]*: No module named \S+$"), _Rank.SUSPECT),
    _Pattern(
        re.compile(
            r"^collect2: |^error: could not compile|^make(?:\[\d+\])?: \*\*\*|^ninja: build"
        ),
        _Rank.CONSEQUENCE,
    ),
    _Pattern(
        re.compile(r"^(?:fatal )?[Ee]rror: |^ERROR: |^fatal: "),
        _Rank.CONSEQUENCE,
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

_HINTS: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (
        re.compile(r"fatal error: '?([\w./+-]+?)'?(?:: No such file| file not found)"),
        hint_for_header,
    ),
    (re.compile(r"(?:cannot find|unable to find library) -l([\w.+-]+)"), hint_for_library),
    (re.compile(r"No module named '?pip\b"), lambda _: _NO_PIP),
    (re.compile(r"No module named '?([\w.]+)"), hint_for_module),
    (re.compile(r"dubious ownership"), lambda _: _OTHER_OWNER),
    (re.compile(r"Invalid cross-device link"), lambda _: _OTHER_DEVICE),
    (re.compile(r"\[Errno 13\] Permission denied"), lambda _: _NO_PERMISSION),
    (re.compile(r"No package '([^']+)' found"), hint_for_pkgconfig),
    (re.compile(r"Package '?([\w.+-]+?)'?(?:,| was| not|\s*$)"), hint_for_pkgconfig),
    (re.compile(r"Dependency \"([^\"]+)\" not found"), hint_for_pkgconfig),
    (re.compile(r"package configuration file provided by \"(\w+)\""), hint_for_pkgconfig),
    (re.compile(r"Could NOT find (\w+)"), hint_for_pkgconfig),
    (re.compile(r"command '([^']+)' failed: No such file"), hint_for_program),
    (re.compile(r"No such file or directory: '([\w.+-]+)'"), hint_for_program),
    (re.compile(r"([\w.+-]+): (?:command )?not found\b"), hint_for_program),
    (re.compile(r"\b(pg_config|mysql_config)\b.{0,40}not found"), hint_for_program),
    (
        re.compile(r"Rust compiler|(?i:cargo.{0,40}not installed)"),
        lambda _: hint_for_program("cargo"),
    ),
    (re.compile(r"linker `([^`]+)` not found"), hint_for_program),
    (re.compile(r"Unknown compiler\(s\): \[\['([\w.+-]+)"), hint_for_program),
    (re.compile(r"No CMAKE_C_COMPILER could be found"), lambda _: hint_for_program("gcc")),
    (re.compile(r"No CMAKE_CXX_COMPILER could be found"), lambda _: hint_for_program("g++")),
    (re.compile(r"Program '?([\w.+-]+)'? not found"), hint_for_program),
    (re.compile(r"setuptools[-_]scm was unable to detect"), lambda _: _SCM),
    (re.compile(r"ZIP does not support timestamps before 1980"), lambda _: _TOO_OLD),
    (re.compile(r"\bKilled\b|SIGKILL"), lambda _: _KILLED),
)
_SCM = "set SETUPTOOLS_SCM_PRETEND_VERSION to its version, or build it from its sdist"
_TOO_OLD = (
    "a file of the source, or SOURCE_DATE_EPOCH, is older than 1980: touch the files or change the "
    "variable; --copy builds a copy with newer times"
)
_NO_PIP = (
    "a build environment has no pip: build it with --no-build-isolation in an environment that "
    "has pip and its build requirements"
)
_OTHER_OWNER = (
    "git refuses the repository of another user: run git config --global --add safe.directory with "
    "its path, or build a copy with --copy"
)
_OTHER_DEVICE = (
    "it renames a file to another file system: keep the source tree, its settings and the cache "
    "(XDG_CACHE_HOME) on one, or use --copy"
)
_NO_PERMISSION = "check the owner and the mode of that file; --copy builds in a copy of the tree"
_KILLED = "a process was killed; if memory was short, use fewer jobs at once (--jobs)"


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
        self._best: dict[_Rank, _ErrorBlock] = {}
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
        elif self._open_block is None and _CANDIDATE.search(line):
            self._match_line(number, line)
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
        error = _ErrorBlock(
            rank=_Rank.CONSEQUENCE if _UNINFORMATIVE.search(cause) else _Rank.EXCEPTION,
            cause=cause,
            lines=[*self._previous, (number, line)][-4:],
            number=number,
            remaining=3,
        )
        self._add_block(error)

    def _add_block(self, error: _ErrorBlock) -> None:
        """Keep the first error of each rank, but the last exception: that one was not handled."""
        if error.rank is _Rank.SUSPECT:
            self._suspects.append(error)
        if error.rank is _Rank.CAUSE and error.rank not in self._best:
            self._prepend_missing_item(error)
        if error.rank is _Rank.EXCEPTION or error.rank not in self._best:
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
        """Return the error of the lowest rank; exceptions follow from a repository git refuses."""
        best = self._best[min(self._best)]
        refused = [one for one in self._suspects if "dubious ownership" in one.cause]
        return refused[0] if refused and best.rank is not _Rank.CAUSE else best

    def result(self) -> Diagnosis | None:
        """Return the error of the lowest rank, or the last line."""
        if self._best:
            best = self._select_best()
            return Diagnosis(
                cause=_format_cause(best), hint=_find_hint(best), lines=_strip_blank_end(best.lines)
            )
        if self._previous:
            number, line = self._previous[-1]
            return Diagnosis(cause=line.strip(), hint="", lines=((number, line),))
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


def _find_hint(error: _ErrorBlock) -> str:
    """Return a hint for the first line of the error, else for its whole text."""
    for text in (error.cause, error.text):
        for pattern, make_hint in _HINTS:
            match = pattern.search(text)
            if match and (hint := make_hint(match[match.lastindex or 0])):
                return hint
    return ""


def _strip_blank_end(lines: list[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    while lines and not lines[-1][1].strip():
        lines.pop()
    return tuple(lines)
