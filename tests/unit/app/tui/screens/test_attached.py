"""The screen of another process's run: leaving it asks nothing, and it says so."""

from __future__ import annotations

import pytest

from app.tui.app import WheelpoolApp
from pool.common.model import BuildId, LimitName, Outcome
from pool.events import types as v
from tests.support.fakes import FakeSource, ManualClock
from tests.support.home import HEADER
from tests.support.screens import screen_text, wait_until

A = BuildId("b1")


class Attached(FakeSource):
    """A run of another process."""

    attached = True
    header = HEADER

    def __init__(self) -> None:
        super().__init__()
        self.emit(
            v.RunStarted(limits={LimitName.BUILDS: 2}, targets=1, out_dir="o", logs="l"),
            v.BuildQueued(build=A, name="six", target="six", log="six.log"),
            v.BuildStarted(build=A, slot=1),
        )


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_leaving_detaches_without_a_question(key: str) -> None:
    source = Attached()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(160, 36)) as pilot:
        await wait_until(
            pilot, lambda: "attached to" in screen_text(app) and "q detach" in screen_text(app)
        )
        await pilot.press(key)
        await wait_until(pilot, lambda: not app.is_running)
    assert source.sent == []


async def test_the_help_of_an_attached_run_mentions_it() -> None:
    app = WheelpoolApp(Attached(), clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "six" in screen_text(app))
        await pilot.press("question_mark")
        await wait_until(pilot, lambda: "detach: the run continues" in screen_text(app))


async def test_after_the_end_there_is_nothing_to_detach_from() -> None:
    source = Attached()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(160, 36)) as pilot:
        await wait_until(pilot, lambda: "q detach" in screen_text(app))
        source.emit(
            v.BuildFinished(build=A, outcome=Outcome.BUILT),
            v.RunFinished(exit_code=0, totals={Outcome.BUILT: 1}),
            t=5.0,
        )
        source.exhausted = True
        await wait_until(pilot, lambda: not app.is_running or "· q quit" in screen_text(app))
        await wait_until(pilot, lambda: "detach" not in screen_text(app))


async def test_a_killed_run_is_reported_and_its_clock_stops() -> None:
    source, clock = Attached(), ManualClock()
    app = WheelpoolApp(source, clock=clock)
    async with app.run_test(size=(160, 36)) as pilot:
        await wait_until(pilot, lambda: "q detach" in screen_text(app))
        source.exhausted = True
        await wait_until(pilot, lambda: "the run ended early · q quit" in screen_text(app))
        before = app.model.now
        clock.seconds = 100.0
        assert app.model.now == before
