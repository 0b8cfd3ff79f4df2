"""How a state reads: rows, words and glyphs, the same on the screen, in lines and in replays.

Pure: what is shown depends on the state and the moment alone. Words come before glyphs and glyphs
before colour, so that every state can be told without either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from pool import BuildState, LimitName, Outcome, Phase, RunState, Status, WaitFor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pool

__all__ = [
    "GLYPHS",
    "PLAIN",
    "Kind",
    "Line",
    "Row",
    "clock",
    "count",
    "counts",
    "describe",
    "duration",
    "held_by",
    "kind_of",
    "row",
    "size",
    "size_of",
    "slowness",
    "title",
    "word_of",
    "worked",
]

Kind = Literal[
    "building", "waiting", "queued", "failed",
    "built", "cached", "fetched", "cancelled", "skipped", "retried",
]  # fmt: skip
"""What a row is, as one word; decides on glyph and colour."""

GLYPHS: dict[Kind, tuple[str, str]] = {
    "building": ("●", ">"),
    "waiting": ("◌", "~"),
    "queued": ("○", "."),
    "failed": ("✗", "x"),
    "built": ("✓", "="),
    "cached": ("✓", "="),
    "fetched": ("✓", "="),
    "cancelled": ("⊘", "-"),
    "skipped": ("⊘", "-"),
    "retried": ("↻", "-"),
}
"""For each kind, a glyph, and one for terminals that have none."""

PLAIN = str.maketrans({"·": ",", "…": "~"})
"""For terminals that have no more than ASCII."""
_WAITS = {
    WaitFor.LOCK: "locked",
    WaitFor.DEPENDENCY: "needs",
    WaitFor.DOWNLOAD: "fetching",
    WaitFor.MEMORY: "memory",
}
_SLOW, _WORTH_SAYING = 1.5, 10.0
"""How often its usual time a build takes before that is told; and how many seconds more."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True, slots=True)
class Line:
    """What a build is doing, in words."""

    kind: Kind
    word: str
    """One word, at most ten letters."""
    detail: str
    """The rest of the sentence; may be empty."""


@dataclass(frozen=True, slots=True)
class Row:
    """One build as a table shows it; equal rows look the same."""

    kind: Kind
    name: str
    word: str
    detail: str
    time: str
    memory: str
    peak: str
    jobs: str
    """How many it may run at once just now."""
    last: str


def duration(seconds: float) -> str:
    """Return a length of time to be read: ``0.4 s``, ``4 min 12 s``, ``1 h 02 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def clock(seconds: float) -> str:
    """Return a running time: ``0:07``, ``12:30``, ``1:02:03``."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def size(count: float, *, fine: bool = False) -> str:
    """Return a number of bytes to be read: ``412 MiB``, ``3.1 GiB``.

    Args:
        count: how many.
        fine: tell ``4.1 MiB`` from ``4 MiB`` too.
    """
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    exact = count < 10 and unit >= (2 if fine else 3)
    return f"{count:.1f} {_UNITS[unit]}" if exact else f"{count:.0f} {_UNITS[unit]}"


def size_of(part: float, whole: float) -> str:
    """Return a part of a number of bytes: ``12 of 40 MiB``, ``900 KiB of 2 MiB``."""
    said, of = size(part), size(whole)
    number, unit = said.split()
    return f"{number if unit == of.split()[1] else said} of {of}"


def count(number: int, noun: str) -> str:
    """Return a number of things: ``1 page``, ``2 pages``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def title(build: BuildState) -> str:
    """Return what a build is to make, in a sentence's words: ``metadata of rich 14.2.0``."""
    match build.purpose:
        case "metadata":
            return f"metadata of {build.label}"
        case "editable":
            return f"{build.label} (editable)"
        case _:
            return build.label


def describe(build: BuildState, state: RunState, now: float, in_line: str = "") -> Line:
    """Say what a build is doing, or what became of it.

    Args:
        build: one of the state's builds.
        state: the run.
        now: seconds since its start.
        in_line: where it stands in the queue, if it does and that is known (`app.text.wait_reasons`).
    """
    line = _described(build, state, now, in_line)
    if build.purpose == "wheel":
        return line
    return replace(line, detail=" · ".join(filter(None, (build.purpose, line.detail))))


def _described(build: BuildState, state: RunState, now: float, in_line: str) -> Line:
    match build.status:
        case Status.DONE:
            return _ended(build)
        case Status.BUILDING:
            return Line("building", "building", _doing(build, state, now))
        case Status.WAITING:
            return _waiting(build, state, now)
        case Status.QUEUED:
            return Line("queued", "queued", _queued(build, state, in_line))


def _ended(build: BuildState) -> Line:
    outcome = build.outcome or Outcome.FAILED
    if build.superseded_by is not None:
        return Line(
            "retried", "retried", f"{outcome}: {build.message}" if build.message else outcome
        )
    return Line(outcome.value, outcome.value, build.message)


def _waiting(build: BuildState, state: RunState, now: float) -> Line:
    match build.waiting_for:
        case WaitFor.LOCK:
            return Line(
                "waiting", "locked", f"{held_by(build.holder)} for {clock(now - build.since)}"
            )
        case WaitFor.DEPENDENCY:
            return Line("waiting", "needs", _needed(build, state))
        case WaitFor.DOWNLOAD:
            return Line("waiting", "fetching", _fetching(build, state))
        case WaitFor.MEMORY:
            return Line("waiting", "memory", _missing(build))
        case _:
            return Line("waiting", "waiting", build.waiting_on)


def held_by(holder: pool.Holder | None) -> str:
    """Say who has a lock, as far as the system tells: ``by pid 4121 "uv build"``."""
    if holder is None or holder.pid is None:
        return "by another process"
    return f'by pid {holder.pid} "{holder.command}"' if holder.command else f"by pid {holder.pid}"


def _doing(build: BuildState, state: RunState, now: float) -> str:
    jobs = state.limits.get(LimitName.JOBS)
    if build.phase is Phase.AWAIT_JOB and jobs is not None:
        return f"waits for one of {count(jobs.cap, 'job')}"
    doing = build.phase or "starting"
    return f"{doing}, {slow}" if (slow := slowness(build, now)) else doing


def worked(build: BuildState, now: float) -> float:
    """Return the seconds a build has had a slot, as far as its phases tell; without waits."""
    phases = dict(build.phases)
    if build.phase is not None and build.phase_since is not None:
        phases[build.phase] = phases.get(build.phase, 0.0) + max(0.0, now - build.phase_since)
    return sum(seconds for phase, seconds in phases.items() if phase is not Phase.FETCH)


def slowness(build: BuildState, now: float) -> str:
    """Say that a build takes much longer than it did before; empty where it does not."""
    if not build.expected or (so_far := worked(build, now)) < build.expected + _WORTH_SAYING:
        return ""
    times = so_far / build.expected
    return f"{times:.1f}x its usual time" if times >= _SLOW else ""


def _missing(build: BuildState) -> str:
    if not build.needs:
        return build.waiting_on
    return f"{size(max(0, build.needs - build.free))} missing, needs {size(build.needs)}"


def _needed(build: BuildState, state: RunState) -> str:
    nested = (state.builds.get(one) for one in build.waiting_builds)
    told = [f"{title(one)} ({word_of(one)})" for one in nested if one is not None]
    return ", ".join(told) or build.waiting_on


def word_of(build: BuildState) -> str:
    """Return the one word for what a build is doing."""
    if build.status is Status.DONE:
        return _ended(build).word
    if build.status is Status.WAITING and build.waiting_for is not None:
        return _WAITS.get(build.waiting_for, "waiting")
    return build.status


def _fetching(build: BuildState, state: RunState) -> str:
    for (owner, file), download in state.downloads.items():
        if owner == build.id:
            # The number first: a long name of a file is cut.
            if download.total:
                share = 100 * download.bytes // download.total
                return f"{share} % of {size(download.total)}  {file}"
            return f"{size(download.bytes)}  {file}"
    for owner, wheel in state.installs:
        if owner == build.id:
            return f"unpacking {wheel}"
    cap = state.limits.get(LimitName.DOWNLOADS)
    if build.phase is Phase.FETCH and cap is not None and len(state.downloads) >= cap.cap > 0:
        return f"{count(len(state.downloads), 'download')} before it  {build.waiting_on}"
    return build.waiting_on


def _queued(build: BuildState, state: RunState, in_line: str) -> str:
    limit = state.limits.get(LimitName.BUILDS)
    if limit is not None and limit.cap == 0:
        return "paused"
    return in_line or ("to go on" if build.started_at is not None else "")


def kind_of(build: BuildState) -> Kind:
    """Return what a build's row is."""
    if build.status is Status.DONE:
        return _ended(build).kind
    return "waiting" if build.status is Status.WAITING else "building" if build.slot else "queued"


def row(build: BuildState, state: RunState, now: float, in_line: str = "") -> Row:
    """Return a build as a table shows it."""
    line = describe(build, state, now, in_line)
    return Row(
        kind=line.kind,
        name=build.label,
        word=line.word,
        detail=line.detail,
        time=_time(build, now),
        memory=size(build.rss) if build.rss else "-",
        peak=size(build.peak) if build.peak else "-",
        jobs=str(1 + build.tokens) if build.processes else "-",
        last=_last(build),
    )


def _time(build: BuildState, now: float) -> str:
    if build.status is Status.DONE:
        return duration(build.seconds) if build.seconds else "-"
    if build.status is Status.QUEUED and build.started_at is None:
        return "-"
    return clock(now - (build.started_at if build.started_at is not None else build.since))


def _last(build: BuildState) -> str:
    """Return what its last column has: output while it runs, then the wheel or the way out."""
    if build.wheel:
        return build.wheel.rpartition("/")[2]
    if build.status is Status.DONE:
        return build.hint or (f"log {build.log}" if build.lines else "")
    if build.waiting_for is WaitFor.LOCK:
        return build.waiting_on
    return build.last


def counts(numbers: Mapping[Kind, int]) -> str:
    """Say how many builds are where: ``18 built · 1 failed · 3 building · 9 queued``."""
    shown: Sequence[Kind] = (
        "built", "cached", "fetched", "failed", "skipped", "cancelled",
        "building", "waiting", "queued",
    )  # fmt: skip
    return (
        " · ".join(f"{numbers[kind]} {kind}" for kind in shown if numbers.get(kind))
        or "nothing yet"
    )
