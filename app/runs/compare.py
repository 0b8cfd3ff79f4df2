"""Compares two runs: builds that failed newly, got slower, used more memory, waited, came or went.

Pure. Builds are matched by name, and by order if several have one name; the attempts of one build
count together. Small differences are ignored: a build never takes the same time twice. Field names
of the records are the keys of ``wheelpool diff --json``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Literal, get_args

from msgspec import field
from packaging.utils import canonicalize_name

from app.format import format_count, format_duration, format_size
from app.model.outcomes import requested_builds
from app.model.status import end_of_work
from app.text.rows import build_title, status_word
from pool import LimitName, Outcome, Record, WaitFor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pool
    from app.model.timeline import Timeline

__all__ = [
    "BuildFacts",
    "Change",
    "ChangeKind",
    "Comparison",
    "Pair",
    "Side",
    "Threshold",
    "Totals",
    "compare",
    "format_memory_change",
    "format_time_change",
]

ChangeKind = Literal[
    "failed", "unfinished", "slower", "memory", "waited", "outcome", "tries", "version",
    "new", "missing", "fixed", "faster",
]  # fmt: skip
"""The kinds of differences of a build, the most important first."""
_NO_TIME = 0.05
"""Differences of less than this number of seconds are printed as none."""
_RANKS: dict[ChangeKind, int] = {kind: rank for rank, kind in enumerate(get_args(ChangeKind))}


class Threshold(Record, frozen=True, kw_only=True):
    """The smallest difference that is reported; both the share and the amount must be reached."""

    share: float = 0.2
    """The difference as a part of the value before: 0.2 is a fifth more."""
    seconds: float = 1.0
    bytes: int = 32 << 20

    def more_time(self, before: float, after: float) -> bool:
        """Return whether a time has grown by more than the threshold."""
        return after - before >= max(self.seconds, self.share * before)

    def more_memory(self, before: int, after: int) -> bool:
        """Return whether a size has grown by more than the threshold."""
        return after - before >= max(self.bytes, self.share * before)


class Side(Record, frozen=True, kw_only=True):
    """One of the two runs."""

    header: pool.events.Header
    state: pool.RunState
    """The state after the last event."""
    timeline: Timeline


class BuildFacts(Record, frozen=True, kw_only=True):
    """The values of a build that are compared, over all of its attempts."""

    build: pool.BuildId
    """The last attempt."""
    title: str
    version: str | None
    state: str
    """One word: an outcome, or the status at the end of the journal."""
    outcome: Outcome | None
    """None if the journal ends before the build did."""
    seconds: float
    """Seconds with a slot."""
    peak: int
    """Bytes; 0 is unknown."""
    locks: float
    """Seconds it waited for locks."""
    memory: float
    """Seconds it waited for memory."""
    tries: int
    message: str


class Change(Record, frozen=True, kw_only=True):
    """One difference."""

    kind: ChangeKind
    text: str
    weight: float = 0.0
    """Seconds or bytes; it sorts changes of one kind, the largest first."""


class Pair(Record, frozen=True, kw_only=True):
    """A build in both runs, or in one of them."""

    name: str
    a: BuildFacts | None
    b: BuildFacts | None
    changes: tuple[Change, ...] = ()
    """The most important first."""

    @property
    def title(self) -> str:
        """The name, with the newer version if it is known."""
        facts = self.b or self.a
        return facts.title if facts is not None else self.name


class Totals(Record, frozen=True, kw_only=True):
    """The totals of a run."""

    wall: float
    """Seconds from its first event to its last."""
    seconds: float
    """Seconds with slots, summed over all builds."""
    locks: float
    """Seconds that builds waited for locks, summed."""
    memory: float
    """Seconds that builds waited for memory, summed."""
    peak: int
    """The largest number of bytes of all builds at one time."""
    outcomes: Mapping[str, int] = field(default_factory=dict)
    """The number of requested builds with each outcome."""
    finished: bool = True


class Comparison(Record, frozen=True, kw_only=True):
    """The differences of run B from run A."""

    pairs: tuple[Pair, ...]
    """All builds, the most important differences first; equal builds come last, by name."""
    around: tuple[tuple[str, str, str], ...]
    """Differences of limits, interpreter and machine: a name and both values."""
    a: Totals
    b: Totals

    @property
    def worse(self) -> bool:
        """Whether a build failed newly, did not finish, or got slower."""
        bad = {"failed", "unfinished", "slower"}
        return any(change.kind in bad for pair in self.pairs for change in pair.changes)


def compare(a: Side, b: Side, threshold: Threshold) -> Comparison:
    """Compare run B with the earlier run A."""
    pairs = [
        Pair(
            name=name,
            a=one,
            b=other,
            changes=tuple(sorted(_changes(one, other, threshold), key=_rank)),
        )
        for name, one, other in _matched(_facts(a), _facts(b))
    ]
    return Comparison(
        pairs=tuple(sorted(pairs, key=_order)),
        around=tuple(_around(a, b)),
        a=_totals(a),
        b=_totals(b),
    )


def format_time_change(before: float, after: float) -> str:
    """Return the change of a time: ``+1.5 s, 2.3x``."""
    if abs(after - before) < _NO_TIME:
        return "the same"
    sign = "-" if after < before else "+"
    times = f", {after / before:.1f}x" if before >= _NO_TIME else ""
    return f"{sign}{format_duration(abs(after - before))}{times}"


def format_memory_change(before: int, after: int) -> str:
    """Return the change of a size: ``+1.1 GiB, 2.3x``."""
    if before == after:
        return "the same"
    sign = "-" if after < before else "+"
    times = f", {after / before:.1f}x" if before else ""
    return f"{sign}{format_size(abs(after - before))}{times}"


def _rank(change: Change) -> int:
    return _RANKS[change.kind]


def _order(pair: Pair) -> tuple[int, float, str]:
    if not pair.changes:
        return len(_RANKS), 0.0, pair.name
    first = pair.changes[0]
    return _RANKS[first.kind], -first.weight, pair.name


# Builds


def _matched(
    a: Mapping[tuple[str, str], list[BuildFacts]], b: Mapping[tuple[str, str], list[BuildFacts]]
) -> Iterator[tuple[str, BuildFacts | None, BuildFacts | None]]:
    for key in {**a, **b}:
        for one, other in zip_longest(a.get(key, []), b.get(key, [])):
            yield key[0], one, other


def _facts(side: Side) -> dict[tuple[str, str], list[BuildFacts]]:
    """Return the builds of a run by name and purpose."""
    found: defaultdict[tuple[str, str], list[BuildFacts]] = defaultdict(list)
    for build in side.state.builds.values():
        if build.superseded_by is None:
            found[canonicalize_name(build.name), build.purpose].append(_build_facts(build, side))
    return found


def _build_facts(build: pool.BuildState, side: Side) -> BuildFacts:
    tries = [build]
    while (before := tries[-1].retry_of) is not None:
        tries.append(side.state.builds[before])
    return BuildFacts(
        build=build.id,
        title=build_title(build),
        version=build.version,
        state=status_word(build),
        outcome=build.outcome,
        seconds=sum(one.seconds for one in tries),
        peak=max(one.peak for one in tries),
        locks=sum(_waited(one, WaitFor.LOCK, side) for one in tries),
        memory=sum(_waited(one, WaitFor.MEMORY, side) for one in tries),
        tries=len(tries),
        message=build.message,
    )


def _waited(build: pool.BuildState, for_: WaitFor, side: Side) -> float:
    spans = side.timeline.builds.get(build.id, ())
    now = side.state.now
    return sum(span.end(now) - span.since for span in spans if span.kind == for_)


def _changes(a: BuildFacts | None, b: BuildFacts | None, threshold: Threshold) -> Iterator[Change]:
    """Yield the differences of a build."""
    if b is None:
        if a is not None:
            yield Change(kind="missing", text=f"was {_result(a)}", weight=a.seconds)
        return
    yield from _outcomes(a, b)
    if a is None:
        if b.outcome not in (Outcome.FAILED, None):
            yield Change(kind="new", text=_result(b), weight=b.seconds)
        return
    if a.outcome is b.outcome is Outcome.BUILT:
        yield from _times(a, b, threshold)
    if a.peak and threshold.more_memory(a.peak, b.peak):
        change = format_memory_change(a.peak, b.peak)
        text = f"{format_size(a.peak)} -> {format_size(b.peak)}  {change}"
        yield Change(kind="memory", text=text, weight=b.peak - a.peak)
    yield from _waits(a, b, threshold)
    if b.tries > a.tries:
        text = f"tried {format_count(b.tries, 'time')}, was {format_count(a.tries, 'time')}"
        yield Change(kind="tries", text=text, weight=b.tries)
    if a.version and b.version and a.version != b.version:
        yield Change(kind="version", text=f"{a.version} -> {b.version}")


def _outcomes(a: BuildFacts | None, b: BuildFacts) -> Iterator[Change]:
    """Yield the difference of the outcomes."""
    was = f", was {a.state}" if a is not None else ", was not there"
    now, before = b.outcome, None if a is None else a.outcome
    if now is Outcome.FAILED and before is not Outcome.FAILED:
        yield Change(kind="failed", text=f"{b.message or 'failed'}{was}", weight=b.seconds)
    elif now is None and (a is None or before is not None):
        yield Change(kind="unfinished", text=f"{b.state} when the log ends{was}", weight=b.seconds)
    elif before is Outcome.FAILED and now is not None and now.is_success and a is not None:
        failure = f": {a.message}" if a.message else ""
        yield Change(kind="fixed", text=f"{_result(b)}, had failed{failure}", weight=b.seconds)
    elif a is not None and now is not before:
        yield Change(kind="outcome", text=f"{a.state} -> {b.state}", weight=b.seconds)


def _times(a: BuildFacts, b: BuildFacts, threshold: Threshold) -> Iterator[Change]:
    kind: ChangeKind | None = None
    if threshold.more_time(a.seconds, b.seconds):
        kind = "slower"
    elif threshold.more_time(b.seconds, a.seconds):
        kind = "faster"
    if kind is not None:
        text = f"{format_duration(a.seconds)} -> {format_duration(b.seconds)}"
        by = format_time_change(a.seconds, b.seconds)
        yield Change(kind=kind, text=f"{text}  {by}", weight=abs(b.seconds - a.seconds))


def _waits(a: BuildFacts, b: BuildFacts, threshold: Threshold) -> Iterator[Change]:
    for what, before, after in (("locks", a.locks, b.locks), ("memory", a.memory, b.memory)):
        if threshold.more_time(before, after):
            text = f"for {what} {format_duration(before)} -> {format_duration(after)}"
            yield Change(kind="waited", text=text, weight=after - before)


def _result(facts: BuildFacts) -> str:
    return f"{facts.state}  {format_duration(facts.seconds)}" if facts.seconds else facts.state


# The runs


def _totals(side: Side) -> Totals:
    facts = [one for several in _facts(side).values() for one in several]
    outcomes = Counter(str(one.outcome or "unfinished") for one in requested_builds(side.state))
    return Totals(
        wall=end_of_work(side.state),
        seconds=sum(one.seconds for one in facts),
        locks=sum(one.locks for one in facts),
        memory=sum(one.memory for one in facts),
        peak=side.timeline.series["used"].peak,
        outcomes=dict(outcomes),
        finished=side.state.finished,
    )


def _around(a: Side, b: Side) -> Iterator[tuple[str, str, str]]:
    """Yield differences of versions, machine and limits."""
    one, other = a.header, b.header
    yield from _difference("wheelpool", one.wheelpool, other.wheelpool)
    yield from _difference("python", one.python, other.python)
    yield from _difference("processors", str(one.host.cpus), str(other.host.cpus))
    yield from _difference("machine", format_size(one.host.memory), format_size(other.host.memory))
    for limit in LimitName:
        yield from _difference(limit, _cap(a.state, limit), _cap(b.state, limit))


def _difference(name: str, a: str, b: str) -> Iterator[tuple[str, str, str]]:
    if a != b:
        yield name, a, b


def _cap(state: pool.RunState, name: LimitName) -> str:
    """Return a limit at the end of the run as text."""
    limit = state.limits.get(name)
    if limit is None:
        return "none"
    if name is LimitName.MEMORY:
        return format_size(limit.value) if limit.value else "none"
    return str(limit.value)
