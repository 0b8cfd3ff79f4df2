"""Draws pictures as PNG: from a screen's SVG, from lines of words, from an HTML page.

Fira Code is named and at hand, so that boxes and bars join; colours are made few, for size.
"""

from __future__ import annotations

import io
import re
import subprocess
import tempfile
from html import escape, unescape
from pathlib import Path
from typing import TYPE_CHECKING

import fontpkg_fira_code
import resvg_py
from PIL import Image
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

__all__ = ["draw_frames", "draw_svg", "page", "render_lines"]

_COLOURS = 96
_MOVING_COLOURS, _MOVING_SCALE = 64, 0.7
LACKED = str.maketrans({"▾": "▼", "▴": "▲", "⏹": "■", "⏸": "‖", "↵": "⏎"})
"""Signs that Fira Code does not have, and those that stand in for them in pictures."""
_RUN = re.compile(r'(<text [^>]*?)x="([\d.]+)"([^>]*?) textLength="([\d.]+)"([^>]*>)([^<]*)</text>')


def _place_in_cells(run: re.Match[str]) -> str:
    """Give each sign of a run of text its place: joined, ``->`` would be drawn as an arrow."""
    before, x, between, length, after, text = run.groups()
    signs = unescape(text)
    if "✗" not in text and any("─" <= sign <= "▟" for sign in signs):
        return run[0]  # Boxes and bars join as they are; that cross comes from a wider font.
    step = float(length) / max(1, len(signs))
    places = " ".join(f"{float(x) + step * number:g}" for number in range(len(signs)))
    return f'{before}x="{places}"{between}{after}{escape(signs)}</text>'


def draw_svg(svg: str) -> bytes:
    """Return an SVG of Rich or Textual as PNG."""
    fonts = Path(fontpkg_fira_code.__file__).parent
    files = [str(font) for font in (*fonts.rglob("*.ttf"), *fonts.rglob("*.otf"))]
    # The web fonts of the SVG cannot be fetched; the family is named and at hand.
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: arial", "font-family: Fira Code", svg)
    svg = _RUN.sub(_place_in_cells, svg.translate(LACKED))
    picture = resvg_py.svg_to_bytes(
        svg_string=svg, font_files=files, monospace_family="Fira Code", zoom=1
    )
    return _reduce_colours(bytes(picture))


def draw_frames(svgs: Iterable[str], seconds: float) -> bytes:
    """Return SVGs of one size as an animated GIF that shows each for some seconds."""
    pictures = [Image.open(io.BytesIO(draw_svg(svg))).convert("RGB") for svg in svgs]
    width, height = (round(side * _MOVING_SCALE) for side in pictures[0].size)
    small = [one.resize((width, height), Image.Resampling.LANCZOS) for one in pictures]
    # All frames have the colours of the fullest one, so that what stays the same takes no room.
    fullest = max(small, key=lambda one: len(one.getcolors(1 << 20) or ()))
    palette = fullest.quantize(_MOVING_COLOURS)
    frames = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in small]
    file = io.BytesIO()
    frames[0].save(
        file,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        duration=round(seconds * 1000),
        loop=0,
        optimize=True,
    )
    return file.getvalue()


def render_lines(lines: Iterable[Text], columns: int) -> str:
    """Return lines of a terminal as SVG."""
    console = Console(record=True, width=columns, file=io.StringIO(), color_system="truecolor")
    for line in lines:
        console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
    return console.export_svg(title="wheelpool")


def page(html: str, chromium: str, columns: int, rows: int) -> bytes:
    """Return how a browser shows a page in a window of so many pixels."""
    # A window is 500 pixels wide at least; a frame in it can be as narrow as a phone.
    with tempfile.TemporaryDirectory(prefix="page-") as folder:
        file, picture = Path(folder) / "page.html", Path(folder) / "page.png"
        file.write_text(html)
        frame = Path(folder) / "frame.html"
        frame.write_text(
            '<body style="margin:0"><iframe src="page.html" '
            f'style="border:0;width:{columns}px;height:{rows}px"></iframe>'
        )
        argv = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={folder}/profile", f"--window-size={max(columns, 500)},{rows}",
                f"--screenshot={picture}", frame.as_uri()]  # fmt: skip
        subprocess.run(argv, check=True, capture_output=True, timeout=120, env={"HOME": folder})
        shown = Image.open(picture).convert("RGB").crop((0, 0, columns, rows))
    return _encode_png(shown)


def _reduce_colours(png: bytes) -> bytes:
    return _encode_png(Image.open(io.BytesIO(png)))


def _encode_png(picture: Image.Image) -> bytes:
    """Return a picture with a palette; what is half transparent at the corners stays so."""
    method = Image.Quantize.FASTOCTREE if picture.mode == "RGBA" else Image.Quantize.MEDIANCUT
    small = picture.quantize(_COLOURS, method=method, dither=Image.Dither.NONE)
    file = io.BytesIO()
    small.save(file, "PNG", optimize=True)
    return file.getvalue()
