"""A real terminal of 80x24 without colours and glyphs: every state can still be told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import pool
from pool.common.model import BuildId, Holder, LimitName, Outcome, Phase, RunId, WaitFor
from pool.events import types as v
from tests.support.sandbox import BIN, Sandbox
from tests.support.terminal import Terminal, needs_tmux

pytestmark = [pytest.mark.slow, needs_tmux]
GIB = 1 << 30
HEADER = v.Header(
    wheelpool="1", schema=1, run=RunId("r"), started="2026-11-21T03:12:05+00:00", argv=(),
    python="3.11", host=v.Host(cpus=2, memory=8 * GIB),
)  # fmt: skip
ROWS = {
    "runs": ("> runs", "build"),
    "broken": ("x broken", "failed", "no compiler"),
    "locked": ("~ locked", "locked", "held by uv (pid 41)"),
    "big": ("~ big", "memory", "needs 4.0 GiB"),
    "needy": ("~ needy", "needs", "runs (building)"),
    "loads": ("~ loads", "fetching", "x.tar.gz"),
    "first": (". first", "queued", "2nd in queue"),
    "second": (". second", "queued", "3rd in queue"),
    "halted": ("- halted", "cancelled"),
    "made": ("= made", "built"),
}
"""The words that the line of each build must contain; the head of the queue waits for memory."""


@pytest.fixture
def terminal(sandbox: Sandbox) -> Iterator[Terminal]:
    terminal = Terminal(sandbox.root, sandbox.environ, width=80, height=24)
    yield terminal
    terminal.close()


def every_state(path: Path) -> None:
    """Write a journal with a build in each state."""
    ids = {name: BuildId(f"b{number}") for number, name in enumerate(ROWS, 1)}
    queued = [
        v.BuildQueued(
            build=build, name=name, target=name, log=name,
            priority=(1, 0.0, 0 if name == "big" else int(build[1:])),
        )
        for name, build in ids.items()
    ]  # fmt: skip
    holder = Holder(pid=41, command="uv")
    limits = {LimitName.BUILDS: 1, LimitName.MEMORY: 4 * GIB}
    story: list[v.KnownEvent] = [
        v.RunStarted(limits=limits, targets=len(ROWS), out_dir="o", logs="l"),
        *queued,
        v.BuildStarted(build=ids["runs"], slot=1, reserved=3 * GIB),
        v.BuildPhase(build=ids["runs"], phase=Phase.BUILD),
        v.BuildFinished(build=ids["broken"], outcome=Outcome.FAILED, message="no compiler"),
        v.BuildWaiting(build=ids["locked"], for_=WaitFor.LOCK, on="/tree", holder=holder),
        v.BuildWaiting(build=ids["big"], for_=WaitFor.MEMORY, needs=4 * GIB, free=GIB),
        v.BuildWaiting(build=ids["needy"], for_=WaitFor.DEPENDENCY, builds=(ids["runs"],)),
        v.BuildWaiting(build=ids["loads"], for_=WaitFor.DOWNLOAD, on="x.tar.gz"),
        v.BuildFinished(build=ids["halted"], outcome=Outcome.CANCELLED),
        v.BuildFinished(build=ids["made"], outcome=Outcome.BUILT),
        v.Sample(builds=(), machine=v.MachineMemory(total=8 * GIB, available=GIB, stall=40.0)),
    ]
    lines = [pool.encode_header(HEADER)]
    for number, event in enumerate(story, 1):
        stamped = msgspec.structs.replace(event, seq=number, t=number / 1000)
        lines.append(pool.encode(stamped))
    path.write_bytes(b"\n".join(lines) + b"\n")


def test_every_state_is_distinct(sandbox: Sandbox, terminal: Terminal) -> None:
    journal = sandbox.root / "run.jsonl"
    every_state(journal)
    plain = ["env", "NO_COLOR=1", "PYTHONIOENCODING=ascii", str(BIN / "wheelpool")]
    terminal.run([*plain, "replay", str(journal)])
    terminal.shows("= made")
    terminal.shows("builds 1/1")
    terminal.shows("builds |")
    screen = terminal.screen()
    assert screen.isascii()
    assert "\\u" not in screen, "characters of a frame"
    assert re.search(r"done\s+time\s+memory doing", screen)
    lines = screen.splitlines()
    for name, words in ROWS.items():
        line = next(line for line in lines if words[0] in line)
        assert all(word in line for word in words), f"{name}: {line}"
    shown = terminal.tmux("capture-pane", "-t", "t", "-p", "-e")
    assert not re.search(r"\x1b\[(?:\d+;)*[34][1-6]m", shown), "no colour says anything"
