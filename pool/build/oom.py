"""Whether a build died for want of memory: evidence in, a verdict and its reasons out.

The ladder: something was killed, and the kernel counted it: certain. Something was killed, or was
refused memory, and there was little left: probable. Killed with plenty left, or by ourselves: no.
Deliberately pure: whoever ran the hook gathers the evidence (`Evidence`), nothing is read here.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from pool.common.units import in_units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Evidence", "OomVerdict", "Verdict", "classify", "describe_verdict"]

Verdict: TypeAlias = Literal["certain", "probable", "no"]

_SIGKILL_CODES = (-signal.SIGKILL, 128 + signal.SIGKILL)
_NEAR = 0.85
"""So much of a limit is near it: samples are a second apart, and a second is a gigabyte."""
_LOW = 0.1
"""So little of the memory is low; earlyoom kills at 10 %."""
_LONGEST_QUOTE = 120

_VICTIMS = re.compile(
    r"Killed signal terminated program (?P<gcc>[\w+.-]+)"
    r"|internal compiler error: Killed \(program (?P<old>[\w+.-]+)\)"
    r"|(?P<collect>[\w+.-]+) terminated (?:with|by) signal 9\b"
    r"|\d+ Killed +(?:\S*/)?(?P<sh>[\w+.-]+)"  # sh: line 1: 4711 Killed  cc1plus ...
    r"|command '(?:\S*/)?(?P<distutils>[\w+.-]+)' (?:failed with exit (?:code|status)"
    r"|terminated by signal) (?:137|-?9)\b"
)
"""Words for a killed process that say which."""
_KILLED = re.compile(
    r"fatal error: Killed|signal: 9\b|\bSIGKILL\b|^Killed$|\] Killed$"  # make: *** [x.o] Killed
    r"|\[code=(?:137|-9)\]"  # ninja
    r"|\b(?:exit|returned)(?: non-zero)?(?: exit)? (?:code|status):? (?:137|-9)\b"
)
_REFUSED = re.compile(
    r"(?:instance of '|what\(\): +|^(?:\S+: )?)std::bad_alloc"
    r"|^(?:[\w.]+\.)?\w*MemoryError(?::|$)|\bspawn ENOMEM\b|\[Errno 12\]"
    r"|virtual memory exhausted|\bmemory exhausted\b|cannot allocate memory"
    r"|memory allocation of \d+ bytes failed|(?<!CUDA )\bout of memory\b",
    re.IGNORECASE,
)
"""What compilers, linkers (GNU ld, rustc, LLVM), make, node and Python say when they get none.

Only as they say it: the words alone are in the names of files and symbols as well.
"""
_CODE = re.compile(
    r"^\s*\d+ \||\b(?:raise|except|throw|catch|import|return)\b|^(?:checking|--) |\bwarning:",
    re.IGNORECASE,
)
"""Lines that only quote source, or tell of checks: no cause of a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a hook that failed; sizes in bytes, 0 where unknown."""

    hook: str
    code: int
    """The exit code; negative for a signal."""
    tail: Sequence[str] = ()
    """The last lines of its log, cleaned."""
    kernel_kills: int = 0
    """By how much ``oom_kill`` in /proc/vmstat rose while it ran."""
    cgroup_kills: int = 0
    """By how much that of our memory cgroup rose."""
    used: int = 0
    """By the build's processes, at the most that was seen."""
    limit: int = 0
    """The most they could have had."""
    limit_is: str = "the machine has"
    available: int | None = None
    """What was left when last looked at."""
    address_space: int = 0
    """RLIMIT_AS, where there is one."""
    ours: bool = False
    """Whether we sent the signal: cancelled, stopped, ended to make room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OomVerdict:
    """Whether memory was the cause, and why we think so, in words."""

    verdict: Verdict
    victim: str = ""
    """What was killed; empty where something was refused memory and gave up by itself."""
    reasons: tuple[str, ...] = ()


def classify(evidence: Evidence) -> OomVerdict:
    """Climb the ladder."""
    if evidence.ours:
        return OomVerdict(verdict="no", reasons=("wheelpool ended it",))
    if victim := _victim(evidence):
        found = _of_a_killed(victim, evidence)
        if found.verdict != "no":
            return found
    said = [line for line in evidence.tail if not _CODE.search(line)]
    # The last one: a traceback ends with what was raised.
    if quote := _first(_REFUSED, said[::-1]):
        return _of_a_refused(quote, evidence)
    return OomVerdict(verdict="no", victim=victim, reasons=tuple(_shortage(evidence)))


def describe_verdict(finding: OomVerdict) -> str:
    """Return one line: ``out of memory (certain): cc1plus was killed; the kernel counted ...``."""
    # earlyoom and systemd-oomd are processes like others: the kernel counts nothing.
    how = "was killed" if finding.verdict == "certain" else "was killed from outside"
    killed = (f"{finding.victim} {how}",) if finding.victim else ()
    return f"out of memory ({finding.verdict}): {'; '.join((*killed, *finding.reasons))}"


def _victim(evidence: Evidence) -> str:
    """Return what was killed by SIGKILL; empty if nothing was."""
    for line in evidence.tail:
        if match := _VICTIMS.search(line):
            return next(name for name in match.groups() if name)
    if evidence.code in _SIGKILL_CODES:
        return evidence.hook
    return "a process" if _first(_KILLED, evidence.tail) else ""


def _of_a_killed(victim: str, evidence: Evidence) -> OomVerdict:
    counted = tuple(_counted(evidence))
    reasons = counted or tuple(_shortage(evidence))
    verdict: Verdict = "certain" if counted else "probable" if reasons else "no"
    return OomVerdict(verdict=verdict, victim=victim, reasons=reasons)


def _of_a_refused(quote: str, evidence: Evidence) -> OomVerdict:
    proof = tuple(_counted(evidence))
    if evidence.address_space:
        proof += (f"the limit on address space (ulimit -v) is {in_units(evidence.address_space)}",)
    reasons = (f'its output says "{quote}"', *(proof or _shortage(evidence)))
    return OomVerdict(verdict="certain" if proof else "probable", reasons=reasons)


def _counted(evidence: Evidence) -> Iterator[str]:
    """Yield who counted kills for want of memory: the nearest counter."""
    if evidence.cgroup_kills > 0:
        yield f"the cgroup counted {_kills(evidence.cgroup_kills)}"
    elif evidence.kernel_kills > 0:
        yield f"the kernel counted {_kills(evidence.kernel_kills)}"


def _shortage(evidence: Evidence) -> Iterator[str]:
    """Yield what speaks for a shortage, where nobody counted."""
    limit, available = evidence.limit, evidence.available
    if limit and evidence.used >= _NEAR * limit:
        yield f"it used {in_units(evidence.used)}, {evidence.limit_is} {in_units(limit)}"
    elif limit and available is not None and available < _LOW * limit:
        yield f"memory was low: {in_units(available)} left, {evidence.limit_is} {in_units(limit)}"


def _first(pattern: re.Pattern[str], lines: Sequence[str]) -> str:
    """Return the first line that says so, cut short around the place."""
    for line in lines:
        if match := pattern.search(line):
            return line[max(0, match.end() - _LONGEST_QUOTE) :][:_LONGEST_QUOTE].strip()
    return ""


def _kills(number: int) -> str:
    return "1 oom kill" if number == 1 else f"{number} oom kills"
