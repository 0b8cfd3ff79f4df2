"""What builds cost: whose each process is, in what order, and what of it is shown."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil
import pytest

from pool.common.model import BuildId, ProcessSample, RunId
from pool.common.text import format_command
from pool.system.sampler import Sampler, _Known, _Proc, _Process, _Psutil
from tests.support.child_processes import child_processes
from tests.support.in_tree_backend import until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

B1, B2 = BuildId("b1"), BuildId("b2")
US = os.getpid()


@dataclass
class Hands:
    """A clock that is set by hand."""

    at: float = 100.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Machine:
    """Processes as a test wants them."""

    there: list[_Process] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)

    def processes(self) -> Iterable[_Process]:
        return self.there

    def about(self, pid: int) -> _Known:
        self.asked.append(pid)
        return _Known(f"command of {pid}", self.marks.get(pid, ""))


def process(
    pid: int,
    ppid: int,
    session: int = 0,
    *,
    cpu: float = 0.0,
    name: str = "cc",
    age: float = 100.0,
) -> _Process:
    return _Process(pid, ppid, session or pid, name, pid << 20, cpu, started=1.0, age=age)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def sampler(machine: Machine, clock: Hands) -> Sampler:
    return Sampler(RunId("run"), clock, machine)


def pids(sampler: Sampler, build: BuildId, **roots: int) -> list[int]:
    sample = sampler.sample({BuildId(name): pid for name, pid in roots.items()})
    return [process.pid for process in sample.builds[build].processes]


def test_parents_come_before_their_children_and_sums_are_right(
    sampler: Sampler, machine: Machine
) -> None:
    machine.there = [
        process(40, 30),
        process(30, 20),
        process(20, US),
        process(35, 20),
        process(50, US),
    ]
    sample = sampler.sample({B1: 20, B2: 50})
    assert [shown.pid for shown in sample.builds[B1].processes] == [20, 30, 40, 35]
    assert sample.builds[B1].rss == (20 + 30 + 40 + 35) << 20
    assert sample.builds[B2].rss == 50 << 20
    assert sample.builds[B1].processes[1].command == "command of 30"
    assert 0 < sample.available <= sample.total


def test_orphans_are_known_by_session_then_by_marker(sampler: Sampler, machine: Machine) -> None:
    machine.there = [
        process(20, US),
        process(21, US, session=20),
        process(22, 1, session=20),
        process(23, US),
        process(24, 23),
        process(25, 1),
        process(26, US),
    ]
    machine.marks = {23: "run/b1", 25: "another/b1", 26: "run/b2"}
    assert pids(sampler, B1, b1=20) == [20, 22, 21, 23, 24]


def test_a_daemon_without_a_marker_is_known_if_it_was_seen_below_the_hook(
    sampler: Sampler, machine: Machine
) -> None:
    machine.there = [process(20, US), process(21, 20, session=21), process(30, US)]
    assert pids(sampler, B1, b1=20, b2=30) == [20, 21]
    machine.there = [process(20, US), process(21, 1, session=21), process(30, US)]
    assert pids(sampler, B1, b1=20, b2=30) == [20, 21]
    assert sampler.whose(21, machine.there[1].started) == B1
    machine.there[1] = replace(machine.there[1], started=7.0)
    assert sampler.whose(21, 7.0) is None
    assert pids(sampler, B1, b1=20, b2=30) == [20], "its pid is somebody else's by now"


def test_who_is_left_of_a_build_that_runs_no_hook_is_nobodys(
    sampler: Sampler, machine: Machine
) -> None:
    machine.there = [process(20, US), process(21, 20, session=21)]
    assert pids(sampler, B1, b1=20) == [20, 21]
    machine.there = [process(21, 1, session=21), process(30, US)]
    assert pids(sampler, B2, b2=30) == [30]


def test_a_hook_that_is_gone_leaves_nothing_or_its_orphans(
    sampler: Sampler, machine: Machine
) -> None:
    assert pids(sampler, B1, b1=20) == []
    machine.there = [process(21, US, session=20)]
    assert pids(sampler, B1, b1=20) == [21]


def test_percentages_are_of_one_core_since_the_tick_before(
    sampler: Sampler, machine: Machine, clock: Hands
) -> None:
    def percent() -> float:
        return sampler.sample({B1: 20}).builds[B1].processes[0].cpu

    machine.there = [process(20, US, cpu=7.0)]
    assert percent() == 7.0, "at first all that it did counts, for all its life"
    clock.at += 2.0
    machine.there = [process(20, US, cpu=8.0)]
    assert percent() == 50.0
    assert percent() == 0.0
    clock.at += 1.0
    machine.there = [replace(process(20, US, cpu=3.0, age=1.5), started=9.0)]
    assert percent() == 200.0, "a reused pid is seen for the first time"
    machine.there = [replace(process(20, US, cpu=0.02, age=0.0), started=10.0)]
    assert percent() == 20.0, "of one that has just begun there is little to say"


def test_each_process_is_asked_twice_until_it_becomes_another_program(
    sampler: Sampler, machine: Machine
) -> None:
    machine.there = [process(20, US), process(25, 1)]
    for _ in range(4):
        pids(sampler, B1, b1=20)
    assert sorted(machine.asked) == [20, 20, 25, 25]
    machine.there = [process(20, US, name="ld"), process(25, 1)]
    pids(sampler, B1, b1=20)
    assert sorted(machine.asked) == [20, 20, 20, 25, 25]
    machine.there = []
    pids(sampler, B1, b1=20)
    assert sampler._known == {}


def test_a_long_chain_of_forks_is_no_trouble(sampler: Sampler, machine: Machine) -> None:
    chain = [process(pid, pid - 1) for pid in range(1_000_001, 1_005_000)]
    machine.there = [process(1_000_000, US), *chain]
    assert len(pids(sampler, B1, b1=1_000_000)) == 5000


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["cc", "-c", "a b.c"], "cc -c 'a b.c'"),
        (["git", "clone", "https://me:s3cret@host/x"], "git clone https://***@host/x"),
        (["git", "clone", "https://s3@cret@host/x@v1"], "git clone https://***@host/x@v1"),
        (["git", "clone", "https://host/x@v1"], "git clone https://host/x@v1"),
        (["up", "--password", "s3cret", "-v"], "up --password *** -v"),
        (["up", "--token=s3cret", "x"], "up --token=*** x"),
        (["up", "--api-token", "s3cret"], "up --api-token ***"),
        (["up", "--password=a\nb"], "up --password=***"),
        (["up", "--tokens", "x"], "up --tokens x"),
        (["esc\x1b[2J\x07"], "'esc [2J '"),
        (["x" * 300], "x" * 200),
        ([], ""),
    ],
)
def test_command_lines_show_no_secrets_and_no_controls(words: list[str], shown: str) -> None:
    assert format_command(words) == shown


TREE = """
import subprocess, sys, time
inner = "import time; open('inner', 'w').close(); time.sleep(600)"
subprocess.Popen([sys.executable, "-S", "-c", inner, "--token", "s3cret"])
stray = "import time; open('stray', 'w').close(); time.sleep(600)"
middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', {stray!r}], start_new_session=True)"
subprocess.run([sys.executable, "-S", "-c", middle])
while True: pass
"""


@pytest.mark.parametrize("source", [_Proc, _Psutil])
async def test_a_real_tree_is_seen(tmp_path: Path, source: type[_Proc | _Psutil]) -> None:
    environ = {**os.environ, "WHEELPOOL_BUILD": "run/b1"}
    root = subprocess.Popen(
        [sys.executable, "-S", "-c", TREE], cwd=tmp_path, env=environ, start_new_session=True
    )
    inner, stray = tmp_path / "inner", tmp_path / "stray"
    await until(lambda: inner.exists() and stray.exists(), "all of them run")
    sampler = Sampler(RunId("run"), source=source())
    family: list[ProcessSample] = []

    def busy() -> bool:
        family[:] = sampler.sample({B1: root.pid}).builds[B1].processes
        return family[0].cpu > 10

    await until(busy, "the root's percentage")
    assert [shown.ppid for shown in family[:2]] == [US, root.pid]
    assert family[1].command.endswith("--token ***")
    assert all(shown.rss > 1 << 20 for shown in family)
    for shown in reversed(family):
        psutil.Process(shown.pid).kill()
    assert len(family) == 3
    reap(root, *(shown.pid for shown in family))


async def test_a_zombie_has_nothing_but_its_name() -> None:
    zombie = subprocess.Popen(["true"], start_new_session=True)
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    sample = Sampler(RunId("run")).sample({B1: zombie.pid})
    (shown,) = sample.builds[B1].processes
    assert (shown.command, shown.rss) == (shown.name, 0)
    assert sample.builds[B1].rss == 0
    reap(zombie)


def reap(root: subprocess.Popen[bytes], *orphans: int) -> None:
    """Leave no zombies; ours are also the orphans, if an earlier test made us adopt them."""
    root.wait()
    for child in child_processes():
        if child.pid in orphans:
            child.wait(30)
