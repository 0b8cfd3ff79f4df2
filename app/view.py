"""How a state reads: rows, words and glyphs, the same on the screen, in lines and in replays.

Pure: what is shown depends on the state and the moment alone. Words come before glyphs and glyphs
before colour, so that every state can be told without either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Literal

from pool import BuildState, LimitName, Outcome, State, Status, WaitFor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pool

__all__ = [
    "GLYPHS",
    "PLAIN",
    "RANKS",
    "Kind",
    "Line",
    "Place",
    "Row",
    "clock",
    "count",
    "counts",
    "describe",
    "duration",
    "held_by",
    "kind_of",
    "matches",
    "order",
    "place_of",
    "row",
    "size",
    "size_of",
    "title",
    "usual_seconds",
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

_ORDER: tuple[Kind, ...] = (
    "building", "waiting", "queued", "failed", "skipped", "cancelled", "built", "cached", "fetched",
    "retried",
)  # fmt: skip
RANKS = {kind: rank for rank, kind in enumerate(_ORDER)}
"""Where the rows of a kind are, from the top."""
Place = tuple[int, bool, float]
PLAIN = str.maketrans({"·": ",", "…": "~"})
"""For terminals that have no more than ASCII."""
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


def describe(build: BuildState, state: State, now: float, place: int | None = None) -> Line:
    """Say what a build is doing, or what became of it.

    Args:
        build: one of the state's builds.
        state: the run.
        now: seconds since its start.
        place: how many are before it in the queue, where that is known.
    """
    line = _described(build, state, now, place)
    if build.purpose == "wheel":
        return line
    return replace(line, detail=" · ".join(filter(None, (build.purpose, line.detail))))


def _described(build: BuildState, state: State, now: float, place: int | None) -> Line:
    match build.status:
        case Status.DONE:
            return _ended(build)
        case Status.BUILDING:
            return Line("building", "building", build.phase or "starting")
        case Status.WAITING:
            return _waiting(build, state, now)
        case Status.QUEUED:
            return Line("queued", "queued", _queued(build, state, place))


def _ended(build: BuildState) -> Line:
    outcome = build.outcome or Outcome.FAILED
    if build.superseded_by is not None:
        return Line(
            "retried", "retried", f"{outcome}: {build.message}" if build.message else outcome
        )
    return Line(outcome.value, outcome.value, build.message)


def _waiting(build: BuildState, state: State, now: float) -> Line:
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
            return Line("waiting", "memory", build.waiting_on)
        case _:
            return Line("waiting", "waiting", build.waiting_on)


def held_by(holder: pool.Holder | None) -> str:
    """Say who has a lock, as far as the system tells: ``by pid 4121 "uv build"``."""
    if holder is None or holder.pid is None:
        return "by another process"
    return f'by pid {holder.pid} "{holder.command}"' if holder.command else f"by pid {holder.pid}"


def _needed(build: BuildState, state: State) -> str:
    nested = (state.builds.get(one) for one in build.waiting_builds)
    told = [f"{title(one)} ({one.status})" for one in nested if one is not None]
    return ", ".join(told) or build.waiting_on


def _fetching(build: BuildState, state: State) -> str:
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
    return build.waiting_on


def _queued(build: BuildState, state: State, place: int | None) -> str:
    limit = state.limits.get(LimitName.BUILDS)
    if limit is not None and limit.cap == 0:
        return "paused"
    if place is None:
        return "to go on" if build.started_at is not None else ""
    return "next" if place == 0 else f"{_ordinal(place + 1)} in line"


def _ordinal(number: int) -> str:
    ending = (
        "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"


def order(state: State, needle: str = "") -> list[BuildState]:
    """Return the builds in the order of a table: what goes on first, what is done last.

    Finished builds never push running ones off the screen. ``needle`` keeps only builds whose
    name, state, reason or last line has it, whatever the case.
    """
    usual = usual_seconds(state)
    builds = [build for build in state.builds.values() if matches(build, state, needle)]
    return sorted(builds, key=lambda build: place_of(build, usual))


def usual_seconds(state: State) -> float:
    """Return what is expected of builds that nothing is known about."""
    known = [build.expected for build in state.builds.values() if build.expected is not None]
    return median(known or [0.0])


def matches(build: BuildState, state: State, needle: str) -> bool:
    """Tell whether a filter shows a build."""
    return not needle or needle.casefold() in _haystack(build, state)


def _haystack(build: BuildState, state: State) -> str:
    line = describe(build, state, state.now)
    return f"{build.label} {line.word} {line.detail} {build.last}".casefold()


def kind_of(build: BuildState) -> Kind:
    """Return what a build's row is."""
    if build.status is Status.DONE:
        return _ended(build).kind
    return "waiting" if build.status is Status.WAITING else "building" if build.slot else "queued"


def place_of(build: BuildState, usual: float) -> Place:
    """Return what rows are sorted by: the rank of the kind first."""
    kind = kind_of(build)
    if build.status is Status.DONE:
        # The newest first: what has just ended is what one looks for.
        return RANKS[kind], False, -(build.finished_at or 0.0)
    if kind == "queued":
        # As the pool admits: what others need or what has begun, then the longest expected.
        fresh = build.started_at is None and not build.nested
        return RANKS[kind], fresh, -(usual if build.expected is None else build.expected)
    return RANKS[kind], False, build.started_at or build.queued_at


def row(build: BuildState, state: State, now: float, place: int | None = None) -> Row:
    """Return a build as a table shows it."""
    line = describe(build, state, now, place)
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
