"""Themes: what is on the screen can be read in each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping

import pytest
from rich.color import ColorType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.pilot import Pilot
from textual.screen import ModalScreen

from app.config import themes as names
from app.config.display import derive_display_options
from app.config.sources import ConfigSources
from app.source.replay import ReplaySource
from app.tui.app import WheelpoolApp
from app.tui.table.widget import BuildTable
from app.tui.themes import THEMES
from pool import SettingsError
from tests.support.fakes import ManualClock
from tests.support.paths import DAY

WANTED = {"dark": 4.5, "light": 4.5, "contrast": 7.0}
"""WCAG 2.2: AA for text, AAA for the theme that is for it."""
SCREENS: Mapping[str, tuple[str, ...]] = {
    "dashboard": (),
    "selected group": ("G",),
    "build": ("enter",),
    "log": ("l",),
    "tree": ("T",),
    "timeline": ("t",),
    "help": ("question_mark",),
    "filter": ("slash", "p"),
}


def app_with(theme: str | None) -> tuple[WheelpoolApp, ReplaySource]:
    source = ReplaySource(DAY, ManualClock())
    return WheelpoolApp(source, clock=ManualClock(), theme=theme), source


async def show(pilot: Pilot[None], source: ReplaySource, *keys: str) -> None:
    source.toggle()
    source.seek(9.6)
    pilot.app.model.advance()  # type: ignore[attr-defined]
    await pilot.pause(0.2)
    await pilot.press(*keys)
    await pilot.pause(0.3)


def segments(app: WheelpoolApp) -> Iterator[Segment]:
    """Yield what is on the screen; of a dialog, what is in it: the rest is shaded on purpose."""
    modal = isinstance(app.screen, ModalScreen)
    region = app.screen.children[0].region if modal else app.screen.region
    for strip in app.screen._compositor.render_strips()[region.y : region.bottom]:
        inside = strip.crop(region.x, region.right)
        yield from (one for one in inside if one.text.strip() and one.style is not None)


def contrast(style: Style) -> float:
    """Return the ratio that WCAG defines for text on its background."""
    assert style.color is not None
    assert style.bgcolor is not None
    pair = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
    one, other = sorted(map(luminance, pair), reverse=True)
    return (one + 0.05) / (other + 0.05)


def luminance(color: Color) -> float:
    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    return sum(f * linear(c) for f, c in zip((0.2126, 0.7152, 0.0722), color.rgb, strict=True))


def is_text(segment: Segment) -> bool:
    return any(character.isalnum() for character in segment.text)


def test_contrast_is_computed_as_wcag_does() -> None:
    def of(text: str, on: str) -> float:
        return contrast(Style(color=text, bgcolor=on))

    assert of("#ffffff", "#000000") == pytest.approx(21)
    assert of("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


async def tour(pilot: Pilot[None], source: ReplaySource) -> AsyncIterator[str]:
    """Show one screen after the other; yield its name."""
    await show(pilot, source)
    for screen, keys in SCREENS.items():
        await pilot.press(*keys)
        await pilot.pause(0.15)
        yield screen
        await pilot.press("escape")
        await pilot.pause()


@pytest.mark.parametrize("theme", WANTED)
async def test_all_text_can_be_read(theme: str) -> None:
    app, source = app_with(theme)
    async with app.run_test(size=(110, 34)) as pilot:
        async for screen in tour(pilot, source):
            seen = [one for one in segments(app) if is_text(one)]
            assert len(seen) > 5, screen
            bad = {(one.text.strip(), str(one.style)) for one in seen if one.style and contrast(one.style) < WANTED[theme]}  # fmt: skip
            assert not bad, screen
            if theme == "contrast":
                assert not any(one.style and one.style.dim for one in seen), screen


async def test_plain_has_no_colours_and_the_selected_line_is_reversed() -> None:
    app, source = app_with("plain")
    async with app.run_test(size=(110, 34)) as pilot:
        async for screen in tour(pilot, source):
            styles = [one.style for one in segments(app) if one.style]
            for style in styles:
                for color in (style.color, style.bgcolor):
                    assert color is None or color.type is ColorType.DEFAULT, screen
            if screen in ("dashboard", "selected group", "tree"):
                assert any(style.reverse for style in styles), screen


async def test_a_theme_can_be_changed_while_it_runs() -> None:
    app, source = app_with(None)
    async with app.run_test(size=(110, 34)) as pilot:
        await show(pilot, source)
        assert app.theme == "dark"
        for theme in ("light", "plain", "contrast", "textual-dark", "nord"):
            app.theme = theme
            await pilot.pause(0.2)
            table = app.screen.query_one(BuildTable)
            style = table.render_line(0)._segments[0].style
            assert style is not None
            if theme == "light":
                assert contrast(style) >= WANTED["light"]


async def test_the_palette_has_the_themes() -> None:
    app, source = app_with(None)
    async with app.run_test(size=(110, 34)) as pilot:
        await show(pilot, source)
        assert set(names.THEMES) <= set(app.available_themes)
        assert {theme.name for theme in THEMES} == set(names.THEMES)


def test_no_color_selects_the_plain_theme_without_another_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert app_with(None)[0].theme == "dark"
    monkeypatch.setenv("NO_COLOR", "1")
    assert app_with(None)[0].theme == "plain"
    assert app_with("light")[0].theme == "light"


def test_flag_variable_and_file_say_which() -> None:
    def chosen(flag: str | None, variable: str, file: str | None) -> str | None:
        environ = {"WHEELPOOL_THEME": variable}
        sources = ConfigSources({"theme": flag}, environ, {"theme": file})
        return derive_display_options(sources).theme

    assert chosen("light", "plain", "contrast") == "light"
    assert chosen(None, "plain", "contrast") == "plain"
    assert chosen(None, "", "contrast") == "contrast"
    assert chosen(None, "", None) is None
    with pytest.raises(SettingsError, match=r"WHEELPOOL_THEME: 'pink' is not one of dark, light"):
        chosen(None, "pink", None)
