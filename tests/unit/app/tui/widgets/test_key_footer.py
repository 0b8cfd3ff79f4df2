"""The line of keys: whole at every width, what is clicked is pressed, what is off is not."""

from __future__ import annotations

from typing import ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType

from app.tui.widgets.key_footer import KeyFooter

SPEED = Binding.Group("speed")


class Keys(App[None]):
    """Keys that are shown, hidden, off, and of a name that is not ASCII on the line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a,x", "note('first')", "first"),
        Binding("b", "note('hidden')", "hidden", show=False),
        Binding("c", "off", "off"),
        Binding("enter", "note('open')", "open"),
        Binding("ctrl+z", "note('last')", "last"),
        Binding("question_mark", "note('help')", "help", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []

    def compose(self) -> ComposeResult:
        yield KeyFooter()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action == "off" else True

    def action_note(self, what: str) -> None:
        self.noted.append(what)

    def action_off(self) -> None:
        self.noted.append("off")

    @property
    def line(self) -> str:
        return self.screen._compositor.render_strips()[-1].text


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (60, " a first  c off  Enter open  ^z last " + " " * 15 + " ? help "),
        (44, " a first  c off  Enter open  ^z last ? help "),
        (43, " a first  c off  Enter open " + " " * 7 + " ? help "),
        (20, " a first     ? help "),
        (8, " ? help "),
        (5, " ? he"),
    ],
)
async def test_only_whole_keys_are_shown_and_that_for_help_always(width: int, shown: str) -> None:
    app = Keys()
    async with app.run_test(size=(width, 5)) as pilot:
        await pilot.pause()
        assert app.line == shown


async def test_a_click_on_a_key_presses_it() -> None:
    app = Keys()
    async with app.run_test(size=(60, 5)) as pilot:
        await pilot.pause()
        for x in (app.line.index("first"), app.line.index("off"), app.line.index("? help"), 45):
            await pilot.click(offset=(x, 4))
        assert app.noted == ["first", "help"]


class Grouped(Keys):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left_square_bracket", "note('slow')", "slower", key_display="[", group=SPEED),
        Binding("right_square_bracket", "note('fast')", "faster", key_display="]", group=SPEED),
    ]


async def test_keys_of_a_group_share_their_words_and_are_clicked_one_by_one() -> None:
    app = Grouped()
    async with app.run_test(size=(60, 5)) as pilot:
        await pilot.pause()
        assert " [ ] speed " in app.line
        assert "slower" not in app.line
        for what in "[]":
            await pilot.click(offset=(app.line.index(what), 4))
        await pilot.click(offset=(app.line.index("speed"), 4))
        assert app.noted == ["slow", "fast", "fast"]


@pytest.mark.parametrize(("width", "end"), [(55, " [ ] speed ? help "), (54, " " * 9 + " ? help ")])
async def test_a_group_is_shown_as_a_whole_or_not_at_all(width: int, end: str) -> None:
    app = Grouped()
    async with app.run_test(size=(width, 5)) as pilot:
        await pilot.pause()
        assert app.line == " a first  c off  Enter open  ^z last " + end


async def test_a_changed_width_shows_others() -> None:
    app = Keys()
    async with app.run_test(size=(20, 5)) as pilot:
        await pilot.resize_terminal(60, 5)
        await pilot.pause()
        assert "last" in app.line
