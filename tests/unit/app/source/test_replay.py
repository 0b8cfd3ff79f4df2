"""A replay keeps the run's own times, by the clock it is given."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

import pool
from app.source.base import Mark
from app.source.replay import ReplaySource
from pool import events
from tests.support.home import write_journal

if TYPE_CHECKING:
    from pathlib import Path

A = pool.BuildId("b1")


class ManualClock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.time = 1000.0

    def monotonic(self) -> float:
        return self.time

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)


STORY: list[events.KnownEvent] = [
    events.RunStarted(limits={pool.LimitName.BUILDS: 2}, targets=1, out_dir="w", logs="logs"),
    events.BuildQueued(build=A, name="a", target="./a", log="a.log"),  # t = 1
    events.BuildStarted(build=A, slot=1),  # t = 2
    events.LimitChanged(limit=pool.LimitName.BUILDS, old=2, new=3, why="user"),  # t = 3
    events.BuildFinished(build=A, outcome=pool.Outcome.FAILED, message="no"),  # t = 4
    events.RunFinished(exit_code=1, totals={pool.Outcome.FAILED: 1}, t=10.0),
]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def source(tmp_path: Path, clock: ManualClock) -> ReplaySource:
    return ReplaySource(write_journal(tmp_path / "run", STORY), clock)


def polled(source: ReplaySource) -> list[int]:
    return [event.seq for event in source.poll()]


def test_events_come_at_their_own_times(source: ReplaySource, clock: ManualClock) -> None:
    assert polled(source) == [1]
    clock.time += 2.5
    assert polled(source) == [2, 3]
    assert polled(source) == []
    assert not source.exhausted
    clock.time += 100
    assert polled(source) == [4, 5, 6]
    assert source.exhausted
    assert source.position == source.length == 10.0
    assert not source.playing


def test_a_pause_holds_the_time(source: ReplaySource, clock: ManualClock) -> None:
    clock.time += 1
    source.toggle()
    clock.time += 50
    assert source.position == 1.0
    assert not source.playing
    source.toggle()
    clock.time += 1
    assert source.position == 2.0
    assert source.playing


def test_a_change_of_speed_is_no_jump(source: ReplaySource, clock: ManualClock) -> None:
    clock.time += 1
    source.faster()
    assert (source.speed, source.position) == (2.0, 1.0)
    clock.time += 1
    assert source.position == 3.0
    source.slower()
    source.slower()
    clock.time += 2
    assert (source.speed, source.position) == (0.5, 4.0)


def test_speed_stays_between_a_quarter_and_sixty_four(source: ReplaySource) -> None:
    for _ in range(20):
        source.faster()
    assert source.speed == 64.0
    for _ in range(20):
        source.slower()
    assert source.speed == 0.25


def test_a_speed_between_the_steps_finds_back_to_them(tmp_path: Path, clock: ManualClock) -> None:
    path = write_journal(tmp_path / "run", STORY)
    source = ReplaySource(path, clock, speed=3.0)
    source.faster()
    assert source.speed == 4.0
    source = ReplaySource(path, clock, speed=3.0)
    source.slower()
    assert source.speed == 2.0


def test_going_on_keeps_the_stream(source: ReplaySource) -> None:
    assert polled(source) == [1]
    source.seek(3.5)
    assert source.generation == 0
    assert polled(source) == [2, 3, 4]


def test_going_back_starts_the_stream_over(source: ReplaySource) -> None:
    source.seek(100.0)
    assert source.position == 10.0
    assert polled(source) == [1, 2, 3, 4, 5, 6]
    source.step(-8.0)
    assert source.generation == 1
    assert not source.exhausted
    assert polled(source) == [1, 2, 3]
    source.step(-100.0)
    assert source.position == 0.0
    assert source.generation == 2


def test_going_back_within_the_polled_changes_nothing(source: ReplaySource) -> None:
    source.seek(9.0)
    polled(source)
    source.seek(8.0)
    assert source.generation == 0
    assert polled(source) == []


def test_at_the_end_playing_starts_over(source: ReplaySource, clock: ManualClock) -> None:
    source.seek(10.0)
    polled(source)
    source.toggle()
    assert source.playing
    assert source.position == 0.0
    clock.time += 1
    assert polled(source) == [1, 2]


def test_failures_and_caps_are_marked(source: ReplaySource) -> None:
    assert source.marks == (Mark(t=3.0, kind="cap"), Mark(t=4.0, kind="failure"))


def test_controls_do_nothing(source: ReplaySource) -> None:
    assert not source.live
    source.send(pool.Stop())
    assert polled(source) == [1]


def test_a_torn_tail_is_forgiven(tmp_path: Path, clock: ManualClock) -> None:
    path = write_journal(tmp_path / "run", STORY)
    with path.open("ab") as file:
        file.write(b'{"type":"build.q')
    assert ReplaySource(path, clock).length == 10.0


def test_a_torn_middle_is_refused_by_its_line(tmp_path: Path, clock: ManualClock) -> None:
    path = write_journal(tmp_path / "run", STORY)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:10] + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(pool.JournalError, match=r"events\.jsonl:3: "):
        ReplaySource(path, clock)


def test_an_event_out_of_nowhere_is_refused(tmp_path: Path, clock: ManualClock) -> None:
    path = write_journal(tmp_path / "run", [STORY[0], STORY[2]])
    with pytest.raises(pool.JournalError, match=r":3: .* 'b1', which is not announced yet"):
        ReplaySource(path, clock)


@pytest.mark.parametrize("content", [b"", b"hello\n", b"{}\n", b"\x00\xff" * 99, b'{"type":"x"}\n'])
def test_file_that_is_no_journal_is_an_error(
    tmp_path: Path, clock: ManualClock, content: bytes
) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(content)
    with pytest.raises(pool.JournalError, match=r"run\.jsonl: no header"):
        ReplaySource(path, clock)


def test_a_log_without_events_is_refused(tmp_path: Path, clock: ManualClock) -> None:
    with pytest.raises(pool.JournalError, match="no events"):
        ReplaySource(write_journal(tmp_path / "run", []), clock)
