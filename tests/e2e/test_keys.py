"""Every key of every screen is pressed in a real terminal, and what it does is seen there.

The walks are a table: what is pressed, and what must then be on the screen that was not there
before. The last test compares it with the bindings of all screens, so that no key can be added
without a step here. The keys of the comparison of two runs are in test_diff.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from textual.binding import Binding
from textual.dom import DOMNode

import app.tui
from app.tui.screens.help import SECTIONS
from tests.support.sandbox import BIN, Sandbox, make_setuptools_tree
from tests.support.synthetic_run import write_synthetic_run
from tests.support.terminal import Terminal, needs_tmux, wait_until

pytestmark = [pytest.mark.slow, needs_tmux]
TMUX = {
    "plus": "+", "equals_sign": "=", "minus": "-", "asterisk": "*", "slash": "/", "colon": ":",
    "question_mark": "?", "comma": ",", "full_stop": ".", "less_than_sign": "<",
    "greater_than_sign": ">", "left_square_bracket": "[", "right_square_bracket": "]",
    "number_sign": "#", "dollar_sign": "$", "space": "Space", "enter": "Enter",
    "escape": "Escape", "tab": "Tab", "shift+tab": "BTab", "up": "Up", "down": "Down", "left": "Left",
    "right": "Right", "home": "Home", "end": "End", "pageup": "PPage", "pagedown": "NPage",
    "ctrl+f": "C-f", "ctrl+b": "C-b", "ctrl+c": "C-c", "ctrl+p": "C-p",
}  # fmt: skip
"""The names of keys in tmux, by those in Textual."""


class Step(NamedTuple):
    """A key, and what has to be seen.

    Attributes:
        binding: the id of what the key is bound to; "" where it only leads on.
        key: Textual's name.
        shows: a regular expression of what comes to be on the screen.
        gone: one of what leaves it.
        then: more that is typed; what the key has done shows only after it.
    """

    binding: str
    key: str
    shows: str = ""
    gone: str = ""
    then: tuple[str, ...] = ()


def chosen(title: str) -> str:
    """Return what tells that a build is selected: the panel is about it."""
    return rf"─{{60}}\n {re.escape(title)}  "


def row(name: str) -> str:
    """Return what tells that a row of the timeline is selected."""
    return rf"^▸{re.escape(name)}"


def found(name: str, shows: str = "", gone: str = "") -> tuple[Step, ...]:
    """Return what filters; whether the rows have the focus again is seen in the line of keys."""
    return (
        Step("", "slash", gone=" / filter "),
        Step("", name, shows, gone),
        Step("", "enter", " / filter "),
    )


TIME = (
    Step("", "escape", "0:30 / 1:00"),
    Step("time.end", "dollar_sign", "ended  1x    1:00 / 1:00"),
    Step("time.start", "0", r"paused 1x    0:00 / 1:00"),
    Step("replay.on", "full_stop", "0:05 / 1:00"),
    Step("replay.on", "right", "0:10 / 1:00"),
    Step("replay.back", "left", "0:05 / 1:00"),
    Step("replay.back", "comma", "0:00 / 1:00"),
    Step("time.far_on", "greater_than_sign", "0:30 / 1:00"),
    Step("time.far_back", "less_than_sign", "0:00 / 1:00"),
    Step("replay.failure", "f", "1 failed"),
    Step("replay.failure", "f", "2 failed"),
    Step("time.failure_before", "F", "1 failed"),
    Step("replay.faster", "right_square_bracket", "paused 2x"),
    Step("replay.slower", "left_square_bracket", "paused 1x"),
    Step("replay.ask", "colon", "go to, of 1:00"),
    Step("time.close", "escape", gone="go to, of 1:00"),
    Step("replay.play", "space", "plays  1x"),
    Step("replay.play", "space", "paused 1x"),
    Step("", "colon", "go to, of 1:00"),
    Step("", "3", "0:30 / 1:00", then=("0", "Enter")),
)
MOVES = (
    Step("rows.last", "G", "Enter shows them"),
    Step("table.toggle", "enter", "Enter hides them"),
    Step("table.toggle", "enter", "Enter shows them"),
    Step("rows.first", "g", chosen("p18 1.0")),
    Step("rows.last", "end", "no build selected"),
    Step("rows.first", "home", chosen("p18 1.0")),
    Step("rows.down", "j", chosen("p19 1.0")),
    Step("rows.up", "k", chosen("p18 1.0")),
    Step("rows.down", "down", chosen("p19 1.0")),
    Step("rows.up", "up", chosen("p18 1.0")),
    Step("rows.page_down", "pagedown", chosen("p33 1.0")),
    Step("rows.page_up", "pageup", chosen("p18 1.0")),
    Step("rows.page_down", "ctrl+f", chosen("p33 1.0")),
    Step("rows.page_up", "ctrl+b", chosen("p18 1.0")),
    Step("panel.next", "tab", "p18 1.0  why"),
    Step("panel.previous", "shift+tab", gone="p18 1.0  why"),
    Step("table.sort", "s", r"time(/usual)? ▾"),
    Step("table.reverse", "S", r"time(/usual)? ▴"),
    Step("filter", "slash", "name or state"),
    Step("", "p05", chosen("p05 1.0")),
    Step("", "enter", " / filter "),
    Step("filter.clear", "escape", "p19 1.0"),
)
HELP = (
    Step("help", "question_mark", r"Keys +│[^│]*\n[^│]*│  Builds"),
    Step("help.down", "j", gone="│  Builds "),
    Step("help.up", "k", "│  Builds "),
    Step("help.down", "down", gone="│  Builds "),
    Step("help.up", "up", "│  Builds "),
    Step("help.last", "G", "On all screens"),
    Step("help.first", "g", "│  Builds "),
    Step("help.last", "end", "On all screens"),
    Step("help.first", "home", "│  Builds "),
    Step("help.page_down", "space", gone="│  Builds "),
    Step("help.page_up", "b", "│  Builds "),
    Step("help.page_down", "pagedown", gone="│  Builds "),
    Step("help.page_up", "pageup", "│  Builds "),
    Step("help.page_down", "ctrl+f", gone="│  Builds "),
    Step("help.page_up", "ctrl+b", "│  Builds "),
    Step("help.manual", "m", r"Manual: dashboard"),
    Step("manual.next", "n", r"Manual: install"),
    Step("manual.previous", "N", r"Manual: dashboard"),
    Step("manual.next", "right", r"Manual: install"),
    Step("manual.previous", "left", r"Manual: dashboard"),
    Step("manual.down", "j", gone="The dashboard"),
    Step("manual.up", "k", "The dashboard"),
    Step("manual.down", "down", gone="The dashboard"),
    Step("manual.up", "up", "The dashboard"),
    Step("manual.page_down", "space", gone="The dashboard"),
    Step("manual.page_up", "b", "The dashboard"),
    Step("manual.page_down", "pagedown", gone="The dashboard"),
    Step("manual.page_up", "pageup", "The dashboard"),
    Step("manual.page_down", "ctrl+f", gone="The dashboard"),
    Step("manual.page_up", "ctrl+b", "The dashboard"),
    Step("manual.close", "escape", gone="Manual"),
    Step("", "m", r"Manual: dashboard"),
    Step("manual.close", "q", gone="Manual: "),
    Step("", "m", r"Manual: dashboard"),
    Step("manual.close", "m", gone="Manual: "),
    Step("help.close", "escape", gone="Keys  "),
    Step("", "question_mark", "Keys  "),
    Step("help.close", "q", gone="Keys  "),
    Step("", "question_mark", "Keys  "),
    Step("help.close", "question_mark", gone="Keys  "),
    Step("", "question_mark", "Keys  "),
    Step("help.close", "enter", gone="Keys  "),
    Step("command_palette", "ctrl+p", "Search for commands"),
    Step("", "escape", gone="Search for commands"),
)
HEAD = r"\A p05 1.0   failed"
BUILD = (
    *found("p05", chosen("p05 1.0")),
    Step("open_build", "enter", "e error"),
    Step("build.copy", "y", "the rerun command was copied"),
    Step("build.log", "l", "following"),
    Step("log.back", "q", "e error  y copy command"),
    Step("build.error", "e", r"n N next"),
    Step("log.back", "escape", "e error  y copy command"),
    Step("build.back", "q", "0:30 / 1:00"),
    Step("", "enter", HEAD),
    Step("build.back", "escape", "0:30 / 1:00"),
    Step("", "enter", HEAD),
    Step("build.back", "enter", "0:30 / 1:00"),
    Step("filter.clear", "escape", "p18 1.0"),
    # The keys of time are the app's: they reach screens that show no bar.
    *found("p20", chosen("p20 1.0")),
    Step("", "enter", r"\A p20 1.0   queued"),
    Step("time.on", "full_stop", r"\A p20 1.0   built"),
    Step("time.back", "comma", r"\A p20 1.0   queued"),
    Step("", ".", r"\A p20 1.0   built"),
    # The log has a use of its own for space, the facts have none.
    Step("build.focus", "tab", r"\A p20 1.0   queued", then=(",",)),
    Step("time.play", "space", r"\A p20 1.0   built"),
    Step("", "q", "plays  1x"),
)
_ROWS = (
    ("down", "j", "01"), ("up", "k", "00"), ("down", "down", "01"), ("up", "up", "00"),
    ("last", "G", "39"), ("first", "g", "00"), ("last", "end", "39"), ("first", "home", "00"),
    ("page_down", "pagedown", "33"), ("page_up", "pageup", "00"),
    ("page_down", "ctrl+f", "33"), ("page_up", "ctrl+b", "00"),
)  # fmt: skip
"""Keys of the tree, and the build that they come to: it is opened to see which it is."""
TREE = (
    Step("tree", "T", "40 builds, 1 of them nested"),
    *(
        step
        for name, key, number in _ROWS
        for step in (
            Step(f"tree.{name}", key, rf"\A p{number} 1.0 ", then=("Enter",)),
            Step("", "q", "dependencies"),
        )
    ),
    Step("tree.open", "enter", r"\A p00 1.0 "),
    Step("", "q", "dependencies"),
    Step("time.start", "0", r"^ ○ p00"),
    Step("time.failure", "f", r"^ ✗ p05"),
    Step("", ".", r"^ ✓ p07"),
    Step("time.end", "dollar_sign", "^ ✓ └─ p30"),
    Step("", "j", r"\A p20 1.0 ", then=("j",) * 19 + ("Enter",)),
    Step("", "q", "└─ p30"),
    Step("tree.fold", "space", gone="p30 1.0"),
    Step("", "space", "p30 1.0"),
    Step("tree.fold_all", "asterisk", gone="p30 1.0"),
    Step("", "asterisk", "p30 1.0"),
    Step("tree.back", "q", "q quit"),
    Step("", "T", "dependencies"),
    Step("tree.back", "escape", "q quit"),
    Step("", "T", "dependencies"),
    Step("tree.back", "T", "q quit"),
)
LOG = (
    *found("p05", chosen("p05 1.0")),
    Step("open_log", "l", r"following[^\0]*step 300 of p05"),
    Step("log.first", "g", r"^step 1 of p05"),
    Step("log.last", "G", r"^step 300 of p05"),
    Step("log.first", "home", r"^step 1 of p05"),
    Step("log.last", "end", r"^step 300 of p05"),
    Step("", "g", r"^step 1 of p05"),
    Step("log.down", "j", gone=r"^step 1 of p05"),
    Step("log.up", "k", r"^step 1 of p05"),
    Step("log.page_down", "space", r"^step 40 of p05"),
    Step("log.page_up", "b", r"^step 1 of p05"),
    Step("log.page_down", "ctrl+f", r"^step 40 of p05"),
    Step("log.page_up", "ctrl+b", r"^step 1 of p05"),
    Step("log.search", "slash", r"1 of 11", then=("step 15", "Enter")),
    Step("log.next", "n", r"2 of 11"),
    Step("log.previous", "N", r"1 of 11"),
    Step("log.error", "e", "fatal error: missing.h"),
    Step("log.follow", "f", "following"),
    Step("log.follow", "F", gone="following"),
    Step("log.numbers", "number_sign", r"^300 step 300"),
    Step("log.wrap", "w", r"^268 step 268[^\n]*\n {4}\S"),
    Step("log.copy", "y", "what says why it failed is copied"),
    Step("log.copy_all", "Y", "the log is copied: 30[01] lines"),
    Step("log.back", "l", "0:30 / 1:00"),
)
TIMELINE = (
    Step("timeline", "t", row("slot 1")),
    Step("rows.down", "j", row("slot 2")),
    Step("rows.up", "k", row("slot 1")),
    Step("rows.last", "G", row("slot 2")),
    Step("rows.first", "g", row("slot 1")),
    Step("rows.down", "down", row("slot 2")),
    Step("rows.up", "up", row("slot 1")),
    Step("rows.page_down", "pagedown", row("slot 2")),
    Step("rows.page_up", "pageup", row("slot 1")),
    Step("rows.page_down", "ctrl+f", row("slot 2")),
    Step("rows.page_up", "ctrl+b", row("slot 1")),
    Step("rows.last", "end", row("slot 2")),
    Step("rows.first", "home", row("slot 1")),
    Step("timeline.previous", "N", "^ p16 1.0   built"),
    Step("timeline.next", "n", "^ p18 1.0   build from"),
    Step("timeline.turn", "b", "Timeline by builds"),
    Step("", "b", "Timeline by slots"),
    Step("timeline.in", "plus", "of 0:30, following   0.2 s a cell"),
    Step("timeline.out", "minus", "whole run"),
    Step("timeline.in", "equals_sign", "of 0:30, following   0.2 s a cell"),
    Step("timeline.out", "Z", "whole run"),
    Step("timeline.in", "z", "of 0:30, following   0.2 s a cell"),
    Step("timeline.left", "h", gone="following"),
    Step("timeline.right", "l", "following"),
    Step("timeline.left", "left", gone="following"),
    Step("timeline.right", "right", "following"),
    Step("", "h", gone="following"),
    Step("timeline.follow", "f", "following"),
    Step("timeline.whole", "0", "whole run"),
    Step("timeline.step_back", "comma", "0:25 / 1:00"),
    Step("timeline.step_on", "full_stop", "0:30 / 1:00"),
    Step("time.faster", "right_square_bracket", "paused 2x"),
    Step("time.slower", "left_square_bracket", "paused 1x"),
    Step("time.ask", "colon", "go to, of 1:00"),
    Step("", "escape", gone="go to, of 1:00"),
    Step("timeline.play", "space", "plays  1x"),
    Step("", "space", "paused 1x"),
    Step("timeline.open", "enter", "l log"),
    Step("", "q", row("slot 1")),
    Step("timeline.back", "q", "q quit"),
    Step("", "t", row("slot 1")),
    Step("timeline.back", "t", "q quit"),
    Step("", "t", row("slot 1")),
    Step("timeline.back", "escape", "q quit"),
)
REPLAYS = {
    "time": TIME, "moves": MOVES, "help": HELP, "build": BUILD, "log": LOG, "tree": TREE,
    "timeline": TIMELINE,
}  # fmt: skip
CAPS = (
    Step("cap.raise", "plus", r"\[builds 2/2\]"),
    Step("cap.lower", "minus", r"\[builds 2 -> 1\]"),
    Step("cap.raise", "equals_sign", r"\[builds 2/2\]"),
    Step("pause", "p", "builds paused"),
    Step("", "p", r"\[builds 2/2\]"),
    *(
        step
        for digit in "123456789"
        for step in (
            Step(f"cap.type_{digit}", digit, rf"builds: set the limit to[^\0]*│ +{digit} "),
            Step("cap.close", "escape", gone="builds: set the limit to"),
        )
    ),
    Step("cap.next", "c", r"\[downloads 0/4\]"),
    Step("", "c", r"\[installs 0/2\]"),
    Step("", "c", r"\[jobs "),
    Step("", "c", r"\[memory"),
    Step("", "5", "memory: set the budget to"),
    Step("budget.close", "escape", gone="memory: set the budget to"),
    Step("", "c", r"\[builds 2/2\]"),
)
ENDS = (
    Step("", "g", chosen("t0")),
    Step("cancel", "x", "Cancel t"),
    Step("question.no", "enter", gone="Cancel t"),
    Step("", "x", "Cancel t"),
    Step("question.yes", "y", "1 cancelled"),
    *found("t0", gone="^ . t1"),
    Step("retry", "r", "^ ↻ t0"),
    Step("", "escape", "^ ● t1"),
    *found("t1", chosen("t1")),
    Step("", "enter", r"\A t1 .*building"),
    Step("build.cancel", "x", "Cancel t1"),
    Step("question.yes", "y", r"\A t1 .*cancelled"),
    Step("build.retry", "r", r"\A t1 .*retried"),
    Step("", "q", "q quit"),
    Step("", "escape", "^ ● "),
)
LEAVING = (
    Step("quit", "q", "still running"),
    Step("question.no", "n", gone="still running"),
    Step("interrupt", "ctrl+c", "still running"),
    Step("question.no", "escape", gone="still running"),
    Step("quit", "q", "still running"),
    Step("question.no", "enter", gone="still running"),
    Step("", "q", "still running"),
    Step("question.yes", "y", "4 cancelled in"),
)
ATTACHED = (
    Step("", "plus", r"\[builds 2/2\]"),
    Step("", "question_mark", "detach: the run continues"),
    Step("", "escape", gone="detach: the run continues"),
    Step("detach", "q", r"^\$ $|^\$\n*\Z", gone="builds 2/2"),
)


def walk(terminal: Terminal, steps: Sequence[Step]) -> None:
    """Press one key after the other; each has to change what is seen."""
    for step in steps:
        before = terminal.screen()
        if step.binding:
            assert not (step.shows and re.search(step.shows, before, re.MULTILINE)), describe_step(
                step, before
            )
            assert not step.gone or re.search(step.gone, before, re.MULTILINE), describe_step(
                step, before
            )
        terminal.type(TMUX.get(step.key, step.key), *step.then)
        wait_until(partial(shown, step, terminal), partial(told_now, step, terminal))


def shown(step: Step, terminal: Terminal) -> bool:
    """Tell whether what a step has to do is seen by now."""
    return seen(step, terminal.screen())


def told_now(step: Step, terminal: Terminal) -> str:
    """Say which step it is, and what is seen instead."""
    return describe_step(step, terminal.screen())


def seen(step: Step, screen: str) -> bool:
    there = not step.shows or re.search(step.shows, screen, re.MULTILINE)
    return bool(there) and not (step.gone and re.search(step.gone, screen, re.MULTILINE))


def describe_step(step: Step, screen: str) -> str:
    return f"{step}\n{screen}"


@pytest.fixture
def terminal(sandbox: Sandbox) -> Iterator[Terminal]:
    terminal = Terminal(sandbox.root, sandbox.environ)
    yield terminal
    terminal.close()


@pytest.mark.parametrize("steps", REPLAYS.values(), ids=REPLAYS.keys())
def test_keys_of_a_replay(sandbox: Sandbox, terminal: Terminal, steps: Sequence[Step]) -> None:
    journal = sandbox.root / "run.jsonl"
    write_synthetic_run(journal)
    terminal.run([str(BIN / "wheelpool"), "replay", str(journal), "--at", "30"])
    terminal.shows("0:30 / 1:00")
    # A key that is pressed before the table has the focus is lost.
    terminal.shows("q quit")
    walk(terminal, steps)


@pytest.fixture
def held(sandbox: Sandbox, terminal: Terminal) -> Path:
    """Begin a run of four builds that hold until the file is gone; the screen is open."""
    hold = sandbox.root / "hold"
    hold.touch()
    sandbox.log = sandbox.root / "live.jsonl"
    trees = [make_setuptools_tree(sandbox.root / f"t{n}", f"t{n}") for n in range(4)]
    argv = ["env", f"HOLD={hold}", str(BIN / "wheelpool"), "build", *map(str, trees)]
    more = ["-j", "1", "--downloads", "4", "--log", str(sandbox.log), "-o", str(sandbox.out)]
    terminal.run([*argv, *more])
    wait_until(lambda: sandbox.running() == 1, terminal.screen)
    terminal.shows("[builds 1/1]")
    return hold


@pytest.mark.usefixtures("held")
def test_keys_of_leaving(terminal: Terminal) -> None:
    walk(terminal, LEAVING)


@pytest.mark.usefixtures("held")
def test_keys_of_a_run(terminal: Terminal) -> None:
    walk(terminal, CAPS + ENDS)
    terminal.type("C-c", "C-c")
    terminal.shows(" cancelled in")


def test_keys_of_another_process_s_run(sandbox: Sandbox, terminal: Terminal) -> None:
    hold = sandbox.root / "hold"
    hold.touch()
    trees = [make_setuptools_tree(sandbox.root / f"t{n}", f"t{n}") for n in range(3)]
    run = sandbox.start("build", *trees, "-j", "1", HOLD=str(hold))
    wait_until(lambda: sandbox.running() == 1, terminal.screen)
    terminal.run([str(BIN / "wheelpool"), "attach", str(sandbox.log)])
    terminal.shows("q detach")
    terminal.shows("[builds 1/1]")
    walk(terminal, ATTACHED)
    assert run.poll() is None
    hold.unlink()
    assert sandbox.finish(run).code == 0


def pressed() -> set[tuple[str, str]]:
    """Return what the walks press: ids of bindings with their keys."""
    walks = (*REPLAYS.values(), CAPS, ENDS, LEAVING, ATTACHED)
    return {(step.binding, step.key) for steps in walks for step in steps if step.binding}


def bound() -> set[tuple[str, str]]:
    """Return the ids and keys of the bindings of all screens, widgets and apps."""
    found: set[tuple[str, str]] = set()
    for module in pkgutil.walk_packages(app.tui.__path__, "app.tui."):
        if module.name == "app.tui.screens.compare":
            continue  # has sessions of its own
        for kind in vars(importlib.import_module(module.name)).values():
            if (
                isinstance(kind, type)
                and issubclass(kind, DOMNode)
                and kind.__module__ == module.name
            ):
                found |= {
                    (str(binding.id), key)
                    for binding in vars(kind).get("BINDINGS", ())
                    if isinstance(binding, Binding)
                    for key in binding.key.split(",")
                }
    return found


def test_every_key_is_pressed() -> None:
    assert bound() - pressed() == set(), "keys that no walk presses"
    assert pressed() - bound() == {("command_palette", "ctrl+p")}, "keys that are no more"


def test_every_key_is_in_the_help() -> None:
    told = {name for section in SECTIONS for line in section.lines for name in line.bindings}
    ids = {name for name, _ in bound() | {("command_palette", "")}}
    asked = {
        name
        for name in ids
        if name.partition(".")[0] in ("help", "manual", "question", "time", "cap", "budget")
    }
    dialogs = {"cap.close", "budget.close", "time.close", "question.yes", "question.no"}
    scrolling = {name for name in ids if name.startswith(("help.", "manual."))}
    assert ids - told == (dialogs | scrolling) & asked, "what they say themselves"
    assert told <= ids
