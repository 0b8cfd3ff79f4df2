"""Two runs side by side on the screen, at every size; their builds open as anywhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.binding import Binding
from textual.pilot import Pilot

from app.runs.compare import Threshold
from app.tui.screens.build import BuildScreen
from app.tui.screens.compare import DiffApp, DiffScreen
from app.tui.screens.help import sections_of_diff
from app.tui.screens.log import LogScreen
from app.tui.table.compare_columns import cells, select_pairs, titles
from tests.support.paths import RECORDINGS

DAY, INSTALL = RECORDINGS / "day.jsonl", RECORDINGS / "install.jsonl"


def screens(*, ascii_only: bool = False) -> DiffApp:
    return DiffApp(INSTALL, DAY, Threshold(), ascii_only=ascii_only)


async def until(pilot: Pilot[None], condition: Callable[[], bool]) -> None:
    for _ in range(100):
        if condition():
            return
        await pilot.pause(0.05)
    raise AssertionError(text(pilot.app))


def text(app: object) -> str:
    assert isinstance(app, DiffApp)
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    assert len(lines) == height
    shown = [strip.text for strip in lines]
    assert all(len(line) <= width for line in shown)
    return "\n".join(shown)


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 36), (200, 60)])
async def test_the_worst_is_on_top_at_every_size(size: tuple[int, int]) -> None:
    app = screens()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "old-thing" in text(app))
        lines = text(app).splitlines()
        first = next(line for line in lines if "old-thing" in line)
        assert "✗" in first
        assert "failed" in first
        assert ("failed 2.8 s" in first) == (size[0] > 40)
        assert "20261121-114311" in lines[0]
        assert "20261121-114015" in lines[1]


async def test_builds_of_both_runs_open() -> None:
    app = screens()
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("slash", *"markupsafe", "enter")
        await until(pilot, lambda: "old-thing" not in text(app))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, BuildScreen))
        await until(pilot, lambda: "markupsafe 3.0.3" in text(app))
        await pilot.press("q", "a")
        await until(pilot, lambda: "markupsafe 3.0.4" in text(app))
        await pilot.press("q", "l")
        await until(pilot, lambda: isinstance(app.screen, LogScreen))
        await until(pilot, lambda: "markupsafe 3.0.3" in text(app))
        await pilot.press("q", "escape")
        await until(pilot, lambda: "old-thing" in text(app))


async def test_help_lists_every_key_and_ctrl_c_leaves_from_every_screen() -> None:
    told = {name for section in sections_of_diff() for line in section.lines for name in line[2]}
    bound = {binding.id for owner in (DiffApp, DiffScreen) for binding in bindings(owner)}
    assert bound <= told
    app = screens()
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: "Two runs compared" in text(app))
        await pilot.press("escape", "enter")
        await until(pilot, lambda: isinstance(app.screen, BuildScreen))
        await pilot.press("ctrl+c")
        await pilot.pause()
    assert app.return_code == 0


def bindings(owner: type[DiffApp | DiffScreen]) -> list[Binding]:
    own = [binding for binding in owner.BINDINGS if isinstance(binding, Binding)]
    assert own
    return own


async def test_sorting_and_a_filter_that_finds_nothing() -> None:
    app = screens()
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: "longer ▾" in text(app))
        await pilot.press("S")
        await until(pilot, lambda: "longer ▴" in text(app))
        await pilot.press("slash", *"zzz", "enter", "enter", "l", "down")
        await until(pilot, lambda: "none of " in text(app))
        await pilot.press("q")
        await pilot.pause()
    assert app.return_code == 0


async def test_without_glyphs_all_of_it_is_ascii() -> None:
    app = screens(ascii_only=True)
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: "old-thing" in text(app))
        # The last column is the scrollbar's, the last lines are a rule and what is below it.
        rows = [line[:-1] for line in text(app).splitlines()[:-6]]
        assert any(line.startswith(" x old-thing") for line in rows)
        assert all(line.isascii() for line in rows), rows


def test_rows_are_sorted_and_searched() -> None:
    pairs = screens().comparison.pairs
    names = [pair.name for pair in select_pairs(pairs, "", "name", backwards=False)]
    assert names == sorted(names)
    longer = select_pairs(pairs, "", "time", backwards=False)
    assert longer[0].changes[0].kind != "faster"
    assert select_pairs(pairs, "", "time", backwards=True) == longer[::-1]
    larger = select_pairs(pairs, "", "memory", backwards=False)
    assert larger[0].name == "markupsafe"
    found = select_pairs(pairs, "FATAL ERROR", "difference", backwards=False)
    assert [pair.name for pair in found] == ["old-thing"]


@pytest.mark.parametrize("width", [30, 49, 50, 73, 74, 79, 105, 106, 149, 150, 200])
def test_rows_are_as_wide_as_the_screen(width: int) -> None:
    assert len(titles(width, "time", backwards=False, ascii_only=True)) == width
    for pair in screens().comparison.pairs:
        assert 3 + len("".join(cells(pair, width, ascii_only=True))) <= width + 1
