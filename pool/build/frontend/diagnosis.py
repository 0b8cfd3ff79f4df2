"""What in a failed build's log says why: the few lines that matter, one line for them, a way out.

Pure, and one pass over the lines, however many: what compilers, linkers, CMake, meson and rustc
call an error comes first, and of those the first, since the others mostly follow from it; then
the last Python exception; then whatever else looks like an error. Lines are expected to be cut
and cleaned (`pool.common.text.clean_line`), so no pattern meets a long one.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from pool.build.frontend.system_packages import (
    for_header,
    for_library,
    for_module,
    for_pkgconfig,
    for_program,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Diagnosis", "diagnose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why a build failed, as far as its log tells."""

    cause: str
    """One line."""
    hint: str
    """What may help; empty where nothing is known."""
    lines: tuple[tuple[int, str], ...]
    """The lines that matter, each with its number in the log."""


class _Grade(IntEnum):
    """How much a finding tells; the least is worth most."""

    SURE = 0
    EXCEPTION = 1
    SUSPECT = 2
    """An error only if nothing better is found: configure steps look for much that may lack."""
    FOLLOWS = 3
    """Says that something failed, not why."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One sort of error: its first line, and which lines around it belong to it."""

    pattern: re.Pattern[str]
    grade: _Grade
    before: int = 0
    """So many lines before it belong to it."""
    follow: re.Pattern[str] | None = None
    """What the lines after it look like that belong to it."""
    most: int = 4
    """So many lines after it at most."""


@dataclass(slots=True)
class _Finding:
    """An error that was found; it grows while lines follow that belong to it."""

    grade: _Grade
    cause: str
    lines: list[tuple[int, str]]
    at: int
    kind: _Kind | None = None
    left: int = 0
    body: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of it on one line."""
        return " ".join(" ".join([self.cause, *self.body]).split())


_LEADS_TO_IT = re.compile(
    r"\bin function\b|: In |included from|required from|nstantiat|found: NO|-- Checking for"
)
"""What lines before an error look like that say where it is."""
_SOURCE = re.compile(r"^\s+(?:\d+ )?\|")
_INDENTED = re.compile(r"^\s*$|^\s")
_NOT_BLANK = re.compile(r"\S")
_CMAKE = re.compile(r"^CMake Error\b")
_MESON = re.compile(r"(?:^|meson\.build:\d+:\d+: )ERROR: ")
_KINDS = (
    _Kind(re.compile(r":\d+(?::\d+)?: (?:fatal )?error: "), _Grade.SURE, 1, _SOURCE, 3),
    _Kind(re.compile(r"^(?:g?cc|g\+\+|c\+\+|clang)\S*: fatal error: "), _Grade.SURE),
    _Kind(
        re.compile(
            r"cannot find -l\S|unable to find library -l|library '?-?l?\S{1,80} not found"
            r"|undefined (?:reference to|symbol: )|multiple definition of "
        ),
        _Grade.SURE,
        1,
    ),
    _Kind(_CMAKE, _Grade.SURE, 0, _INDENTED, 14),
    _Kind(_MESON, _Grade.SURE, 2),
    _Kind(re.compile(r"^error\[E\d+\]|^error: linker "), _Grade.SURE, 0, _NOT_BLANK, 10),
    _Kind(re.compile(r"^configuration error: |^error in \S+ setup command: "), _Grade.SURE),
    _Kind(re.compile(r"^error: .{0,80}(?:Rust compiler|No such file or directory)"), _Grade.SURE),
    _Kind(re.compile(r"(?:^|: )(?:command )?not found$|: command not found\b"), _Grade.SUSPECT),
    _Kind(re.compile(r"^\S{0,100}: \d+: \S{1,80}: not found$"), _Grade.SUSPECT),
    _Kind(re.compile(r"No package '[^']+' found|Package '?[\w.+-]+'?.{0,80}not found"),
          _Grade.SUSPECT, 1),
    _Kind(re.compile(r"pg_config executable not found|mysql_config not found"), _Grade.SUSPECT),
    _Kind(re.compile(r"\bKilled$|SIGKILL\b"), _Grade.SUSPECT),
    _Kind(
        re.compile(
            r"^collect2: |^error: could not compile|^make(?:\[\d+\])?: \*\*\*|^ninja: build"
        ),
        _Grade.FOLLOWS,
    ),
    _Kind(re.compile(r"^(?:fatal )?[Ee]rror: |^ERROR: |^fatal: "), _Grade.FOLLOWS, 1, _SOURCE, 3),
)  # fmt: skip
_WORTH = re.compile(
    r"rror\b|rror\[|ERROR: |not found|annot find|nable to find|ndefined |ultiple def"
    r"|No package|Killed|SIGKILL|Traceback|fatal: |\*\*\*|collect2|ninja: "
)
"""What a line has in it that any of the kinds may be about: the one question most lines get."""
_PROBE = re.compile(r"_configtest|conftest\.|CMakeScratch|CMakeTmp|TryCompile")
"""Files that configure steps compile to find out something; that they fail is their use."""
_TRACEBACK = re.compile(r"^(\s*)Traceback \(most recent call last\):")
_ONLY_SAYS_THAT = re.compile(
    r"returned non-zero exit|failed with exit (?:code|status)|exit status:? \d|^SystemExit\b"
)
_NEAR = 6
"""Lines between what was missing and the error of the tool that missed it."""

_REMEDIES: tuple[tuple[re.Pattern[str], Callable[[str], str]], ...] = (
    (re.compile(r"fatal error: '?([\w./+-]+?)'?(?:: No such file| file not found)"), for_header),
    (re.compile(r"(?:cannot find|unable to find library) -l([\w.+-]+)"), for_library),
    (re.compile(r"No module named '?([\w.]+)"), for_module),
    (re.compile(r"No package '([^']+)' found"), for_pkgconfig),
    (re.compile(r"Package '?([\w.+-]+?)'?(?:,| was| not|\s*$)"), for_pkgconfig),
    (re.compile(r"Dependency \"([^\"]+)\" not found"), for_pkgconfig),
    (re.compile(r"package configuration file provided by \"(\w+)\""), for_pkgconfig),
    (re.compile(r"Could NOT find (\w+)"), for_pkgconfig),
    (re.compile(r"command '([^']+)' failed: No such file"), for_program),
    (re.compile(r"No such file or directory: '([\w.+-]+)'"), for_program),
    (re.compile(r"([\w.+-]+): (?:command )?not found\b"), for_program),
    (re.compile(r"\b(pg_config|mysql_config)\b.{0,40}not found"), for_program),
    (re.compile(r"Rust compiler|(?i:cargo.{0,40}not installed)"), lambda _: for_program("cargo")),
    (re.compile(r"linker `([^`]+)` not found"), for_program),
    (re.compile(r"Unknown compiler\(s\): \[\['([\w.+-]+)"), for_program),
    (re.compile(r"No CMAKE_C_COMPILER could be found"), lambda _: for_program("gcc")),
    (re.compile(r"No CMAKE_CXX_COMPILER could be found"), lambda _: for_program("g++")),
    (re.compile(r"Program '?([\w.+-]+)'? not found"), for_program),
    (re.compile(r"setuptools[-_]scm was unable to detect"), lambda _: _SCM),
    (re.compile(r"\bKilled\b|SIGKILL"), lambda _: _KILLED),
)
_SCM = "set SETUPTOOLS_SCM_PRETEND_VERSION to its version, or build it from its sdist"
_KILLED = "the system ended a process: if for want of memory, fewer jobs at once help (--jobs)"


def diagnose(lines: Iterable[str], first: int = 1) -> Diagnosis | None:
    """Find out why a build failed; None where nothing was printed.

    Args:
        lines: of the log, cleaned.
        first: the number of the first of them.
    """
    scan = _Scan()
    for number, line in enumerate(lines, first):
        scan.take(number, line)
    return scan.result()


class _Scan:
    """What has been found so far."""

    def __init__(self) -> None:
        self._found: dict[_Grade, _Finding] = {}
        self._open: _Finding | None = None
        self._before: deque[tuple[int, str]] = deque(maxlen=4)
        self._indent: str | None = None
        """How far the traceback is indented that is being read."""
        self._suspects: deque[_Finding] = deque(maxlen=8)

    def take(self, number: int, line: str) -> None:
        """Look at the next line."""
        if self._open is not None and not self._goes_on(self._open, number, line):
            self._open = None
        if self._indent is not None:
            self._in_traceback(number, line, self._indent)
        elif self._open is None and _WORTH.search(line):
            self._look(number, line)
        if line.strip():
            self._before.append((number, line))

    def _goes_on(self, finding: _Finding, number: int, line: str) -> bool:
        follow = finding.kind.follow if finding.kind else _NOT_BLANK
        if follow is None or not finding.left or not follow.search(line):
            return False
        finding.left -= 1
        finding.lines.append((number, line))
        finding.body.append(line)
        return True

    def _look(self, number: int, line: str) -> None:
        if (traceback := _TRACEBACK.match(line)) is not None:
            self._indent = traceback[1]
            return
        kind = next((kind for kind in _KINDS if kind.pattern.search(line)), None)
        if kind is None or _PROBE.search(line):
            return
        before = [*self._before][-kind.before :] if kind.before else []
        near = [(at, text) for at, text in before if _LEADS_TO_IT.search(text)]
        self._keep(_Finding(kind.grade, line.strip(), [*near, (number, line)], number, kind,
                            kind.most))  # fmt: skip

    def _in_traceback(self, number: int, line: str, indent: str) -> None:
        if not line.strip() or line.startswith(f"{indent} "):
            return
        # What is indented no more than its first line is the exception.
        self._indent = None
        cause = line.strip()
        grade = _Grade.FOLLOWS if _ONLY_SAYS_THAT.search(cause) else _Grade.EXCEPTION
        self._keep(_Finding(grade, cause, [*self._before, (number, line)][-4:], number, None, 3))

    def _keep(self, finding: _Finding) -> None:
        """Keep the first of a grade, but of exceptions the last, which tell what was made of it."""
        if finding.grade is _Grade.SUSPECT:
            self._suspects.append(finding)
        if finding.grade is _Grade.SURE and finding.grade not in self._found:
            self._add_what_was_missing(finding)
        if finding.grade is _Grade.EXCEPTION or finding.grade not in self._found:
            self._found[finding.grade] = self._open = finding

    def _add_what_was_missing(self, finding: _Finding) -> None:
        """Let what was not found just before stand for the error of who looked for it."""
        if finding.kind is None or finding.kind.pattern not in (_CMAKE, _MESON):
            return
        near = [one for one in self._suspects if finding.at - one.at <= _NEAR]
        if near:
            numbers = {number for number, _ in finding.lines}
            earlier = [line for line in near[-1].lines if line[0] not in numbers]
            finding.lines[:0] = earlier
            finding.cause = near[-1].cause.removeprefix("--").strip()

    def result(self) -> Diagnosis | None:
        """Return the best of it, or the last line."""
        if self._found:
            best = self._found[min(self._found)]
            return Diagnosis(cause=_said(best), hint=_hint(best), lines=_trimmed(best.lines))
        if self._before:
            number, line = self._before[-1]
            return Diagnosis(cause=line.strip(), hint="", lines=((number, line),))
        return None


def _said(finding: _Finding) -> str:
    """Return a finding as one line; CMake's reason is below its first line."""
    if not _CMAKE.match(finding.cause):
        return finding.cause
    paragraph: list[str] = []
    for line in finding.body:
        if line.strip():
            paragraph.append(line.strip())
        elif paragraph:
            break
    return " ".join([f"{finding.cause.rstrip(':')}:", *paragraph])


def _hint(finding: _Finding) -> str:
    """Return a way out: for the cause itself, or for what is told below it."""
    for text in (finding.cause, finding.text):
        for pattern, remedy in _REMEDIES:
            match = pattern.search(text)
            if match and (hint := remedy(match[match.lastindex or 0])):
                return hint
    return ""


def _trimmed(lines: list[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    while lines and not lines[-1][1].strip():
        lines.pop()
    return tuple(lines)
