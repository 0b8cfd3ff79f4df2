"""The timeline on the screen: its arithmetic at every width, and its keys live and in a replay."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.pilot import Pilot

from app.model.timeline import Span, SpanKind
from app.source.replay import ReplaySource
from app.tui.app import WheelpoolApp
from app.tui.screens.build import BuildScreen
from app.tui.screens.timeline import TimelineScreen
from app.tui.timeline.bars import GLYPHS, bars, build_pieces, legend, slot_pieces
from app.tui.timeline.chart import TimelineChart
from app.tui.timeline.viewport import TimeRange, Viewport, ticks
from pool import BuildId, LimitName, Outcome, Phase, WaitFor, events
from tests.support.fakes import FakeSource, ManualClock
from tests.support.paths import DAY as RECORDING

A, B = BuildId("b1"), BuildId("b2")
widths = st.integers(1, 250)


@st.composite
def rows(draw: st.DrawFn) -> list[Span]:
    """One slot's spans, one after the other; the last may go on."""
    at = 0.0
    spans: list[Span] = []
    for _ in range(draw(st.integers(0, 30))):
        at += draw(st.sampled_from([0.0, 0.0, 0.3, 5.0]))
        until = at + draw(st.floats(0.01, 20))
        kind = draw(st.sampled_from([*Phase]))
        build = draw(st.sampled_from([A, B]))
        spans.append(Span(build=build, kind=kind, since=at, until=until, slot=1))
        at = until
    goes_on = draw(st.booleans())
    if spans and goes_on:
        spans[-1].until = None
    return spans


# Arithmetic


@given(st.floats(0, 1e5), widths)
def test_the_whole_run_has_room_and_its_end_is_shown(now: float, cells: int) -> None:
    part = Viewport().part(now, cells)
    assert part.since == 0 or part.step == 3600
    assert part.until >= now - 1e-6


@given(st.floats(1, 1e4), widths, st.lists(st.sampled_from("+-<>"), max_size=20))
def test_keys_never_leave_the_run(now: float, cells: int, keys: list[str]) -> None:
    window = Viewport()
    for key in keys:
        if key in "+-":
            window = window.zoom(1 if key == "+" else -1, now, cells)
        else:
            window = window.pan(0.25 if key == ">" else -0.25, now, cells)
        part = window.part(now, cells)
        assert part.first >= 0
        assert part.since <= now
        assert not window.follows or part.until >= now - 1e-6


def test_a_window_follows_until_it_is_moved_back_and_again_at_the_end() -> None:
    window = Viewport().zoom(1, 100.0, 50)
    assert window.follows
    assert window.part(100.0, 50) == TimeRange(50, 1.0, 50)
    assert window.part(130.0, 50).until == 130.0
    back = window.pan(-0.5, 100.0, 50)
    assert not back.follows
    assert back.part(130.0, 50) == back.part(100.0, 50) == TimeRange(25, 1.0, 50)
    assert back.pan(0.5, 100.0, 50).follows
    assert back.zoom(-1, 100.0, 50).whole


@given(st.floats(0, 1e5), widths, st.integers(0, 6))
def test_labels_of_the_axis_have_room_and_tell_the_time(
    now: float, cells: int, zoom: int
) -> None:  # fmt: skip
    window = Viewport()
    for _ in range(zoom):
        window = window.zoom(1, now, cells)
    labels = ticks(window.part(now, cells))
    for (cell, label), (following, _) in pairwise(labels):
        assert cell + len(label) < following
    assert len({label for _, label in labels}) == len(labels)


@given(rows(), widths, st.sampled_from([0.01, 0.5, 5.0, 60.0]), st.integers(0, 90), st.booleans())
def test_rows_are_as_wide_as_the_time_they_show(
    spans: list[Span], cells: int, step: float, first: int, ascii_only: bool
) -> None:
    now = max([span.end(0) for span in spans], default=0.0)
    shown = bars(spans, TimeRange(first, step, cells), now)
    assert len(shown) == cells
    for pieces in (
        build_pieces(shown, ascii_only=ascii_only),
        slot_pieces(shown, lambda build: f"名-{build}", ascii_only=ascii_only),
    ):
        assert sum(cell_len(piece.text) for piece in pieces) == cells
    if ascii_only:
        assert "".join(piece.text for piece in build_pieces(shown, ascii_only=True)).isascii()


@given(rows(), st.integers(4, 80), st.sampled_from([0.5, 5.0]))
def test_a_cell_shows_the_kind_with_the_largest_part(
    spans: list[Span], cells: int, step: float
) -> None:
    part, now = TimeRange(0, step, cells), max([s.end(0) for s in spans], default=0.0)
    for cell, shown in enumerate(bars(spans, part, now)):
        begin = part.cell_start(cell)
        shares = [min(s.end(now), begin + step) - max(s.since, begin) for s in spans]
        most = max(shares, default=0.0)
        if shown is None:
            assert most <= 1e-9
        else:
            assert shares[spans.index(shown)] == pytest.approx(most)


def test_more_spans_than_can_be_weighed_still_fill_their_cells() -> None:
    spans = [
        Span(build=A, kind=Phase.BUILD, since=n / 100, until=(n + 1) / 100, slot=1)
        for n in range(100_000)
    ]
    shown = bars(spans, TimeRange(0, 10.0, 120), 1000.0)
    assert [span is not None for span in shown] == [True] * 100 + [False] * 20


def test_every_kind_is_distinct_without_colour() -> None:
    waits: list[SpanKind] = [*WaitFor]
    for ascii_only in (False, True):
        glyphs = [GLYPHS[kind][1 + ascii_only] for kind in waits]
        assert len(set(glyphs)) == len(waits)
        phases = {GLYPHS[kind][1 + ascii_only] for kind in (Phase.BUILD, Phase.ENVIRONMENT)}
        assert len(phases | {GLYPHS[Phase.GET_REQUIRES][1 + ascii_only]}) == 3
    assert all(glyph.isascii() for _, _, glyph in GLYPHS.values())
    assert set(GLYPHS) >= {*Phase, *WaitFor}


@pytest.mark.parametrize("by_build", [False, True])
@given(width=st.integers(0, 200))
def test_the_legend_has_room(by_build: bool, width: int) -> None:
    pieces = legend(width, by_build=by_build, ascii_only=True)
    assert sum(len(piece.text) for piece in pieces) <= width


# The screen


def run(journal: Path | None = None) -> FakeSource:
    """One built in slot 1, one that waits for a lock; another one that builds."""
    source = FakeSource(journal)
    limits = {LimitName.BUILDS: 2, LimitName.MEMORY: 1 << 30}
    source.emit(
        events.RunStarted(limits=limits, targets=2, out_dir="o", logs="l"),
        *[events.BuildQueued(build=b, name=f"name-{b}", target=b, log=f"{b}.log") for b in (A, B)],
        events.BuildStarted(build=A, slot=1),
        events.BuildPhase(build=A, phase=Phase.BUILD),
        events.BuildWaiting(build=B, for_=WaitFor.LOCK, on="./tree"),
    )
    machine = events.MachineMemory(total=1 << 33, available=1 << 32)
    tree = events.BuildSample(build=A, processes=(), rss=1 << 29, peak=1 << 29)
    source.emit(events.Sample(builds=(tree,), machine=machine), t=20.0)
    source.emit(events.LimitChanged(limit=LimitName.BUILDS, old=2, new=3, why="user"), t=30.0)
    source.emit(events.BuildOutput(build=A, lines=1, bytes=1, last="x"), t=40.0)
    return source


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        await pilot.pause(0.02)
    raise AssertionError("it did not come about")


def text(app: WheelpoolApp) -> str:
    """Return what the screen shows."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


@pytest.mark.parametrize("size", [(20, 5), (80, 24), (200, 60)])
@pytest.mark.parametrize("plain_text", [False, True])
async def test_slots_and_builds_at_every_size(size: tuple[int, int], plain_text: bool) -> None:
    app = WheelpoolApp(run(), clock=ManualClock(), ascii_only=plain_text)
    async with app.run_test(size=size) as pilot:
        await pilot.press("t")
        await until(pilot, lambda: "Timeline" in text(app))
        if size[0] < 80:
            return
        bar = "####" if plain_text else "████"
        await until(pilot, lambda: "name-b1" in text(app) and bar in text(app))
        assert all(word in text(app) for word in ("slot 1", "512 MiB", "mem 1.0 GiB", "1/3"))
        await pilot.press("b")
        await until(pilot, lambda: "LLLL" in text(app) and "name-b2" in text(app))
        await pilot.press("j")
        await until(pilot, lambda: "wait for a lock from 0:00 for 40.0 s: ./tree" in text(app))
        if plain_text:
            assert text(app).isascii()


@pytest.mark.parametrize("key", ["escape", "t", "q"])
async def test_three_keys_go_back(key: str) -> None:
    app = WheelpoolApp(run(), clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, TimelineScreen))
        await pilot.press(key)
        await until(pilot, lambda: not isinstance(app.screen, TimelineScreen))
        assert app.is_running


async def test_it_goes_on_while_the_run_does_and_follows_the_end() -> None:
    source, clock = run(), ManualClock()
    app = WheelpoolApp(source, clock=clock)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t", "plus", "plus")
        await until(pilot, lambda: "following" in text(app))
        assert "0:27 to 0:40 of 0:40" in text(app)
        source.emit(events.BuildFinished(build=A, outcome=Outcome.BUILT), t=60.0)
        source.emit(events.BuildStarted(build=B, slot=2), t=60.0)
        await until(pilot, lambda: "0:47 to 1:00 of 1:00" in text(app) and "slot 2" in text(app))
        await pilot.press("h")
        await until(pilot, lambda: "0:43 to 0:56 of 1:00" in text(app))
        clock.seconds += 30
        await until(pilot, lambda: "0:43 to 0:56 of 1:30" in text(app))
        assert "following" not in text(app)
        await pilot.press("f")
        await until(pilot, lambda: "of 1:30, following" in text(app))
        await pilot.press("0")
        await until(pilot, lambda: "whole run" in text(app))


async def test_enter_opens_the_selected_build_and_comes_back(tmp_path: Path) -> None:
    app = WheelpoolApp(run(tmp_path / "run.jsonl"), clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        await until(pilot, lambda: "slot 1" in text(app))
        await pilot.press("b", "j", "enter")
        await until(pilot, lambda: isinstance(app.screen, BuildScreen))
        assert "name-b2" in text(app)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, TimelineScreen))


async def test_a_replay_is_walked_through() -> None:
    clock = ManualClock()
    source = ReplaySource(RECORDING, clock)
    app = WheelpoolApp(source, clock=clock)
    async with app.run_test(size=(120, 36)) as pilot:
        source.seek(60.0)
        await pilot.press("t")
        await until(pilot, lambda: "pyyaml" in text(app) and "✗" in text(app))
        chart = app.screen.query_one(TimelineChart)
        await pilot.press("j")
        await until(pilot, lambda: "pyyaml 6.0.3   build from 0:49 for 10.1 s" in text(app))
        await pilot.press("N", "N")
        await until(pilot, lambda: "growing-thing 0.7   built" in text(app))
        picked = chart.build
        await pilot.press("b")
        assert chart.build == picked
        await pilot.press("b")
        assert chart.build == picked
        await pilot.press("comma")
        await until(pilot, lambda: source.position == 55.0)
        await until(pilot, lambda: " 0:55" in text(app))
        await pilot.press("space")
        assert not source.playing


async def test_the_selected_build_is_in_sight_after_a_turn() -> None:
    clock = ManualClock()
    source = ReplaySource(RECORDING, clock)
    source.seek(source.length)
    app = WheelpoolApp(source, clock=clock)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        await until(pilot, lambda: "kiwisolver" in text(app))
        await pilot.press("b")
        # The last one of slot 1 that is as long as a cell; it was announced last, too.
        await until(pilot, lambda: "▸✓ tight-thi" in text(app))
        await pilot.press("g")
        await until(pilot, lambda: "▸↻ old-thing" in text(app))


async def test_a_click_on_a_bar_selects_its_build() -> None:
    clock = ManualClock()
    source = ReplaySource(RECORDING, clock)
    source.seek(source.length)
    app = WheelpoolApp(source, clock=clock)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("t")
        await until(pilot, lambda: "kiwisolver" in text(app))
        await pilot.click(TimelineChart, offset=(14 + 12, 0))
        chart = app.screen.query_one(TimelineChart)
        builds = app.model.state.builds
        await until(pilot, lambda: bool(chart.build and builds[chart.build].name == "kiwisolver"))
