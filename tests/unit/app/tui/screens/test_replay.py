"""A replay on the screen: its keys on every screen, and what is shown after going anywhere."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from textual.pilot import Pilot

import pool
from app.model.estimate import Estimate
from app.model.memory_history import MemoryHistory
from app.model.queue import SlotQueue
from app.model.status import kind_of
from app.model.timeline import Timeline
from app.source.replay import ReplaySource
from app.source.snapshots import SnapshotLog
from app.tui.app import WheelpoolApp
from app.tui.run_model import RunModel
from app.tui.screens.build import BuildScreen
from app.tui.screens.log import LogScreen
from app.tui.screens.tree import TreeScreen
from app.tui.widgets.replay_bar import ReplayBar
from tests.support.fakes import FakeSource, ManualClock
from tests.support.paths import DAY as RECORDING


def stopped() -> tuple[ReplaySource, ManualClock]:
    clock = ManualClock()
    return ReplaySource(RECORDING, clock), clock


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        await pilot.pause(0.05)
    raise AssertionError


def bar(app: WheelpoolApp) -> str:
    return app.query_one(ReplayBar).render().plain


def test_seeking_anywhere_equals_replaying_from_the_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.source.replay.SnapshotLog", partial(SnapshotLog, interval=10))
    source, clock = stopped()
    model = RunModel(source, clock)
    chance = random.Random(5)
    for at in [0.0, source.length, *(chance.uniform(0, source.length) for _ in range(40))]:
        source.seek(at)
        model.advance()
        state, timeline, memory = pool.RunState(header=source.header), Timeline(), MemoryHistory()
        for event in source._events:
            if event.t > at:
                break
            pool.apply(state, event)
            timeline.record(event, state)
            memory.record(event)
        assert model.state == state
        assert list(model.state.builds) == list(state.builds)
        assert (model.timeline.builds, model.timeline.slots) == (timeline.builds, timeline.slots)
        assert model.timeline.series == timeline.series
        assert model.timeline.landmarks == timeline.landmarks
        assert model.memory.builds == memory.builds
        line = SlotQueue.of(state)
        assert [model.slot_queue[n] for n in range(len(model.slot_queue))] == [
            line[n] for n in range(len(line))
        ]
        assert model.estimate.remaining(state, at) == Estimate.of(state).remaining(state, at)
        counted = {kind: many for kind, many in model.counts.items() if many}
        assert counted == Counter(map(kind_of, state.builds.values()))
    assert source.generation > 10


async def test_keys_go_through_failures_and_to_times() -> None:
    source, clock = stopped()
    app = WheelpoolApp(source, clock=clock)
    failures = [mark.t for mark in source.marks if mark.kind == "failure"]
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("f")
        assert source.position == failures[0]
        await pilot.press("dollar_sign")
        assert source.position == source.length
        await pilot.press("F")
        assert source.position == max(t for t in failures if t < source.length)
        await pilot.press("0", "F")
        assert source.position == 0.0
        await pilot.press("colon", *"0:20", "enter")
        assert source.position == 20.0
        await pilot.press("colon", *"-5", "enter", "full_stop", "greater_than_sign")
        assert source.position == 50.0
        await pilot.press("colon", *"99:00", "enter", "escape")
        assert source.position == 50.0
        await pilot.press("right_square_bracket", "left_square_bracket", "left_square_bracket")
        assert source.speed == 0.5


@pytest.mark.parametrize(
    ("key", "screen"), [("enter", BuildScreen), ("l", LogScreen), ("T", TreeScreen)]
)
async def test_time_is_walked_through_on_every_screen(key: str, screen: type) -> None:
    source, clock = stopped()
    source.pause_at("0:20")
    app = WheelpoolApp(source, clock=clock)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.query_one("BuildTable").selected is not None)  # type: ignore[attr-defined]
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, screen))
        await pilot.press("comma", "comma", "full_stop")
        assert source.position == 15.0
        await pilot.press("colon", *"50%", "enter")
        assert source.position == pytest.approx(source.length / 2)
        assert isinstance(app.screen, screen)
        app.model.advance()
        assert app.model.state.now <= source.position


async def test_a_live_run_has_no_keys_of_time() -> None:
    app = WheelpoolApp(FakeSource(), clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("space", "f", "F", "comma", "colon", "0", "dollar_sign")
        assert len(app.screen_stack) == 1


@pytest.mark.parametrize("width", [30, 69, 70, 120, 200])
@pytest.mark.parametrize("ascii_only", [False, True])
async def test_the_bar_has_all_marks_and_shows_whether_it_plays(
    width: int, ascii_only: bool
) -> None:
    source, clock = stopped()
    app = WheelpoolApp(source, clock=clock, ascii_only=ascii_only)
    failure, cap, knob = "x|O" if ascii_only else "✗┬●"
    async with app.run_test(size=(width, 24)) as pilot:
        source.pause_at("0:01")
        await until(pilot, lambda: "0:01 / 2:54" in bar(app))
        shown = bar(app)
        assert len(shown) < width
        assert ("paused" in shown) == (width >= 70)
        track = shown.partition("2:54  ")[2]
        assert track.count(knob) == 1
        assert failure in track
        assert cap in track or width == 30
        assert shown.isascii() == ascii_only
        source.toggle()
        await until(pilot, lambda: ("plays" if width >= 70 else "1x") in bar(app))
        source.seek(source.length)
        await until(pilot, lambda: "2:54 / 2:54" in bar(app))
        assert ("ended" in bar(app)) == (width >= 70)
