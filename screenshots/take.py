"""Takes the README's pictures: recordings of real runs, replayed to a moment, as SVG and PNG.

    python screenshots/take.py            # all of them, into this folder

The PNGs are drawn from the SVGs with Fira Code; `pip install -e '.[pictures]'` has what that needs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from textual.pilot import Pilot

from app.replay import ReplaySource
from app.tui.app import WheelpoolApp
from app.tui.table import BuildTable

HERE = Path(__file__).parent
RECORDINGS = HERE.parent / "tests" / "recordings"

Prepare = Callable[[WheelpoolApp, Pilot[None]], Awaitable[None]]


class Standing:
    """A clock that stands still: a picture has no time."""

    def monotonic(self) -> float:
        return 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)


async def select(app: WheelpoolApp, pilot: Pilot[None], name: str) -> None:
    """Move the cursor to a build."""
    table = app.screen.query_one(BuildTable)
    build = next(b for b in app.feed.state.builds.values() if b.name == name)
    table.put_in_order()
    table.select(build.id)
    await pilot.pause()


async def dashboard(app: WheelpoolApp, pilot: Pilot[None]) -> None:
    await select(app, pilot, "pyyaml")


async def failed_log(app: WheelpoolApp, pilot: Pilot[None]) -> None:
    await select(app, pilot, "old-thing")
    await pilot.press("l")


async def locked(app: WheelpoolApp, pilot: Pilot[None]) -> None:
    await select(app, pilot, "my-core")


async def installing(app: WheelpoolApp, pilot: Pilot[None]) -> None:
    await select(app, pilot, "my-core")


PICTURES: dict[str, tuple[str, float, tuple[int, int], Prepare]] = {
    "dashboard": ("day", 9.6, (120, 36), dashboard),
    "failed-log": ("day", 5.9, (120, 30), failed_log),
    "locked": ("day", 9.6, (100, 30), locked),
    "narrow": ("day", 9.6, (80, 24), dashboard),
    "resolving": ("install", 5.0, (100, 24), installing),
    "installing": ("install", 36.0, (110, 30), installing),
}
"""For each picture: recording, seconds into it, columns and lines, and what is pressed."""


async def take(name: str) -> str:
    """Replay to a moment and return the screen as SVG."""
    recording, seconds, size, prepare = PICTURES[name]
    source = ReplaySource(RECORDINGS / f"{recording}.jsonl", Standing())
    app = WheelpoolApp(source, clock=Standing())
    async with app.run_test(size=size) as pilot:
        source.seek(seconds)
        await pilot.pause(0.5)
        await prepare(app, pilot)
        await pilot.pause(0.5)
        return app.export_screenshot(title="wheelpool")


def drawn(svg: str) -> bytes:
    """Return the picture as PNG."""
    import fontpkg_fira_code  # noqa: PLC0415 - an extra that only pictures need
    import resvg_py  # noqa: PLC0415 - likewise

    fonts = Path(fontpkg_fira_code.__file__).parent
    files = [str(font) for font in (*fonts.rglob("*.ttf"), *fonts.rglob("*.otf"))]
    # The web fonts of the SVG cannot be fetched; the family is named and at hand.
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    picture: bytes = resvg_py.svg_to_bytes(
        svg_string=svg, font_files=files, monospace_family="Fira Code", zoom=1
    )
    return bytes(picture)


def main() -> None:
    """Write all pictures."""
    for name in PICTURES:
        svg = asyncio.run(take(name))
        (HERE / f"{name}.svg").write_text(svg)
        (HERE / f"{name}.png").write_bytes(drawn(svg))
        print(f"{name}.svg {name}.png")


if __name__ == "__main__":
    main()
