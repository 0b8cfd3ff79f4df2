"""The log on the screen: followed, searched, folded, copied from, whatever is in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from app.tui.app import WheelpoolApp
from app.tui.widgets.log_file import LONGEST, LogFile, Search
from app.tui.widgets.log_view import LogView
from pool.common.model import BuildId, LimitName, Outcome
from pool.events import types as v
from tests.support.fakes import FakeSource, ManualClock
from tests.support.screens import screen_text, wait_until

A = BuildId("b1")


def filled(path: Path, data: bytes) -> LogFile:
    path.write_bytes(data)
    log = LogFile(path)
    log.poll()
    return log


def searched(log: LogFile, needle: str) -> Search:
    search = Search(log, needle)
    while not search.is_complete:
        search.advance()
    search.advance()
    return search


def app_on(tmp_path: Path, data: bytes, *, failed: bool = False) -> WheelpoolApp:
    """Return the screens of a run with one build that printed something."""
    (tmp_path / "run.logs").mkdir()
    (tmp_path / "run.logs" / "b1.log").write_bytes(data)
    source = FakeSource(tmp_path / "run.jsonl")
    source.emit(
        v.RunStarted(limits={LimitName.BUILDS: 2}, targets=1, out_dir="o", logs="l"),
        v.BuildQueued(build=A, name="name", target="name", log="b1.log"),
        v.BuildStarted(build=A, slot=1),
    )
    if failed:
        source.emit(v.BuildFinished(build=A, outcome=Outcome.FAILED, message="bad"))
    return WheelpoolApp(source, clock=ManualClock())


async def opened(pilot: Pilot[None], app: WheelpoolApp) -> LogView:
    await wait_until(pilot, lambda: "name" in screen_text(app))
    await pilot.press("l")
    await wait_until(pilot, lambda: bool(app.screen.query(LogView)))
    view = app.screen.query_one(LogView)
    await wait_until(pilot, lambda: view.lines > 0)
    return view


def test_lines_are_found_regardless_of_case_and_colours(tmp_path: Path) -> None:
    log = filled(tmp_path / "x", b"one\nTwo \x1b[31mre\x1b[0md\ntwo RED\nlast two red")
    search = searched(log, "two red")
    assert list(search.found) == [1, 2, 3]
    assert search.place(2) == "2 of 3"
    assert (search.after(0, 1), search.after(3, 1), search.after(1, -1)) == (1, 1, 3)
    log.close()


def test_a_search_without_a_match_shows_a_note(tmp_path: Path) -> None:
    log = filled(tmp_path / "x", b"one\n")
    assert searched(log, "two").place(None) == "not found"
    log.close()


def test_a_line_that_was_searched_before_its_end_is_found_once(tmp_path: Path) -> None:
    path = tmp_path / "x"
    log = filled(path, b"a\nneed")
    search = searched(log, "need")
    assert list(search.found) == [1]
    path.write_bytes(b"a\nneedle\nneed")
    log.poll()
    search.advance()
    assert list(search.found) == [1, 2]
    log.close()


def test_lines_read_many_at_once_are_those_read_one_by_one(tmp_path: Path) -> None:
    data = b"a\n\n\x1b[1mb\x1b[0m\t|\r\nlong" + b"x" * (3 * LONGEST) + b"\n\xc3\xa9\xff\nend"
    for text_of in (data, b"plain\n\nlines\n" * 3):
        log = filled(tmp_path / "x", text_of)
        assert log.lines(0) == [log.line(n) for n in range(len(log))]
        assert log.last(1 << 20) == (0, log.lines(0))
        log.close()


def test_the_end_of_a_log_begins_with_a_whole_line(tmp_path: Path) -> None:
    log = filled(tmp_path / "x", b"first line\nsecond\nthird\n")
    assert log.last(14) == (1, ["second", "third"])
    assert log.last(10) == (2, ["third"])
    log.close()


def test_a_replay_that_goes_back_takes_lines_away(tmp_path: Path) -> None:
    log = filled(tmp_path / "x", b"one\ntwo\nthree\n")
    assert log.poll(until=6)
    assert [log.line(n) for n in range(len(log))] == ["one", "tw"]
    log.close()


def test_a_huge_line_is_read_only_as_far_as_it_is_shown(tmp_path: Path) -> None:
    log = filled(tmp_path / "x", b"x" * 1_000_000 + b"\nnext\n")
    assert [len(line) for line in log.lines(0)] == [LONGEST]
    assert log.lines(1) == ["next"]
    log.close()


async def test_matches_are_counted_and_gone_to_in_a_circle(tmp_path: Path) -> None:
    lines = [f"line {n}" for n in range(300)]
    for at in (20, 120, 220):
        lines[at] += " Needle"
    app = app_on(tmp_path, "\n".join(lines).encode())
    async with app.run_test(size=(100, 24)) as pilot:
        view = await opened(pilot, app)
        await pilot.press("g", "slash", *"needle", "enter")
        await wait_until(
            pilot, lambda: "1 of 3" in screen_text(app) and "line 20 Needle" in screen_text(app)
        )
        await pilot.press("n")
        await wait_until(
            pilot, lambda: "2 of 3" in screen_text(app) and "line 120 Needle" in screen_text(app)
        )
        await pilot.press("n", "n")
        await wait_until(
            pilot, lambda: "1 of 3" in screen_text(app) and "line 20 Needle" in screen_text(app)
        )
        await pilot.press("N")
        await wait_until(
            pilot, lambda: "3 of 3" in screen_text(app) and "line 220 Needle" in screen_text(app)
        )
        assert not view.follow


async def test_follow_wrap_and_numbers_are_switched(tmp_path: Path) -> None:
    lines = [*(f"line {n}" for n in range(100)), "long " * 60 + "END"]
    app = app_on(tmp_path, "\n".join(lines).encode())
    async with app.run_test(size=(80, 24)) as pilot:
        view = await opened(pilot, app)
        await wait_until(
            pilot, lambda: "following" in screen_text(app) and "line 99" in screen_text(app)
        )
        assert "END" not in screen_text(app)
        await pilot.press("w")
        await wait_until(pilot, lambda: "END" in screen_text(app))
        await pilot.press("number_sign")
        await wait_until(pilot, lambda: "100 line 99" in screen_text(app))
        await pilot.press("f")
        await wait_until(pilot, lambda: "following" not in screen_text(app))
        await pilot.press("f", "w")
        await wait_until(
            pilot, lambda: "following" in screen_text(app) and "END" not in screen_text(app)
        )
        assert view.follow


async def test_the_first_error_is_gone_to_and_copied(tmp_path: Path) -> None:
    data = b"fine\n" * 200 + b"x.c:1:1: error: bad\n    1 | code\n" + b"noise\n" * 200
    app = app_on(tmp_path, data, failed=True)
    async with app.run_test(size=(100, 24)) as pilot:
        await opened(pilot, app)
        await pilot.press("e")
        await wait_until(pilot, lambda: "x.c:1:1: error: bad" in screen_text(app))
        await pilot.press("y")
        await wait_until(pilot, lambda: app.clipboard == "x.c:1:1: error: bad\n    1 | code")
        await pilot.press("Y")
        await wait_until(pilot, lambda: app.clipboard.startswith("fine\nfine"))


async def test_text_selected_with_the_mouse_is_copied(tmp_path: Path) -> None:
    app = app_on(tmp_path, b"alpha beta\ngamma delta\nlast\n")
    async with app.run_test(size=(100, 24)) as pilot:
        await opened(pilot, app)
        await wait_until(pilot, lambda: "gamma" in screen_text(app))
        await pilot.mouse_down(LogView, offset=(6, 0))
        await pilot.hover(LogView, offset=(5, 1))
        await pilot.mouse_up(LogView, offset=(5, 1))
        await pilot.press("y")
        await wait_until(pilot, lambda: app.clipboard.startswith("beta\ngamma"))


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (200, 60)])
async def test_no_escape_reaches_the_screen_at_any_size(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    data = b"\x1b[2J\x1b]0;title\x07plain\n" + b"\x1b[31mred\x1b[0m wide \xe6\xbc\xa2 " * 9000
    app = app_on(tmp_path, data)
    async with app.run_test(size=size) as pilot:
        await opened(pilot, app)
        await pilot.press("w", "g")
        await wait_until(pilot, lambda: "plain" in screen_text(app))
        assert "\x1b" not in screen_text(app)
        assert "title" not in screen_text(app)
