"""The HTML page in a real browser: as wide as a phone and as a desk, in light and in dark."""

from __future__ import annotations

import html as markup
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.reports.html import render_html
from app.runs.record import read_record
from tests.support.paths import RECORDINGS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

# A window of chromium is 500 pixels wide at least; a frame can be as narrow as a phone. Pages in
# `srcdoc` may be looked into by the one around them.
FRAME = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<iframe style="border:0;width:{width}px;height:{height}px" srcdoc="{page}"></iframe>
<script>
onload = () => {{
  const inside = document.querySelector("iframe").contentDocument;
  const box = (one) => one.getBoundingClientRect();
  const root = inside.documentElement;
  const beyond = [...inside.querySelectorAll("main > *, section > *, td, dd, h1")]
    .filter((one) => box(one).right > root.clientWidth + 1).map((one) => one.outerHTML);
  const told = {{
    wide: root.scrollWidth, room: root.clientWidth, beyond,
    images: inside.images.length, scripts: inside.scripts.length,
    back: getComputedStyle(inside.body).backgroundColor,
    head: getComputedStyle(inside.querySelector("thead")).display,
    bars: [...inside.querySelectorAll("figure rect")].filter((one) => box(one).width > 0).length,
    fill: getComputedStyle(inside.querySelector("rect.build")).fill,
  }};
  const answer = document.createElement("pre");
  answer.id = "told";
  answer.textContent = JSON.stringify(told);
  document.body.replaceChildren(answer);
}};
</script>"""


def browse(folder: Path, *argv: str) -> str:
    """Run the browser without a window, and return what it prints."""
    profile = f"--user-data-dir={folder / 'profile'}"
    done = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", profile, *argv],
        capture_output=True, text=True, timeout=120, check=True, env={"HOME": str(folder)},
    )  # fmt: skip
    return done.stdout


def measure_page(folder: Path, page: str, width: int, *argv: str) -> dict[str, object]:
    """Return what a page comes to at a width."""
    file = folder / "frame.html"
    file.write_text(FRAME.format(width=width, height=900, page=markup.escape(page)))
    printed = browse(folder, *argv, "--dump-dom", file.as_uri())
    found = re.search(r'<pre id="told">(.*?)</pre>', printed, re.DOTALL)
    assert found, printed[-2000:]
    answer: dict[str, object] = json.loads(markup.unescape(found[1]))
    return answer


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("recording", ["day", "install"])
def test_the_page_is_never_wider_than_the_screen(
    tmp_path: Path, recording: str, width: int
) -> None:
    page = render_html(read_record(RECORDINGS / f"{recording}.jsonl"))
    seen = measure_page(tmp_path, page, width)
    assert seen["wide"] == seen["room"]
    assert seen["beyond"] == []
    assert seen["bars"]
    assert seen["head"] == ("none" if width <= 640 else "table-header-group")


def test_the_page_follows_the_preferred_colours(tmp_path: Path) -> None:
    page = render_html(read_record(RECORDINGS / "day.jsonl"))
    dark, light = (
        measure_page(tmp_path, page, 390, f"--blink-settings=preferredColorScheme={scheme}")
        for scheme in (0, 1)
    )
    assert (dark["back"], light["back"]) == ("rgb(13, 17, 23)", "rgb(255, 255, 255)")
    assert (dark["fill"], light["fill"]) == ("rgb(47, 125, 67)", "rgb(124, 201, 141)")


def test_hostile_names_make_no_elements(tmp_path: Path) -> None:
    text = (RECORDINGS / "day.jsonl").read_text()
    bad = json.dumps("</script><img src=x onerror=document.body.remove()>\u001b[31m")[1:-1]
    (tmp_path / "events.jsonl").write_text(text.replace('"name":"pyyaml"', f'"name":"{bad}"'))
    page = render_html(read_record(tmp_path / "events.jsonl"))
    assert "onerror" in page
    seen = measure_page(tmp_path, page, 390)
    assert (seen["images"], seen["scripts"]) == (0, 0)
