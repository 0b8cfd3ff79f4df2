"""Classifies a failed hook: whether it ran out of memory, how certain that is, and why.

The rules, in order: a process was killed by wheelpool: no. A process was killed and the kernel
counted an OOM kill: certain. A process was killed, or an allocation failed, and memory was short:
probable. A process was killed while memory was plentiful: no. Deliberately pure: the evidence is
collected by `pool.build.diagnosis.oom_evidence`.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Literal, TypeAlias

from pool.common.record import Record
from pool.common.units import format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Certainty", "OomEvidence", "OomVerdict", "classify", "describe_verdict"]

Certainty: TypeAlias = Literal["certain", "probable", "no"]

_SIGKILL_CODES = (-signal.SIGKILL, 128 + signal.SIGKILL)
_NEAR_LIMIT = 0.85
"""Share of a limit that counts as reaching it: samples are a second apart, and a build can
allocate a gigabyte in a second."""
_LOW_MEMORY = 0.1
"""Share of the limit below which available memory is low; earlyoom kills at 10 %."""
_LONGEST_QUOTE = 120

_NAMED_KILLS = re.compile(
    r"Killed signal terminated program (?P<gcc>[\w+.-]+)"
    r"|internal compiler error: Killed \(program (?P<old>[\w+.-]+)\)"
    r"|(?P<collect>[\w+.-]+) terminated (?:with|by) signal 9\b"
    r"|\d+ Killed +(?:\S*/)?(?P<sh>[\w+.-]+)"  # sh: line 1: 4711 Killed  cc1plus ...
    r"|command '(?:\S*/)?(?P<distutils>[\w+.-]+)' (?:failed with exit (?:code|status)"
    r"|terminated by signal) (?:137|-?9)\b"
)
"""Messages about a killed process that name it."""
_UNNAMED_KILLS = re.compile(
    r"fatal error: Killed|signal: 9\b|\bSIGKILL\b|^Killed$|\] Killed$"  # make: *** [x.o] Killed
    r"|\[code=(?:137|-9)\]"  # ninja
    r"|\b(?:exit|returned)(?: non-zero)?(?: exit)? (?:code|status):? (?:137|-9)\b"
)
_ALLOCATION_FAILURES = re.compile(
    r"(?:instance of '|what\(\): +|^(?:\S+: )?)std::bad_alloc"
    r"|^(?:[\w.]+\.)?\w*MemoryError(?::|$)|\bspawn ENOMEM\b|\[Errno 12\]"
    r"|virtual memory exhausted|\bmemory exhausted\b|cannot allocate memory"
    r"|memory allocation of \d+ bytes failed|(?<!CUDA )\bout of memory\b",
    re.IGNORECASE,
)
"""Messages about a failed allocation: compilers, GNU ld, rustc, LLVM, make, node, Python.

The patterns match whole messages: the words alone occur in names of files and symbols, too.
"""
_QUOTED_SOURCE = re.compile(
    r"^\s*\d+ \||\b(?:raise|except|throw|catch|import|return)\b|^(?:checking|--) |\bwarning:",
    re.IGNORECASE,
)
"""Lines that quote source code or report configure checks; they are no cause of a failure."""


class OomEvidence(Record, frozen=True, kw_only=True):
    """The facts about a failed hook; sizes in bytes, 0 if unknown."""

    hook: str
    code: int
    """The exit code; negative for a signal."""
    tail: Sequence[str] = ()
    """The last lines of its log, cleaned."""
    kernel_kills: int = 0
    """The increase of ``oom_kill`` in /proc/vmstat while it ran."""
    cgroup_kills: int = 0
    """The same for the memory cgroup of this process."""
    used: int = 0
    """The highest use of the build's processes that was measured."""
    limit: int = 0
    """The memory that they could use at most."""
    limit_label: str = "the machine has"
    """The words before the limit in a reason."""
    available: int | None = None
    """The available memory of the machine at the last sample; None if it does not apply."""
    address_space: int = 0
    """RLIMIT_AS; 0 if it is unlimited."""
    sent_by_us: bool = False
    """Whether wheelpool sent the signal: cancellation, shutdown or eviction."""


class OomVerdict(Record, frozen=True, kw_only=True):
    """Whether the hook ran out of memory, and the reasons for that conclusion."""

    certainty: Certainty
    victim: str = ""
    """The killed process; empty if a process failed to allocate and exited by itself."""
    reasons: tuple[str, ...] = ()


def classify(evidence: OomEvidence) -> OomVerdict:
    """Apply the rules of this module in order."""
    if evidence.sent_by_us:
        return OomVerdict(certainty="no", reasons=("wheelpool ended it",))
    if victim := _killed_process(evidence):
        verdict = _classify_kill(victim, evidence)
        if verdict.certainty != "no":
            return verdict
    lines = [line for line in evidence.tail if not _QUOTED_SOURCE.search(line)]
    # The last match counts: a traceback ends with the exception.
    if quote := _first_match(_ALLOCATION_FAILURES, lines[::-1]):
        return _classify_allocation_failure(quote, evidence)
    return OomVerdict(certainty="no", victim=victim, reasons=tuple(_shortage_reasons(evidence)))


def describe_verdict(verdict: OomVerdict) -> str:
    """Return one line: ``out of memory (certain): cc1plus was killed; the kernel counted ...``."""
    # earlyoom and systemd-oomd are ordinary processes: the kernel does not count their kills.
    how = "was killed" if verdict.certainty == "certain" else "was killed from outside"
    killed = (f"{verdict.victim} {how}",) if verdict.victim else ()
    return f"out of memory ({verdict.certainty}): {'; '.join((*killed, *verdict.reasons))}"


def _killed_process(evidence: OomEvidence) -> str:
    """Return the name of the process that SIGKILL ended; empty if there was none."""
    for line in evidence.tail:
        if match := _NAMED_KILLS.search(line):
            return next(name for name in match.groups() if name)
    if evidence.code in _SIGKILL_CODES:
        return evidence.hook
    return "a process" if _first_match(_UNNAMED_KILLS, evidence.tail) else ""


def _classify_kill(victim: str, evidence: OomEvidence) -> OomVerdict:
    counted = tuple(_counted_kills(evidence))
    reasons = counted or tuple(_shortage_reasons(evidence))
    certainty: Certainty = "certain" if counted else "probable" if reasons else "no"
    return OomVerdict(certainty=certainty, victim=victim, reasons=reasons)


def _classify_allocation_failure(quote: str, evidence: OomEvidence) -> OomVerdict:
    proof = tuple(_counted_kills(evidence))
    if evidence.address_space:
        proof += (
            f"the limit on address space (ulimit -v) is {format_size(evidence.address_space)}",
        )
    reasons = (f'its output says "{quote}"', *(proof or _shortage_reasons(evidence)))
    return OomVerdict(certainty="certain" if proof else "probable", reasons=reasons)


def _counted_kills(evidence: OomEvidence) -> Iterator[str]:
    """Yield the OOM kills of the nearest counter: the cgroup's, else the kernel's."""
    if evidence.cgroup_kills > 0:
        yield f"the cgroup counted {_format_kills(evidence.cgroup_kills)}"
    elif evidence.kernel_kills > 0:
        yield f"the kernel counted {_format_kills(evidence.kernel_kills)}"


def _shortage_reasons(evidence: OomEvidence) -> Iterator[str]:
    """Yield the signs of a memory shortage, for a kill that the kernel did not count."""
    limit, available = evidence.limit, evidence.available
    if limit and evidence.used >= _NEAR_LIMIT * limit:
        yield f"it used {format_size(evidence.used)}, {evidence.limit_label} {format_size(limit)}"
    elif limit and available is not None and available < _LOW_MEMORY * limit:
        left = format_size(available)
        yield f"memory was low: {left} left, {evidence.limit_label} {format_size(limit)}"


def _first_match(pattern: re.Pattern[str], lines: Sequence[str]) -> str:
    """Return the first line that matches, shortened to the text around the match."""
    for line in lines:
        if match := pattern.search(line):
            return line[max(0, match.end() - _LONGEST_QUOTE) :][:_LONGEST_QUOTE].strip()
    return ""


def _format_kills(number: int) -> str:
    return "1 oom kill" if number == 1 else f"{number} oom kills"
