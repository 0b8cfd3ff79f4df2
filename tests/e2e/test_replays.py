"""A live run and its replay without a screen end in the same words and figures, whatever happened."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import pool
from pool import events
from tests.support.home import Home, wait_until
from tests.support.memory_hogs import BACKEND_WITH_COMPILER, EXCEEDS_ADDRESS_SPACE

HELD = """
_build = build_wheel
def build_wheel(*words):
    import pathlib, time
    pathlib.Path("../begun").touch()
    while not pathlib.Path("../go").exists():
        time.sleep(0.01)
    return _build(*words)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.end()


def happened(home: Home) -> list[events.Event]:
    with pool.JournalReader(home.root / "run.jsonl") as reader:
        return list(reader.read())


def assert_same(home: Home, live: str, *words: str) -> None:
    again = home.run("replay", "run.jsonl", "--no-ui", *words)
    assert again.returncode == 0, again.stderr
    assert again.stderr.splitlines() == live.splitlines()


@pytest.mark.parametrize("words", [(), ("-v",), ("-q",)])
def test_a_run_that_was_tried_again_for_want_of_memory(home: Home, words: tuple[str, ...]) -> None:
    counter = str(home.root / "counter")
    backend = "import os\n" + BACKEND_WITH_COMPILER.format(
        counter=counter, times=1, compiler=EXCEEDS_ADDRESS_SPACE
    )
    caps = ("--memory", "2G", "--jobs", "3")
    done = home.run("build", home.tree("hog", backend), *caps, *words, "--log", "run.jsonl")
    assert done.returncode == 0, done.stderr
    assert any(isinstance(one, events.BuildQueued) and one.retry_of for one in happened(home))
    assert_same(home, done.stderr, *words)


@pytest.mark.parametrize("words", [(), ("-v",)])
def test_a_run_that_others_commanded(home: Home, words: tuple[str, ...]) -> None:
    trees = [home.tree(name, HELD) for name in ("one", "two", "three")]
    process = home.start("build", *trees, "-j", "1", *words, "--log", "run.jsonl")
    home.wait_for("begun")

    def tell(*command: str) -> None:
        told = home.run(*command, "--run", "run.jsonl")
        assert told.returncode == 0, told.stderr

    tell("limit", "3")
    tell("limit", "memory", "3G")
    tell("limit", "jobs", "5")
    tell("pause")
    tell("resume")
    tell("cancel", "two")
    wait_until(lambda: any(isinstance(one, events.BuildFinished) for one in happened(home)))
    tell("retry", "two")
    (home.root / "go").touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert len(out.splitlines()) == 3
    said = [one.limit for one in happened(home) if isinstance(one, events.LimitChanged)]
    assert {pool.LimitName.MEMORY, pool.LimitName.JOBS, pool.LimitName.BUILDS} <= set(said)
    assert "Cancelled" in err
    assert "Retry two" in err
    assert_same(home, err, *words)


def test_a_run_on_a_screen_ends_in_the_figures_of_its_replay(home: Home) -> None:
    done = home.run("build", home.tree("liba"), home.tree("libb"), "--log", "run.jsonl")
    last = done.stderr.splitlines()[-1]
    report = subprocess.run(
        [home.command, "report", "run.jsonl"],
        cwd=home.root, env=home.environ | {"COLUMNS": "80"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert report.stdout.splitlines()[-1] == last
    replay = home.run("replay", "run.jsonl", "-q", TERM=os.environ.get("TERM", "dumb"))
    assert replay.stderr.splitlines()[-1] == last
