"""Output where the encoding is ASCII: every command prints, in ASCII, what it prints elsewhere."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from app.manual import list_topics

if TYPE_CHECKING:
    from tests.support.home import Home

COMMANDS = (
    ("replay", "run.jsonl", "--no-ui", "-v"),
    ("report", "run.jsonl"),
    ("report", "run.jsonl", "--timings"),
    ("report", "run.jsonl", "--json"),
    ("diff", "run.jsonl", "run.jsonl", "--no-ui"),
    ("doctor",),
    ("runs",),
    *(("help", topic) for topic in list_topics()),
)


def run_in_ascii(home: Home, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [home.command, *words],
        cwd=home.root,
        env={**home.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_output_in_ascii_has_no_other_bytes_and_no_error(home: Home) -> None:
    broken = "def build_wheel(*_):\n    print('┄ naïve →')\n    raise SystemExit(1)\n"
    trees = [str(home.tree("liba")), str(home.tree("bad", broken))]
    build = ("build", *trees, "--no-ui", "--log", "run.jsonl", "-v")
    done = run_in_ascii(home, *build)
    assert done.returncode == 1
    assert (done.stdout + done.stderr).isascii()
    assert b"Built liba 1.0 in " in done.stderr
    for words in COMMANDS:
        done = run_in_ascii(home, *words)
        assert done.returncode in (0, 1), (words, done.stderr)
        assert (done.stdout + done.stderr).isascii(), words


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_path_that_is_not_utf8_is_printed_byte_for_byte(home: Home, encoding: str) -> None:
    wheels = b"wheels-\xff"
    done = subprocess.run(
        [home.command, "build", str(home.tree("liba")), "--no-ui", "-o", wheels],
        cwd=home.root,
        env={**home.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert wheels in done.stdout
