"""The screen on a run made by hand: what keys send, what is shown, at every size."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from textual import events
from textual.events import Key
from textual.widgets import Input

import pool
from app.source.replay import ReplaySource
from app.tui.app import WheelpoolApp
from app.tui.screens.dashboard import Dashboard
from app.tui.table.widget import BuildTable
from app.tui.widgets.gauges import Gauges
from app.tui.widgets.header import RunHeader
from app.tui.widgets.log_file import LogFile
from app.tui.widgets.log_view import LogView
from pool.common.model import BuildId, LimitName, Outcome, Phase, WaitFor
from pool.events import types as v
from pool.events.process_delta import ProcessDelta
from tests.support.fakes import FakeSource, ManualClock
from tests.support.paths import DAY as RECORDING
from tests.support.screens import screen_text, wait_until

A, B, C = (BuildId(f"b{n}") for n in (1, 2, 3))


def run(journal: Path | None = None) -> FakeSource:
    """One building, one queued, one failed."""
    source = FakeSource(journal)
    source.emit(
        v.RunStarted(limits={LimitName.BUILDS: 2}, targets=3, out_dir="o", logs="l"),
        *[v.BuildQueued(build=b, name=f"name-{b}", target=b, log=f"{b}.log") for b in (A, B, C)],
        v.BuildStarted(build=A, slot=1),
        v.BuildFinished(build=C, outcome=Outcome.FAILED, message="no compiler"),
    )
    return source


@pytest.mark.parametrize(
    ("key", "control"),
    [
        ("plus", pool.Resize(limit=LimitName.BUILDS, by=1)),
        ("minus", pool.Resize(limit=LimitName.BUILDS, by=-1)),
        ("p", pool.Pause()),
    ],
)
async def test_keys_send_commands(key: str, control: pool.Control) -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "name-b1" in screen_text(app))
        await pilot.press(key)
        await wait_until(pilot, lambda: source.sent == [control])


async def test_cancel_key_opens_a_question_and_only_yes_cancels() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: source.watched == [A])
        for key, sent in (("enter", []), ("y", [pool.Cancel(build=A)])):
            await pilot.press("x")
            await wait_until(pilot, lambda: "Cancel name-b1?" in screen_text(app))
            await pilot.press(key)
            await wait_until(pilot, lambda: "Cancel name-b1?" not in screen_text(app))
            assert source.sent == sent


async def test_cursor_moves_to_the_newest_failure_until_a_key_is_pressed() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: source.watched == [A])
        source.emit(v.BuildFinished(build=B, outcome=Outcome.FAILED, message="no space"), t=2.0)
        await wait_until(pilot, lambda: source.watched == [A, B])
        await wait_until(pilot, lambda: "no space" in screen_text(app)[-14 * 121 :])
        await pilot.press("k")
        table = app.screen.query_one(BuildTable)
        await wait_until(pilot, lambda: table.selected is not None and table.selected.id == A)
        source.emit(v.BuildFinished(build=A, outcome=Outcome.FAILED, message="late"), t=3.0)
        await pilot.press("k")
        await wait_until(pilot, lambda: "late" in screen_text(app))


async def test_low_screen_has_the_cause_and_the_fix_of_a_failure() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "name-b1" in screen_text(app))
        source.emit(
            v.BuildFinished(build=B, outcome=Outcome.FAILED, message="no space", hint="buy a disk"),
            t=2.0,
        )
        await wait_until(pilot, lambda: "Fix    buy a disk" in screen_text(app))
        assert "Cause  no space" in screen_text(app)


async def test_a_run_receives_once_which_build_is_viewed() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: source.watched == [A])
        await pilot.press("j")
        await wait_until(pilot, lambda: source.watched == [A, C])
        await pilot.press("p")
        await wait_until(pilot, lambda: source.sent == [pool.Pause()])
        assert source.watched == [A, C]


async def test_dim_key_gives_its_reason() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: source.watched == [A])
        await pilot.press("r")
        await pilot.press("j", "x")
        reasons = ["nothing to retry: name-b1 is building", "nothing to cancel: name-b3 is failed"]
        await wait_until(pilot, lambda: [one.message for one in app._notifications] == reasons)
        assert source.sent == []


async def test_tabs_of_the_panel_show_details() -> None:
    app = WheelpoolApp(run(), clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "[log]" in screen_text(app))
        await pilot.press("j", "tab")
        await wait_until(pilot, lambda: "[why]" in screen_text(app))
        await wait_until(pilot, lambda: "cause        no compiler" in screen_text(app))
        await pilot.press("tab", "tab")
        await wait_until(pilot, lambda: "[needs]" in screen_text(app))
        await wait_until(pilot, lambda: "requested as" in screen_text(app))
        await pilot.press("tab", "shift+tab", "shift+tab")
        await wait_until(pilot, lambda: "[phases]" in screen_text(app))


async def test_click_on_a_frame_selects_its_limit() -> None:
    source = run()
    source.emit(v.LimitChanged(limit=LimitName.JOBS, old=0, new=4, why="user"))
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "JOBS" in screen_text(app))
        await pilot.click(Gauges, offset=(118, 1))  # the last frame
        header = app.screen.query_one(RunHeader)
        await wait_until(pilot, lambda: header.marked is LimitName.JOBS)
        await pilot.press("plus")
        await wait_until(pilot, lambda: source.sent == [pool.Resize(limit=LimitName.JOBS, by=1)])


async def test_a_paused_run_is_resumed_and_a_failed_build_retried() -> None:
    source = run()
    source.emit(v.LimitChanged(limit=LimitName.BUILDS, old=2, new=0, why="pause"))
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "paused" in screen_text(app))
        await pilot.press("p", "j", "r")
        await wait_until(pilot, lambda: source.sent == [pool.Resume(), pool.Retry(build=C)])


@pytest.mark.parametrize("size", [(20, 5), (40, 10), (80, 24), (120, 36), (200, 60)])
@pytest.mark.parametrize("plain", [False, True])
async def test_every_size_shows_name_and_state(size: tuple[int, int], plain: bool) -> None:
    app = WheelpoolApp(run(), clock=ManualClock(), ascii_only=plain)
    async with app.run_test(size=size) as pilot:
        words = ["name"]
        if size[0] >= 80:
            words += ["name-b1", "queued", "failed", "no compiler"]
            small = ["1 building", "builds 1/2"]
            words += small if size[0] < 100 else ["BUILDS", " 1/2 ", "1 run · 1 wait"]
        if plain:
            words = [word.replace("·", ",") for word in words]
        await wait_until(pilot, lambda: all(word in screen_text(app) for word in words))
        assert plain is False or "●" not in screen_text(app)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
@pytest.mark.parametrize("key", ["", "question_mark", "enter", "t", "T"])
async def test_screens_in_ascii_have_no_other_characters(size: tuple[int, int], key: str) -> None:
    source = run()
    processes = tuple(
        ProcessDelta(pid=pid, ppid=pid - 1, name="cc", command="cc -c", rss=1, cpu=1.0)
        for pid in (7, 8, 9)
    )
    machine = v.MachineMemory(total=16 << 30, available=9 << 30)
    sample = v.BuildSample(build=A, processes=processes, rss=3, peak=3)
    source.emit(v.BuildPhase(build=A, phase=Phase.ENVIRONMENT), t=1.0)
    source.emit(v.BuildPhase(build=A, phase=Phase.BUILD), t=2.0)
    source.emit(v.Sample(builds=(sample,), machine=machine), t=3.0)
    app = WheelpoolApp(source, clock=ManualClock(), ascii_only=True)
    async with app.run_test(size=size) as pilot:
        await wait_until(pilot, lambda: "environment 0:01" in screen_text(app))
        dashboard = app.screen
        await pilot.press(*filter(None, [key]))
        await wait_until(pilot, lambda: (app.screen is not dashboard) == bool(key))
        await pilot.pause(0.3)
        assert {sign for sign in screen_text(app) if not sign.isascii()} == set()


async def test_the_selected_build_stays_selected_when_it_moves() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        table = app.screen.query_one(BuildTable)
        await wait_until(pilot, lambda: table.selected is not None)
        assert table.selected
        assert table.selected.id == A
        source.emit(v.BuildFinished(build=A, outcome=Outcome.BUILT), t=5.0)
        source.emit(v.BuildStarted(build=B, slot=1), t=6.0)
        await wait_until(pilot, lambda: "2/3 · 1 failed" in screen_text(app))
        await wait_until(pilot, lambda: bool(table.selected and table._cursor == 5))
        assert table.selected
        assert table.selected.id == A


async def test_text_pasted_with_the_slash_is_no_command() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "name-b1" in screen_text(app))
        for key, character in (("slash", "/"), ("x", "x"), ("slash", "/"), ("p", "p")):
            app.post_message(Key(key, character))
        await wait_until(pilot, lambda: app.screen.query_one("#filter", Input).value == "x/p")
        assert source.sent == []


async def test_the_filter_shows_matching_rows_and_escape_shows_all() -> None:
    app = WheelpoolApp(run(), clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "name-b3" in screen_text(app))
        await pilot.press("slash", *"compiler")
        await wait_until(pilot, lambda: "name-b2" not in screen_text(app))
        assert app.screen.query_one("#filter", Input).value == "compiler"
        await pilot.press("escape")
        await wait_until(pilot, lambda: "name-b2" in screen_text(app))


async def test_a_click_selects_and_two_open_the_log(tmp_path: Path) -> None:
    app = WheelpoolApp(run(tmp_path / "run.jsonl"), clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        table = app.screen.query_one(BuildTable)
        await wait_until(pilot, lambda: "name-b3" in screen_text(app))
        await pilot.click(BuildTable, offset=(5, 2))  # the head of the failed ones
        assert table.selected
        assert table.selected.id == A
        await pilot.click(BuildTable, offset=(5, 3))
        await wait_until(pilot, lambda: bool(table.selected and table.selected.id == C))
        await pilot.click(BuildTable, offset=(5, 3), times=2)
        await wait_until(pilot, lambda: bool(app.screen.query(LogView)))


@pytest.mark.parametrize(
    ("code", "stay", "keys", "stays"),
    [
        (0, False, (), False),
        (0, True, (), True),
        (0, False, ("down",), True),
        (0, False, ("t",), True),
        (1, False, (), True),
    ],
    ids=["success", "--stay", "key pressed", "other screen", "failure"],
)
async def test_screen_without_a_viewer_leaves_at_the_end_of_a_success(
    code: int, stay: bool, keys: tuple[str, ...], stays: bool
) -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock(), stay=stay)
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "name-b1" in screen_text(app))
        await pilot.press(*keys)
        for build in (A, B):
            source.emit(v.BuildFinished(build=build, outcome=Outcome.BUILT))
        source.end(code)
        await wait_until(pilot, lambda: app.model.ended)
        await pilot.pause(0.3)
        assert app.is_running == stays
        if code:
            assert "r retry failed · l log · q quit" in screen_text(app)
            await pilot.press("r")
            await wait_until(pilot, lambda: not app.is_running)
            assert app.restart_requested


@pytest.mark.parametrize("wanted", [True, False])
async def test_bell_rings_at_the_end_of_a_successful_run(
    wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[WheelpoolApp] = []

    def ring(app: WheelpoolApp) -> None:
        rung.append(app)

    monkeypatch.setattr(WheelpoolApp, "bell", ring)
    source = run()
    app = WheelpoolApp(source, clock=ManualClock(), bell=wanted)
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "name-b1" in screen_text(app))
        source.end()
        await wait_until(pilot, lambda: not app.is_running)
    assert rung == [app] * wanted


async def test_leaving_needs_confirmation_only_while_builds_run() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "name-b1" in screen_text(app))
        await pilot.press("q")
        await wait_until(pilot, lambda: "2 builds are still running" in screen_text(app))
        await pilot.press("n")
        for build in (A, B):
            source.emit(v.BuildFinished(build=build, outcome=Outcome.BUILT))
        source.end()
        await wait_until(pilot, lambda: "· q quit" in screen_text(app))
        await pilot.press("q")
        await wait_until(pilot, lambda: not app.is_running)


async def test_a_log_is_followed_searched_and_cleaned(tmp_path: Path) -> None:
    logs = tmp_path / "run.logs"
    logs.mkdir()
    log = logs / "b1.log"
    log.write_bytes(
        b"".join(b"line %d\n" % n for n in range(100)) + b"\x1b[31mneedle\x1b[0m here\n"
    )
    app = WheelpoolApp(run(tmp_path / "run.jsonl"), clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "name-b1" in screen_text(app))
        await pilot.press("l")
        await wait_until(pilot, lambda: "needle here" in screen_text(app))
        with log.open("a") as file:
            file.write("the newest\n")
        await wait_until(pilot, lambda: "the newest" in screen_text(app))
        await pilot.press("g")
        await wait_until(pilot, lambda: "line 0" in screen_text(app))
        await pilot.press("slash", *"NEEDLE", "enter")
        await wait_until(pilot, lambda: "needle here" in screen_text(app))
        await pilot.press("q")
        await wait_until(pilot, lambda: "name-b2" in screen_text(app))


def test_a_log_of_a_replay_ends_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("one\ntwo\nthree\n")
    log = LogFile(path)
    assert log.poll(until=6)
    assert [log.line(n) for n in range(len(log))] == ["one", "tw"]
    assert log.poll()
    assert [log.line(n) for n in range(len(log))] == ["one", "two", "three"]
    log.close()


async def test_a_replay_without_its_logs_shows_a_note(tmp_path: Path) -> None:
    (tmp_path / "day.jsonl").write_bytes(RECORDING.read_bytes())
    for source, told in ((tmp_path / "day.jsonl", True), (RECORDING, False)):
        app = WheelpoolApp(ReplaySource(source, ManualClock()), clock=ManualClock())
        async with app.run_test():
            assert any("not there: " in one.message for one in app._notifications) == told


async def test_a_replay_goes_back_and_forth() -> None:
    clock = ManualClock()
    source = ReplaySource(RECORDING, clock)
    app = WheelpoolApp(source, clock=clock)
    async with app.run_test(size=(120, 36)) as pilot:
        # The first one was tried again, so it counts no more.
        await pilot.press("f", "f")
        await wait_until(pilot, lambda: "1 failed" in screen_text(app))
        await pilot.press("0")
        await wait_until(pilot, lambda: "1 failed" not in screen_text(app))
        source.seek(source.length)
        await wait_until(pilot, lambda: app.model.state.finished)
        await pilot.press("plus")
        assert "replay" in screen_text(app)


async def test_the_palette_sets_a_cap() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "name-b1" in screen_text(app))
        await pilot.press("ctrl+p", *"downloads 3")
        await wait_until(pilot, lambda: "downloads: set the limit to 3" in screen_text(app))
        await pilot.press("enter")
        await pilot.pause(0.1)
        if not source.sent:
            await pilot.press("enter")
        await wait_until(
            pilot, lambda: source.sent == [pool.Resize(limit=LimitName.DOWNLOADS, value=3)]
        )


async def test_a_lock_is_shown_with_its_holder() -> None:
    source = run()
    holder = pool.Holder(pid=4121, command="uv build")
    source.emit(v.BuildWaiting(build=B, for_=WaitFor.LOCK, on="/tree", holder=holder))
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(160, 36)) as pilot:
        await wait_until(pilot, lambda: "held by uv build (pid 4121)" in screen_text(app))


CAPS = {LimitName.BUILDS: 4, LimitName.DOWNLOADS: 8, LimitName.INSTALLS: 2}
ENV = "/home/u/.venv"


def install() -> FakeSource:
    """A run that is to change an environment, and has just begun to resolve."""
    source = FakeSource()
    source.emit(
        v.RunStarted(limits=CAPS, targets=1, out_dir="o", logs="l", environment=ENV),
        v.ResolveStarted(requirements=("rich", "core")),
    )
    return source


def queued(build: BuildId, purpose: Literal["wheel", "editable", "metadata"]) -> v.BuildQueued:
    return v.BuildQueued(
        build=build, name="core", target="x", log="x", purpose=purpose, origin="reqs.txt:3"
    )


async def test_keys_go_to_the_next_cap_and_change_that_one() -> None:
    source = install()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "[builds 0/4] downloads 0/8" in screen_text(app))
        await pilot.press("c")
        await wait_until(
            pilot, lambda: " builds 0/4 [downloads 0/8] installs 0/2" in screen_text(app)
        )
        await pilot.press("plus", "c", "minus", "c", "c")
        await wait_until(pilot, lambda: "[builds 0/4]" in screen_text(app))
    assert source.sent == [
        pool.Resize(limit=LimitName.DOWNLOADS, by=1),
        pool.Resize(limit=LimitName.INSTALLS, by=-1),
    ]


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (120, ("builds 0/4", "downloads 8 -> 3", "installs 0/2", "memory 4.0 of 8.0 GiB")),
        (80, ("builds 0/4", "downloads 8 -> 3", "installs 0/2", "memory 4.0 of 8.0 GiB")),
        (44, ("bld 0/4", "dl 8 -> 3", "inst 0/2")),
    ],
)
async def test_all_caps_and_the_traffic_are_in_the_header(
    width: int, words: tuple[str, ...]
) -> None:
    source = install()
    source.emit(*[v.DownloadStarted(file=f"f{n}", total=5 << 20) for n in range(8)])
    source.emit(v.DownloadProgress(file="f1", bytes=4 << 20, total=5 << 20), t=2.0)
    source.emit(v.LimitChanged(limit=LimitName.DOWNLOADS, old=8, new=3, why="user"), t=2.0)
    machine = v.MachineMemory(total=8 << 30, available=4 << 30)
    source.emit(v.Sample(builds=(), machine=machine), t=2.0)
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(width, 24)) as pilot:
        await wait_until(pilot, lambda: all(word in screen_text(app) for word in words))
        assert "4 of 40 MiB  2.7 MiB/s" in screen_text(app)


async def test_the_palette_prompts_for_a_number() -> None:
    source = install()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "installs 0/2" in screen_text(app))
        dashboard = app.screen
        assert isinstance(dashboard, Dashboard)
        dashboard.ask_limit(LimitName.INSTALLS)
        await wait_until(pilot, lambda: "installs: set the limit to" in screen_text(app))
        await pilot.press("backspace", "0", "enter")
        await pilot.press("backspace", "5", "enter")
        await wait_until(
            pilot, lambda: source.sent == [pool.Resize(limit=LimitName.INSTALLS, value=5)]
        )
        dashboard.ask_limit(LimitName.INSTALLS)
        await wait_until(pilot, lambda: "installs: set the limit to" in screen_text(app))
        await pilot.press("escape")
        await wait_until(pilot, lambda: "installs: set the limit to" not in screen_text(app))
        assert len(source.sent) == 1


async def test_the_palette_sets_the_memory_budget_to_the_typed_number() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "name-b1" in screen_text(app))
        await pilot.press("ctrl+p", *"memory 6G")
        await wait_until(pilot, lambda: "memory: set the budget to 6G" in screen_text(app))
        await pilot.press("enter")
        await pilot.pause(0.1)
        if not source.sent:
            await pilot.press("enter")
        budget = pool.Resize(limit=LimitName.MEMORY, value=6 << 30)
        await wait_until(pilot, lambda: source.sent == [budget])


async def test_the_budget_is_prompted_for_and_shown_with_used_and_reserved_bytes() -> None:
    source = run()
    given = v.LimitChanged(limit=LimitName.MEMORY, old=0, new=8 << 30, why="user")
    tree = v.BuildSample(build=A, processes=(), rss=3 << 29, peak=3 << 29)
    machine = v.MachineMemory(total=16 << 30, available=9 << 30)
    source.emit(given, v.BuildStarted(build=B, slot=2, reserved=1 << 30))
    source.emit(v.Sample(builds=(tree,), machine=machine))
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(140, 36)) as pilot:
        await wait_until(pilot, lambda: "1.5 of 8.0 GiB · 2.5 reserved" in screen_text(app))
        dashboard = app.screen
        assert isinstance(dashboard, Dashboard)
        dashboard.ask_budget()
        await wait_until(pilot, lambda: "memory: set the budget to" in screen_text(app))
        await pilot.press("x", "enter")
        assert not source.sent, "that is no amount of memory"
        await pilot.press(*["backspace"] * 6, *"off", "enter")
        await wait_until(
            pilot, lambda: source.sent == [pool.Resize(limit=LimitName.MEMORY, value=0)]
        )


async def test_the_strip_shows_activity_around_builds() -> None:
    source = install()
    clock = ManualClock()
    app = WheelpoolApp(source, clock=clock)
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "> resolving 2 requirements" in screen_text(app))
        picked = (v.SelectedVersion(name="rich", version="1", kind="wheel"),)
        source.emit(v.ResolveFinished(picked=picked), t=2.0)
        await wait_until(pilot, lambda: "= resolved 1 distribution: 1 wheel" in screen_text(app))
        source.emit(queued(A, "wheel"), v.BuildFinished(build=A, outcome=Outcome.FETCHED), t=3.0)
        await wait_until(pilot, lambda: "1 fetched" in screen_text(app))
        holder = pool.Holder(pid=4711, command="uv pip install " + "x" * 200)
        source.emit(v.LockWaiting(lock=ENV, holder=holder), t=4.0)
        await wait_until(pilot, lambda: "~ waiting 0:00 for .venv: held by" in screen_text(app))
        clock.seconds += 12.0
        await wait_until(pilot, lambda: "~ waiting 0:12 for .venv" in screen_text(app))
        assert "…\n" in screen_text(app)
        change = v.EnvironmentChange(name="rich", new="1")
        source.emit(
            v.LockAcquired(lock=ENV),
            v.EnvironmentChanged(environment=ENV, changes=(change,)),
            v.LockReleased(lock=ENV),
            t=16.0,
        )
        await wait_until(pilot, lambda: "= installed 1 into .venv" in screen_text(app))


async def test_a_conflict_is_shown_whole_and_nothing_is_waited_for() -> None:
    source = install()
    source.emit(
        v.ResolveFailed(
            reference="x", message="no set fits; you ask for a<2; b 1 needs a>=2", hint="drop b"
        )
    )
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        source.end(1)
        await wait_until(pilot, lambda: "nothing built in" in screen_text(app))
        for words in ("x not resolved: no set fits", "you ask for a<2", "b 1 needs a>=2", "drop b"):
            assert words in screen_text(app)
        await pilot.press("q")
        await wait_until(pilot, lambda: not app.is_running)


async def test_a_strip_takes_no_line_while_there_is_nothing_to_say() -> None:
    app = WheelpoolApp(run(), clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "name-b1" in screen_text(app))
        assert screen_text(app).splitlines()[3].split()[:2] == ["build", "done"]


async def test_leaving_needs_confirmation_while_an_environment_is_changed() -> None:
    source = install()
    source.emit(v.ResolveFinished(picked=()), v.LockAcquired(lock=ENV))
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "writing into .venv" in screen_text(app))
        await pilot.press("q")
        await wait_until(pilot, lambda: "The run is still running" in screen_text(app))


async def test_rows_and_the_panel_show_the_expected_output_and_downloads() -> None:
    source = install()
    source.emit(
        queued(A, "metadata"),
        v.Note(build=A, text="it is dynamic"),
        v.BuildWaiting(build=A, for_=WaitFor.DOWNLOAD, on="core-1.tar.gz"),
        v.DownloadStarted(build=A, file="core-1.tar.gz", total=4 << 20),
        v.DownloadProgress(build=A, file="core-1.tar.gz", bytes=1 << 20, total=4 << 20),
    )
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "metadata · 25 % of 4 MiB  core-" in screen_text(app))
        shown = " ".join(screen_text(app).split())  # The panel wraps its lines.
        for words in ("metadata of core", "core-1.tar.gz", "by: reqs.txt:3", "it is dynamic"):
            assert words in shown


async def test_a_command_runs_once_however_often_enter_comes() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "name-b1" in screen_text(app))
        await pilot.press("ctrl+p", *"downloads 3")
        await wait_until(pilot, lambda: "downloads: set the limit to 3" in screen_text(app))
        for _ in range(6):
            app.post_message(events.Key("enter", "\r"))
        await wait_until(pilot, lambda: len(app.screen_stack) == 1)
        await wait_until(
            pilot, lambda: source.sent == [pool.Resize(limit=LimitName.DOWNLOADS, value=3)]
        )
        await pilot.pause(0.1)
        assert len(source.sent) == 1


def many(failed: int, finished: int) -> FakeSource:
    """One building, one queued, and many that have ended."""
    source = run()
    ends = [*[Outcome.FAILED] * failed, *[Outcome.BUILT] * finished]
    for number, outcome in enumerate(ends, 10):
        build = BuildId(f"b{number}")
        source.emit(
            v.BuildQueued(build=build, name=f"{outcome}-{number}", target="x", log="x"),
            v.BuildFinished(build=build, outcome=outcome, message="why"),
            t=float(number),
        )
    return source


async def test_ended_builds_are_grouped_and_opened_by_enter() -> None:
    app = WheelpoolApp(many(30, 30), clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "30 finished" in screen_text(app))
        lines = [line.split() for line in screen_text(app).splitlines()[4:]]
        assert [line[1] for line in lines[:4]] == ["name-b1", "failed-39", "failed-38", "failed-37"]
        assert " ".join(lines[4]) == "✗ 28 more failed Enter shows them"
        assert [lines[5][1], " ".join(lines[6][1:3])] == ["name-b2", "30 finished"]
        await pilot.press("G", "enter")
        await wait_until(pilot, lambda: "Enter hides them" in screen_text(app))
        assert "built-69" in screen_text(app)
        await pilot.press("enter")
        await wait_until(pilot, lambda: "built-69" not in screen_text(app))
        await pilot.press("slash", *"failed-12")
        await wait_until(pilot, lambda: "failed-12 " in screen_text(app))


async def test_rows_are_sorted_by_key_and_by_click_and_the_selection_stays() -> None:
    source = run()
    source.emit(
        v.BuildQueued(build=BuildId("b9"), name="aaa", target="x", log="x"),
        v.BuildStarted(build=BuildId("b9"), slot=2),
        t=3.0,
    )
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        table = app.screen.query_one(BuildTable)

        def first() -> str:
            return screen_text(app).splitlines()[4].split()[1]

        await wait_until(pilot, lambda: "waits ▾" in screen_text(app) and first() == "name-b1")
        await pilot.press("s", "s", "s")
        await wait_until(pilot, lambda: "build ▾" in screen_text(app) and first() == "aaa")
        assert table.selected
        assert table.selected.id == A
        await pilot.press("S")
        await wait_until(pilot, lambda: "build ▴" in screen_text(app) and first() == "name-b1")
        await pilot.click("ColumnHeader", offset=(60, 0))
        await wait_until(pilot, lambda: "waits ▾" in screen_text(app))
        await pilot.press("ctrl+p", *"sort by memory")
        await wait_until(
            pilot, lambda: len(app.screen_stack) > 1 and "again: reverse" in screen_text(app)
        )
        await pilot.press("enter")
        await pilot.pause(0.1)
        if len(app.screen_stack) > 1:
            await pilot.press("enter")
        await wait_until(pilot, lambda: "memory ▾" in screen_text(app))


async def test_the_memory_budget_is_changed_like_a_cap() -> None:
    source = run()
    machine = v.MachineMemory(total=16 << 30, available=9 << 30)
    source.emit(
        v.LimitChanged(limit=LimitName.MEMORY, old=0, new=8 << 30, why="user"),
        v.Sample(builds=(), machine=machine),
    )
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "memory 0 B of 8.0 GiB" in screen_text(app))
        await pilot.press("c")
        await wait_until(pilot, lambda: "[memory 0 B of 8.0 GiB" in screen_text(app))
        await pilot.press("plus", "minus", "6")
        await wait_until(pilot, lambda: "set the budget to" in screen_text(app))
        await pilot.press("enter")
        await wait_until(pilot, lambda: len(source.sent) == 3)
    values = [9 << 30, 7 << 30, 6 << 30]
    assert source.sent == [pool.Resize(limit=LimitName.MEMORY, value=one) for one in values]


async def test_a_number_that_is_typed_sets_the_cap() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "[builds 1/2]" in screen_text(app))
        await pilot.press("1")
        await wait_until(pilot, lambda: "builds: set the limit to" in screen_text(app))
        await pilot.press("2", "enter")
        await wait_until(
            pilot, lambda: source.sent == [pool.Resize(limit=LimitName.BUILDS, value=12)]
        )


async def test_a_drain_is_shown_until_it_is_over() -> None:
    source = run()
    source.emit(
        v.BuildStarted(build=B, slot=2),
        v.LimitChanged(limit=LimitName.BUILDS, old=2, new=1, why="user"),
    )
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(80, 24)) as pilot:
        await wait_until(pilot, lambda: "builds 2 -> 1" in screen_text(app))
        source.emit(v.BuildFinished(build=B, outcome=Outcome.BUILT))
        await wait_until(pilot, lambda: "builds 1/1" in screen_text(app))
        source.emit(v.LimitChanged(limit=LimitName.BUILDS, old=1, new=0, why="pause"))
        await wait_until(pilot, lambda: "builds paused (1 finishing)" in screen_text(app))


async def test_the_panel_shows_the_reason_of_a_wait_and_the_header_the_time_left() -> None:
    source = FakeSource()
    source.emit(
        v.RunStarted(limits={LimitName.BUILDS: 1}, targets=2, out_dir="o", logs="l"),
        *[
            v.BuildQueued(build=b, name=f"name-{b}", target="x", log="x", expected=120.0)
            for b in (A, B)
        ],
        v.BuildStarted(build=A, slot=1),
    )
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "about 4 min left" in screen_text(app))
        await pilot.press("j")
        await wait_until(pilot, lambda: "waiting for a slot, next in queue" in screen_text(app))


async def test_nothing_is_left_in_the_second_in_which_the_run_ends() -> None:
    source = FakeSource()
    queued = v.BuildQueued(build=A, name="a", target="x", log="x", expected=120.0)
    source.emit(
        v.RunStarted(limits={LimitName.BUILDS: 1}, targets=1, out_dir="o", logs="l"),
        queued,
        v.BuildStarted(build=A, slot=1),
    )
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test(size=(120, 36)) as pilot:
        await wait_until(pilot, lambda: "about 2 min left" in screen_text(app))
        source.emit(v.RunFinished(exit_code=1, totals={}))
        await wait_until(pilot, lambda: app.model.state.finished)
        await wait_until(pilot, lambda: " left" not in screen_text(app))


def burst(app: WheelpoolApp, *keys: str) -> None:
    """Type all at once, as a paste or fast hands on a slow machine do."""
    for key in keys:
        app.post_message(Key(key, key if len(key) == 1 else ":" if key == "colon" else None))


async def test_a_number_typed_in_one_go_is_the_number() -> None:
    source = run()
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test() as pilot:
        burst(app, "1", "2", "enter")
        await wait_until(
            pilot, lambda: source.sent == [pool.Resize(limit=LimitName.BUILDS, value=12)]
        )
        assert isinstance(app.screen, Dashboard)


async def test_a_time_typed_in_one_go_is_gone_to() -> None:
    source = ReplaySource(RECORDING, ManualClock())
    app = WheelpoolApp(source, clock=ManualClock())
    async with app.run_test() as pilot:
        source.toggle()
        burst(app, "colon", "1", "colon", "3", "0", "enter")
        await wait_until(pilot, lambda: source.position == 90.0)
        burst(app, "T", "colon", "2", "0", "enter")
        await wait_until(pilot, lambda: source.position == 20.0)
