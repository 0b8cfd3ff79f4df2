"""All about one build, and the tree of builds, on the screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.scroll_view import ScrollView

import pool
from app.source.replay import ReplaySource
from app.tui.app import WheelpoolApp
from app.tui.screens.build import BuildScreen
from app.tui.screens.log import LogScreen
from pool.common.model import BuildId, LimitName, Outcome, Phase
from pool.events import types as v
from pool.events.process_delta import ProcessDelta
from tests.support.fakes import FakeSource, ManualClock
from tests.support.paths import DAY as RECORDING
from tests.support.screens import screen_text, wait_until

A, B = BuildId("b1"), BuildId("b2")


def source_of(tmp_path: Path) -> FakeSource:
    """Return a run with a build that goes on and one that it needs, which failed."""
    (tmp_path / "run.logs").mkdir()
    (tmp_path / "run.logs" / "b1.log").write_text("compiling\n")
    (tmp_path / "run.logs" / "b2.log").write_text(
        "fine\nx.c:1:9: fatal error: ffi.h: No such file or directory\n"
    )
    source = FakeSource(tmp_path / "run.jsonl")
    process = ProcessDelta(
        pid=42, ppid=1, name="cc1", command="/usr/lib/cc1 -O2", rss=9 << 20, cpu=98.0
    )
    one = v.BuildSample(build=A, processes=(process,), rss=9 << 20, peak=9 << 20)
    source.emit(
        v.RunStarted(limits={LimitName.BUILDS: 2}, targets=1, out_dir="o", logs="l"),
        v.BuildQueued(build=A, name="outer", target="outer", log="b1.log"),
        v.BuildQueued(build=B, name="inner", target="inner", log="b2.log", needed_by=(A,)),
        v.BuildStarted(build=A, slot=1),
        v.BuildPhase(build=A, phase=Phase.BUILD),
        v.BuildFinished(build=B, outcome=Outcome.FAILED, message="bad", rerun="cd x && make"),
        v.Sample(builds=(one,), machine=v.MachineMemory(total=1, available=1)),
    )  # fmt: skip
    return source


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_enter_shows_all_about_a_build(
    tmp_path: Path, size: tuple[int, int], plain: bool
) -> None:
    app = WheelpoolApp(source_of(tmp_path), clock=ManualClock(), ascii_only=plain)
    async with app.run_test(size=size) as pilot:
        await wait_until(pilot, lambda: "outer" in screen_text(app))
        await pilot.press("g", "enter")
        words = ["building", "build 0.0 s so far", "9 MiB now", "cc1 -O2", "compiling"]
        await wait_until(pilot, lambda: all(word in screen_text(app) for word in words))
        assert not (plain and "█" in screen_text(app))
        await pilot.press("l")
        await wait_until(pilot, lambda: isinstance(app.screen, LogScreen))
        await pilot.press("q", "q")
        await wait_until(pilot, lambda: "inner" in screen_text(app))


async def test_a_failed_build_shows_its_error_and_its_command_is_copied(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "inner" in screen_text(app))
        await pilot.press("G", "enter")
        words = ["line 2", "ffi.h", "libffi-dev", "cd x && make", "outer (building)"]
        await wait_until(pilot, lambda: all(word in screen_text(app) for word in words))
        await pilot.press("y")
        await wait_until(pilot, lambda: app.clipboard == "cd x && make")
        await pilot.press("r", "x")
        await wait_until(pilot, lambda: source.sent == [pool.Retry(build=B)])
        await pilot.press("e")
        await wait_until(pilot, lambda: isinstance(app.screen, LogScreen))


async def test_the_tree_shows_requirements_and_folds_and_opens(tmp_path: Path) -> None:
    app = WheelpoolApp(source_of(tmp_path), clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "outer" in screen_text(app))
        await pilot.press("T")
        await wait_until(
            pilot,
            lambda: "└─ inner" in screen_text(app) and "1 of them nested" in screen_text(app),
        )
        await pilot.press("space")
        await wait_until(
            pilot, lambda: "outer  [+1]" in screen_text(app) and "inner" not in screen_text(app)
        )
        await pilot.press("asterisk", "j", "enter")
        await wait_until(
            pilot, lambda: isinstance(app.screen, BuildScreen) and "ffi.h" in screen_text(app)
        )


async def test_without_colour_all_of_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = WheelpoolApp(source_of(tmp_path), clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "outer" in screen_text(app))
        await pilot.press("T")
        await wait_until(pilot, lambda: "└─ inner" in screen_text(app))
        await pilot.press("j", "enter")
        await wait_until(pilot, lambda: "libffi-dev" in screen_text(app))
        await pilot.press("l", "number_sign")
        await wait_until(pilot, lambda: "1 fine" in screen_text(app))


async def test_a_replay_has_the_same_views() -> None:
    clock = ManualClock()
    app = WheelpoolApp(ReplaySource(RECORDING, clock), clock=clock, ascii_only=True)
    clock.seconds = 20.0
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "building" in screen_text(app))
        await pilot.press("T")
        words = ["`- build-helper 0.9", "^ above"]
        await wait_until(pilot, lambda: all(word in screen_text(app) for word in words))
        await pilot.press("enter")
        await wait_until(
            pilot, lambda: isinstance(app.screen, BuildScreen) and "3.11.7" in screen_text(app)
        )


@pytest.mark.parametrize("key", ["T", "t"])
async def test_rows_of_builds_that_a_seek_has_dropped_are_blank(tmp_path: Path, key: str) -> None:
    """A screen may be drawn between the seek of a replay and its own next tick."""
    app = WheelpoolApp(source_of(tmp_path), clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "inner" in screen_text(app))
        await pilot.press("g", key)
        kind = "_Tree" if key == "T" else "TimelineChart"
        await wait_until(pilot, lambda: bool(app.screen.query(kind)))
        rows = app.screen.query_one(kind, ScrollView)
        if key == "t":
            await pilot.press("b")
        await wait_until(pilot, lambda: "outer" in rows.render_line(0).text)
        builds = app.model.state.builds
        app.model.state.builds = {}
        rows.notify_style_update()
        drawn = [rows.render_line(line).text for line in range(3)]
        app.model.state.builds = builds
        assert not any("outer" in text or "inner" in text for text in drawn)
