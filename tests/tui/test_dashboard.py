"""The screen on a run made by hand: what keys send, what is shown, at every size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

import pool
from app.replay import ReplaySource
from app.tui.app import WheelpoolApp
from app.tui.logview import LogFile, LogView
from app.tui.table import BuildTable
from pool.events import vocabulary as v
from pool.model import BuildId, LimitName, Outcome, WaitFor
from tests.fakes import FakeSource, ManualClock

RECORDING = Path(__file__).parents[1] / "recordings" / "day.jsonl"
A, B, C = (BuildId(f"b{n}") for n in (1, 2, 3))


def run(journal: Path | None = None) -> FakeSource:
    """One building, one queued, one failed."""
    source = FakeSource(journal)
    source.say(
        v.RunStarted(limits={LimitName.BUILDS: 2}, targets=3, out_dir="o", logs="l"),
        *[v.BuildQueued(build=b, name=f"name-{b}", target=b, log=f"{b}.log") for b in (A, B, C)],
        v.BuildStarted(build=A, slot=1),
        v.BuildFinished(build=C, outcome=Outcome.FAILED, message="no compiler"),
    )
    return source


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError("it did not come about")


def text(app: WheelpoolApp) -> str:
    """Return what the screen shows."""
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in lines)


@pytest.mark.parametrize(
    ("key", "control"),
    [
        ("plus", pool.Resize(limit=LimitName.BUILDS, by=1)),
        ("minus", pool.Resize(limit=LimitName.BUILDS, by=-1)),
        ("p", pool.Pause()),
        ("x", pool.Cancel(build=A)),
    ],
)
async def test_keys_send_commands(key: str, control: pool.Control) -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "name-b1" in text(app))
        await pilot.press(key)
        await until(pilot, lambda: source.sent == [control])


async def test_a_paused_run_is_resumed_and_a_failed_build_retried() -> None:
    source = run()
    source.say(v.LimitChanged(limit=LimitName.BUILDS, old=2, new=0, why="pause"))
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "paused" in text(app))
        await pilot.press("p", "G", "r")
        await until(pilot, lambda: source.sent == [pool.Resume(), pool.Retry(build=C)])


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (80, 24), (120, 36), (200, 60)])
@pytest.mark.parametrize("plain", [False, True])
async def test_every_size_shows_name_and_state(size: tuple[int, int], plain: bool) -> None:
    app = WheelpoolApp(run(), clock=ManualClock(), ascii_only=plain)
    async with app.run_test(size=size) as pilot:
        words = ["name"]
        if size[0] >= 80:
            words += ["name-b1", "building", "queued", "failed", "no compiler", "builds 1/2"]
        await until(pilot, lambda: all(word in text(app) for word in words))
        assert plain is False or "●" not in text(app)


async def test_the_selected_build_stays_selected_when_it_moves() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        table = app.screen.query_one(BuildTable)
        await until(pilot, lambda: table.selected is not None)
        assert table.selected
        assert table.selected.id == A
        source.say(v.BuildFinished(build=A, outcome=Outcome.BUILT), t=5.0)
        source.say(v.BuildStarted(build=B, slot=1), t=6.0)
        await until(pilot, lambda: "1 built" in text(app))
        await until(pilot, lambda: bool(table.selected and table._cursor == 2))
        assert table.selected
        assert table.selected.id == A


async def test_the_filter_shows_what_has_it_and_escape_all() -> None:
    app = WheelpoolApp(run(), clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "name-b3" in text(app))
        await pilot.press("slash", *"compiler")
        await until(pilot, lambda: "name-b2" not in text(app))
        assert app.screen.query_one("#filter", Input).value == "compiler"
        await pilot.press("escape")
        await until(pilot, lambda: "name-b2" in text(app))


async def test_a_click_selects_and_two_open_the_log(tmp_path: Path) -> None:
    app = WheelpoolApp(run(tmp_path / "run.jsonl"), clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        table = app.screen.query_one(BuildTable)
        await until(pilot, lambda: "name-b3" in text(app))
        await pilot.click(BuildTable, offset=(5, 2))
        await until(pilot, lambda: bool(table.selected and table.selected.id == C))
        await pilot.click(BuildTable, offset=(5, 2), times=2)
        await until(pilot, lambda: bool(app.screen.query(LogView)))


async def test_leaving_asks_only_while_something_runs() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "name-b1" in text(app))
        await pilot.press("q")
        await until(pilot, lambda: "2 builds have not ended" in text(app))
        await pilot.press("n")
        for build in (A, B):
            source.say(v.BuildFinished(build=build, outcome=Outcome.BUILT))
        await until(pilot, lambda: "all done, q quits" in text(app))
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)


async def test_a_log_is_followed_searched_and_cleaned(tmp_path: Path) -> None:
    logs = tmp_path / "run.logs"
    logs.mkdir()
    log = logs / "b1.log"
    log.write_bytes(
        b"".join(b"line %d\n" % n for n in range(100)) + b"\x1b[31mneedle\x1b[0m here\n"
    )
    app = WheelpoolApp(run(tmp_path / "run.jsonl"), clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "name-b1" in text(app))
        await pilot.press("l")
        await until(pilot, lambda: "needle here" in text(app))
        with log.open("a") as file:
            file.write("the newest\n")
        await until(pilot, lambda: "the newest" in text(app))
        await pilot.press("g")
        await until(pilot, lambda: "line 0" in text(app))
        await pilot.press("slash", *"NEEDLE", "enter")
        await until(pilot, lambda: "needle here" in text(app))
        await pilot.press("q")
        await until(pilot, lambda: "name-b2" in text(app))


def test_a_log_of_a_replay_ends_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("one\ntwo\nthree\n")
    log = LogFile(path)
    assert log.poll(until=6)
    assert [log.line(n) for n in range(len(log))] == ["one", "tw"]
    assert log.poll()
    assert [log.line(n) for n in range(len(log))] == ["one", "two", "three"]
    log.close()


async def test_a_replay_goes_back_and_forth() -> None:
    clock = ManualClock()
    source = ReplaySource(RECORDING, clock)
    app = WheelpoolApp(source, clock=clock)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("f")
        await until(pilot, lambda: "1 failed" in text(app))
        await pilot.press("0")
        await until(pilot, lambda: "1 failed" not in text(app))
        source.seek(source.length)
        await until(pilot, lambda: app.feed.state.finished)
        await pilot.press("plus")
        assert "replay" in text(app)


async def test_the_palette_sets_a_cap() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "name-b1" in text(app))
        await pilot.press("ctrl+p", *"downloads 3")
        await until(pilot, lambda: "downloads: set the cap to 3" in text(app))
        await pilot.press("enter")
        await pilot.pause(0.1)
        if not source.sent:
            await pilot.press("enter")
        await until(pilot, lambda: source.sent == [pool.Resize(limit=LimitName.DOWNLOADS, value=3)])


async def test_a_lock_is_shown_with_its_holder() -> None:
    source = run()
    holder = pool.Holder(pid=4121, command="uv build")
    source.say(v.BuildWaiting(build=B, for_=WaitFor.LOCK, on="/tree", holder=holder))
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(160, 36)) as pilot:
        await until(pilot, lambda: 'by pid 4121 "uv build"' in text(app))
