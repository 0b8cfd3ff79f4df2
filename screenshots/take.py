"""Takes the README's pictures: recordings of real runs, replayed to a moment, as PNG.

    python screenshots/take.py                      # all of them, into this folder
    python screenshots/take.py dashboard timeline   # these; --svg keeps the SVGs beside them

`pip install -e '.[pictures]'` has what that needs; the HTML page is looked at in Chromium.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from drawing import draw_frames, draw_svg, page, render_lines
from moments import Moment, at_its_fullest, end, when
from rich.text import Text

import pool
from app.plain.printer import Printer
from app.reports.html import render_html
from app.runs.compare import Threshold
from app.runs.record import read_record
from app.source.replay import ReplaySource
from app.tui.app import WheelpoolApp
from app.tui.screens.compare import DiffApp
from app.tui.table.widget import BuildTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual.pilot import Pilot

HERE = Path(__file__).parent
RECORDINGS = HERE.parent / "tests" / "recordings"
EVE, DAY, INSTALL = (RECORDINGS / f"{name}.jsonl" for name in ("eve", "day", "install"))
PHONE, DESK = (390, 844), (1200, 900)


class StoppedClock:
    """A clock that stands still: a picture has no time."""

    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A moment of a recording, the size of the terminal, and what is pressed."""

    moment: Moment
    recording: Path = DAY
    size: tuple[int, int] = (120, 36)
    select: str | None = None
    """The build the cursor is on."""
    keys: tuple[str, ...] = ()
    theme: str | None = None
    ascii_only: bool = False


def build(name: str, **how: object) -> Callable[[pool.RunState], bool]:
    """Return whether a build of that name has these attributes, the last try counted."""

    def found(state: pool.RunState) -> bool:
        tries = [one for one in state.builds.values() if one.name == name]
        return bool(tries) and all(getattr(tries[-1], key) == value for key, value in how.items())

    return found


def uses_mib(name: str, least: int) -> Callable[[pool.RunState], bool]:
    """Return whether a build takes so many MiB."""
    return lambda state: any(
        one.rss > least << 20 for one in state.builds.values() if one.name == name
    )


def waits_for_memory(name: str) -> Callable[[pool.RunState], bool]:
    """Return whether a build waits for memory."""
    return build(name, waiting_for=pool.WaitFor.MEMORY)


FRAMES, FRAME_SECONDS = 36, 0.5
"""The moving picture: how many frames it has, and how long each is shown."""
BUSY = at_its_fullest(uses_mib("fast-math", 100))
WAITING = when(waits_for_memory("kiwisolver"), after=4.0)
NESTED = when(build("build-helper", phase=pool.Phase.BUILD), after=1.0)
COMPILING = when(uses_mib("fast-math", 400), after=4.0)
HELD = when(
    lambda state: state.environment and state.environment.waiting_since is not None, after=3.0
)

PICTURES = {
    "dashboard": Picture(moment=BUSY, select="fast-math"),
    "narrow": Picture(moment=BUSY, size=(80, 24), theme="plain", ascii_only=True),
    "light": Picture(moment=BUSY, size=(100, 30), select="fast-math", theme="light"),
    "contrast": Picture(moment=BUSY, size=(100, 30), select="fast-math", theme="contrast"),
    "waiting": Picture(moment=WAITING, size=(110, 14), select="kiwisolver", keys=("enter",)),
    "locked": Picture(moment=BUSY, size=(110, 14), select="my-core", keys=("enter",)),
    "build": Picture(moment=COMPILING, select="fast-math", keys=("enter",)),
    "failed": Picture(moment=end, size=(110, 30), select="old-thing", keys=("enter",)),
    "log": Picture(
        moment=end,
        size=(110, 30),
        select="kiwisolver",
        keys=("l", "/", *"warning", "enter", "n", "n"),
    ),
    "tree": Picture(moment=NESTED, size=(100, 26), keys=("T",)),
    "timeline": Picture(moment=end, size=(120, 20), keys=("t", "0")),
    "resolving": Picture(
        moment=when(lambda state: state.resolve and state.resolve.pages > 15),
        recording=INSTALL,
        size=(100, 24),
    ),
    "installing": Picture(moment=HELD, recording=INSTALL, size=(110, 30), select="my-core"),
}


async def select(app: WheelpoolApp, pilot: Pilot[None], name: str) -> None:
    """Move the cursor to the last try of a build."""
    table = app.screen.query_one(BuildTable)
    found = [one for one in app.model.state.builds.values() if one.name == name][-1]
    table.reorder()
    table.select(found.id)
    await pilot.pause()


async def replay_screen(picture: Picture) -> str:
    """Replay to a moment and return the screen as SVG."""
    source = ReplaySource(picture.recording, StoppedClock())
    app = WheelpoolApp(
        source, clock=StoppedClock(), theme=picture.theme, ascii_only=picture.ascii_only
    )
    async with app.run_test(size=picture.size) as pilot:
        source.seek(picture.moment(picture.recording))
        await pilot.pause(0.5)
        if picture.select is not None:
            await select(app, pilot, picture.select)
        await pilot.press(*picture.keys)
        await pilot.pause(0.7)
        return app.export_screenshot(title="wheelpool")


async def moving_frames() -> list[str]:
    """Return the dashboard of the recorded day as SVG, every few seconds until its end."""
    source = ReplaySource(DAY, StoppedClock())
    app = WheelpoolApp(source, clock=StoppedClock())
    last = end(DAY)
    frames = []
    async with app.run_test(size=(110, 32)) as pilot:
        for number in range(FRAMES):
            source.seek(1.0 + (last - 1.0) * number / (FRAMES - 1))
            await pilot.pause(0.7)
            frames.append(app.export_screenshot(title="wheelpool"))
    return frames


async def compare_screen() -> str:
    """Return the screen that compares the two recorded days."""
    app = DiffApp(EVE, DAY, Threshold(), ascii_only=False)
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause(0.7)
        return app.export_screenshot(title="wheelpool diff eve.jsonl day.jsonl")


def headless() -> str:
    """Return what the recorded day says without a screen, in short and without logs."""
    lines = []
    with pool.JournalReader(DAY) as reader:
        printer = Printer("normal", reader.header, pool.logs_path(DAY))
        for event in reader.read():
            lines += list(printer.print_event(event))
    shown, inside = [Text("$ wheelpool replay day.jsonl --no-ui", style="bold")], False
    for line in lines:
        inside = line.word == "log" or (inside and line.word != "log.end")
        if not inside and line.word != "log.end":
            shown.append(Text(line.text))
    return render_lines([*shown[:12], Text("..."), *shown[-34:]], 120)


def screens() -> dict[str, Callable[[], Awaitable[str]]]:
    """Return what makes each picture of a terminal."""

    def one(picture: Picture) -> Callable[[], Awaitable[str]]:
        return lambda: replay_screen(picture)

    async def headless_lines() -> str:
        return headless()

    return {
        **{k: one(p) for k, p in PICTURES.items()},
        "diff": compare_screen,
        "headless": headless_lines,
    }


def main() -> None:
    """Write the pictures that are named, or all."""
    named = [word for word in sys.argv[1:] if word != "--svg"]
    for name, make in screens().items():
        if not named or name in named:
            svg = asyncio.run(make())
            if "--svg" in sys.argv:
                (HERE / f"{name}.svg").write_text(svg)
            write_picture(name, draw_svg(svg))
    if not named or "moving" in named:
        (HERE / "moving.gif").write_bytes(draw_frames(asyncio.run(moving_frames()), FRAME_SECONDS))
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    for name, size in (("report", DESK), ("report-phone", PHONE)):
        if chromium and (not named or name in named):
            write_picture(name, page(render_html(read_record(DAY)), chromium, *size))


def write_picture(name: str, png: bytes) -> None:
    """Write one picture and say how large it is."""
    (HERE / f"{name}.png").write_bytes(png)
    print(f"{name}.png {len(png) >> 10} KiB")


if __name__ == "__main__":
    main()
