"""Two runs compared: differences, the worst first, without noise."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import msgspec
import pytest

import pool
from app.model.timeline import Timeline
from app.runs.compare import (
    Pair,
    Side,
    Threshold,
    compare,
    format_memory_change,
    format_time_change,
)
from pool import LimitName, Outcome, WaitFor, events
from tests.support.home import HEADER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.runs.compare import Comparison

MIB = 1 << 20


class Run:
    """Writes the events of a run, one second each unless told otherwise."""

    def __init__(self, **limits: int) -> None:
        caps = {LimitName(name): cap for name, cap in ({"builds": 2} | limits).items()}
        self._ids = count(1)
        self.events: list[events.KnownEvent] = []
        self.say(events.RunStarted(limits=caps, targets=1, out_dir="w", logs="logs"), t=0.0)

    def say(self, event: events.KnownEvent, *, t: float) -> None:
        seq = len(self.events) + 1
        self.events.append(msgspec.structs.replace(event, seq=seq, t=t))

    def build(
        self,
        name: str,
        seconds: float = 5.0,
        outcome: Outcome | None = Outcome.BUILT,
        *,
        peak: int = 0,
        version: str | None = "1.0",
        message: str = "",
        waits: tuple[WaitFor, float] | None = None,
        retry_of: pool.BuildId | None = None,
    ) -> pool.BuildId:
        """Add a build that begins at once and ends after so long; without an outcome, never."""
        one = pool.BuildId(f"b{next(self._ids)}")
        queued = events.BuildQueued(
            build=one, name=name, target=name, log="x.log", version=version, retry_of=retry_of
        )
        self.say(queued, t=0.0)
        waited = 0.0
        if waits is not None:
            self.say(events.BuildWaiting(build=one, for_=waits[0], on="/tree"), t=0.0)
            waited = waits[1]
        self.say(events.BuildStarted(build=one, slot=next(self._ids)), t=waited)
        if outcome is not None:
            ended = events.BuildFinished(
                build=one, outcome=outcome, seconds=seconds, peak=peak, message=message
            )
            self.say(ended, t=waited + seconds)
        return one

    @property
    def side(self) -> Side:
        state = pool.RunState(header=HEADER)
        pool.apply_all(state, self.events)
        return Side(header=HEADER, state=state, timeline=Timeline.of(self.events))


def change_texts(comparison: Comparison) -> list[tuple[str, str, str]]:
    return [(pair.name, one.kind, one.text) for pair in comparison.pairs for one in pair.changes]


def compared(a: Run, b: Run) -> Comparison:
    return compare(a.side, b.side, Threshold())


def kinds(pairs: Iterable[Pair]) -> list[str]:
    return [pair.changes[0].kind if pair.changes else "same" for pair in pairs]


def test_a_run_and_itself_are_the_same() -> None:
    a = Run()
    a.build("x", peak=MIB)
    a.build("y", outcome=Outcome.FAILED)
    a.build("z", outcome=None)
    comparison = compared(a, a)
    assert change_texts(comparison) == []
    assert len(comparison.pairs) == 3
    assert not comparison.worse
    assert comparison.around == ()


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (10.0, 11.9, "same"),
        (10.0, 12.0, "slower"),
        (0.1, 1.0, "same"),
        (0.1, 1.2, "slower"),
        (11.9, 10.0, "same"),
        (12.0, 10.0, "faster"),
    ],
)
def test_both_the_share_and_the_seconds_have_to_be_reached(
    before: float, after: float, kind: str
) -> None:
    a, b = Run(), Run()
    a.build("x", before)
    b.build("x", after)
    assert kinds(compared(a, b).pairs) == [kind]
    assert compared(a, b).worse is (kind == "slower")


def test_memory_growth_above_the_threshold_is_reported() -> None:
    a, b = Run(), Run()
    for run, big, small in ((a, 100 * MIB, MIB), (b, 250 * MIB, 30 * MIB)):
        run.build("big", peak=big)
        run.build("small", peak=small)
    assert change_texts(compared(a, b)) == [("big", "memory", "100 MiB -> 250 MiB  +150 MiB, 2.5x")]


def test_most_important_differences_come_first_and_equal_builds_last() -> None:
    a, b = Run(), Run()
    a.build("same")
    b.build("same")
    a.build("breaks")
    b.build("breaks", outcome=Outcome.FAILED, message="no compiler")
    a.build("mends", outcome=Outcome.FAILED, message="no disk")
    b.build("mends")
    a.build("goes")
    b.build("comes")
    b.build("comes-broken", outcome=Outcome.FAILED)
    for name, seconds in (("slow", 9.0), ("slower", 20.0)):
        a.build(name)
        b.build(name, seconds)
    a.build("hit", 0.0, Outcome.CACHED)
    b.build("hit", 30.0)
    a.build("moves", version="1.0")
    b.build("moves", version="2.0")
    b.build("hangs", outcome=None)
    a.build("hangs")
    pairs = compared(a, b).pairs
    assert [pair.name for pair in pairs] == [
        "breaks", "comes-broken", "hangs", "slower", "slow", "hit", "moves", "comes", "goes",
        "mends", "same",
    ]  # fmt: skip
    assert kinds(pairs) == [
        "failed", "failed", "unfinished", "slower", "slower", "outcome", "version", "new",
        "missing", "fixed", "same",
    ]  # fmt: skip
    assert pairs[0].changes[0].text == "no compiler, was built"
    assert pairs[1].changes[0].text == "failed, was not there"
    assert compared(a, b).worse


def test_names_are_matched_however_they_are_written_and_equal_ones_in_order() -> None:
    a, b = Run(), Run()
    a.build("My_Lib", 5.0)
    a.build("my-lib", 50.0)
    b.build("my.lib", 5.0)
    b.build("MY-LIB", 90.0)
    b.build("my-lib")
    assert change_texts(compared(a, b)) == [
        ("my-lib", "slower", "50.0 s -> 1 min 30 s  +40.0 s, 1.8x"),
        ("my-lib", "new", "built  5.0 s"),
    ]


def test_all_tries_of_a_build_count_together() -> None:
    a, b = Run(), Run()
    a.build("x", 10.0, peak=90 * MIB)
    first = b.build("x", 10.0, Outcome.FAILED, peak=200 * MIB)
    b.build("x", 6.0, peak=80 * MIB, retry_of=first)
    assert [(kind, text) for _, kind, text in change_texts(compared(a, b))] == [
        ("slower", "10.0 s -> 16.0 s  +6.0 s, 1.6x"),
        ("memory", "90 MiB -> 200 MiB  +110 MiB, 2.2x"),
        ("tries", "tried 2 times, was 1 time"),
    ]


@pytest.mark.parametrize(
    ("for_", "words"),
    [
        (WaitFor.LOCK, "for locks 0.0 s -> 40.0 s"),
        (WaitFor.MEMORY, "for memory 0.0 s -> 40.0 s"),
    ],
)
def test_waits_for_locks_and_memory_are_separate(for_: WaitFor, words: str) -> None:
    a, b = Run(), Run()
    a.build("x")
    b.build("x", waits=(for_, 40.0))
    comparison = compared(a, b)
    assert change_texts(comparison) == [("x", "waited", words)]
    assert comparison.b.locks + comparison.b.memory == 40.0
    assert not comparison.worse


def test_different_limits_and_machines_are_listed() -> None:
    a, b = Run(memory=2 << 30), Run(builds=4, memory=0)
    assert compared(a, b).around == (("builds", "2", "4"), ("memory", "2.0 GiB", "none"))
    other = msgspec.structs.replace(HEADER, python="3.12.1")
    side = Side(header=other, state=a.side.state, timeline=a.side.timeline)
    assert compare(a.side, side, Threshold()).around == (("python", "3.11.7", "3.12.1"),)


def test_differences_in_words() -> None:
    assert format_time_change(5.0, 10.0) == "+5.0 s, 2.0x"
    assert format_time_change(10.0, 5.0) == "-5.0 s, 0.5x"
    assert format_time_change(0.0, 5.0) == "+5.0 s"
    assert format_time_change(5.0, 5.01) == "the same"
    assert format_memory_change(MIB, MIB) == "the same"
    assert format_memory_change(0, MIB) == "+1 MiB"
    assert format_memory_change(100 * MIB, 50 * MIB) == "-50 MiB, 0.5x"
