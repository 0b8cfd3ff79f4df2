"""The title of the terminal and the bell: their sequences, and that the old title comes back."""

from __future__ import annotations

import re

import pexpect

import pool
from app.text.terminal_title import TerminalTitle, format_title, restore_title
from pool import events
from tests.support.home import WHEELPOOL, Home, number_events

A, B, C = (pool.BuildId(f"b{n}") for n in (1, 2, 3))
STORY: list[events.KnownEvent] = [
    events.RunStarted(limits={pool.LimitName.BUILDS: 2}, targets=3, out_dir="w", logs="logs"),
    *(events.BuildQueued(build=b, name="\x1b]0;x", target=b, log=b) for b in (A, B, C)),
    events.BuildStarted(build=A, slot=1),
    events.BuildStarted(build=B, slot=2),
    events.BuildFinished(build=A, outcome=pool.Outcome.FAILED),
]


def state(count: int) -> pool.RunState:
    folded = pool.RunState()
    for event in number_events(STORY[:count]):
        pool.apply(folded, event)
    return folded


def test_terminal_title_shows_the_progress_in_numbers() -> None:
    assert format_title(state(0)) == "wheelpool 0/0"
    assert format_title(state(6)) == "wheelpool 0/3, 2 building"
    assert format_title(state(7)) == "wheelpool 1/3, 1 building, 1 failed"


def test_it_is_set_where_it_has_changed_and_given_back() -> None:
    written: list[str] = []
    with restore_title(written.append):
        title = TerminalTitle(written.append)
        for count in 6, 6, 7:
            title.update(state(count))
    assert written == [
        "\x1b[22;2t",
        "\x1b]2;wheelpool 0/3, 2 building\a",
        "\x1b]2;wheelpool 1/3, 1 building, 1 failed\a",
        "\x1b[23;2t",
    ]


def on_a_terminal(home: Home, *arguments: str, **environ: str) -> str:
    """Run the command at a terminal and return all that it wrote there."""
    child = pexpect.spawn(
        str(WHEELPOOL), list(arguments), cwd=home.root, env={**home.environ, **environ},
        encoding="utf-8", timeout=60,
    )  # fmt: skip
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    return str(child.before)


def test_a_headless_run_titles_its_terminal_and_rings(home: Home) -> None:
    tree = str(home.tree("liba"))
    told = on_a_terminal(home, "build", tree, "--no-ui", "--bell", TERM="xterm")
    assert "\x1b]2;wheelpool 1/1\a" in told
    assert told.index("\x1b[22;2t") < told.index("\x1b]2;") < told.index("\x1b[23;2t")
    assert re.sub(r"\x1b\]2;[^\a]*\a", "", told).count("\a") == 1


def test_no_bell_by_default_and_no_title_on_a_dumb_terminal(home: Home) -> None:
    told = on_a_terminal(home, "build", str(home.tree("liba")), "--no-ui", TERM="vt100")
    assert "\a" not in told
    assert "\x1b]2" not in told


def test_a_variable_rings_and_a_pipe_hears_nothing(home: Home) -> None:
    done = home.run("build", home.tree("liba"), WHEELPOOL_BELL="yes", TERM="xterm")
    assert done.returncode == 0
    assert "\a" not in done.stdout + done.stderr
    assert "\x1b" not in done.stdout + done.stderr
