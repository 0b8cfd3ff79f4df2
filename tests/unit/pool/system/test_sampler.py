"""Samples: the build of each process, its order in the tree, its percentage and command line."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psutil
import pytest
from msgspec.structs import replace

from pool.common.model import BuildKey, ProcessSample
from pool.common.text import format_command
from pool.system.process_table import (
    LinuxProcessTable,
    ProcessDetails,
    ProcessEntry,
    PsutilProcessTable,
)
from pool.system.sampler import Sampler
from tests.support.build_keys import build_key
from tests.support.child_processes import child_processes
from tests.support.hook_backend import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

B1, B2 = build_key("b1"), build_key("b2")
US = os.getpid()


@dataclass
class Hands:
    """A clock that tests set."""

    at: float = 100.0

    def monotonic(self) -> float:
        return self.at

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class Machine:
    """A process table that tests fill."""

    running: list[ProcessEntry] = field(default_factory=list)
    marks: dict[int, str] = field(default_factory=dict)
    read: list[int] = field(default_factory=list)
    problem: OSError | None = None

    def processes(self) -> Iterable[ProcessEntry]:
        if self.problem is not None:
            raise self.problem
        return self.running

    def read_details(self, pid: int) -> ProcessDetails:
        self.read.append(pid)
        return ProcessDetails(f"command of {pid}", self.marks.get(pid, ""))


def process(
    pid: int,
    ppid: int,
    session: int = 0,
    *,
    cpu: float = 0.0,
    name: str = "cc",
    age: float = 100.0,
) -> ProcessEntry:
    return ProcessEntry(pid, ppid, session or pid, name, pid << 20, cpu, started=1.0, age=age)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def sampler(machine: Machine, clock: Hands) -> Sampler:
    return Sampler(clock, machine)


def pids(sampler: Sampler, build: BuildKey, **roots: int) -> list[int]:
    sample = sampler.sample({build_key(name): pid for name, pid in roots.items()})
    return [process.pid for process in sample.builds[build].processes]


def test_parents_come_before_children_and_rss_is_summed(sampler: Sampler, machine: Machine) -> None:
    machine.running = [
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


def test_orphans_are_found_by_session_or_marker(sampler: Sampler, machine: Machine) -> None:
    machine.running = [
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


def test_a_daemon_without_a_marker_belongs_to_the_hook_it_was_seen_below(
    sampler: Sampler, machine: Machine
) -> None:
    machine.running = [process(20, US), process(21, 20, session=21), process(30, US)]
    assert pids(sampler, B1, b1=20, b2=30) == [20, 21]
    machine.running = [process(20, US), process(21, 1, session=21), process(30, US)]
    assert pids(sampler, B1, b1=20, b2=30) == [20, 21]
    assert sampler.owner_of(21, machine.running[1].started) == B1
    machine.running[1] = replace(machine.running[1], started=7.0)
    assert sampler.owner_of(21, 7.0) is None
    assert pids(sampler, B1, b1=20, b2=30) == [20], "the pid is another process's by now"


def test_a_stray_of_a_build_without_a_hook_belongs_to_no_build(
    sampler: Sampler, machine: Machine
) -> None:
    machine.running = [process(20, US), process(21, 20, session=21)]
    assert pids(sampler, B1, b1=20) == [20, 21]
    machine.running = [process(21, 1, session=21), process(30, US)]
    assert pids(sampler, B2, b2=30) == [30]


def test_the_tree_of_an_ended_hook_has_only_its_orphans(sampler: Sampler, machine: Machine) -> None:
    assert pids(sampler, B1, b1=20) == []
    machine.running = [process(21, US, session=20)]
    assert pids(sampler, B1, b1=20) == [21]


def test_percentages_are_of_one_core_since_the_sample_before(
    sampler: Sampler, machine: Machine, clock: Hands
) -> None:
    def percent() -> float:
        return sampler.sample({B1: 20}).builds[B1].processes[0].cpu

    machine.running = [process(20, US, cpu=7.0)]
    assert percent() == 7.0, "the first sample covers the whole life"
    clock.at += 2.0
    machine.running = [process(20, US, cpu=8.0)]
    assert percent() == 50.0
    assert percent() == 0.0
    clock.at += 1.0
    machine.running = [replace(process(20, US, cpu=3.0, age=1.5), started=9.0)]
    assert percent() == 200.0, "a reused pid is a new process"
    machine.running = [replace(process(20, US, cpu=0.02, age=0.0), started=10.0)]
    assert percent() == 20.0, "a very young process has a minimum age"


def test_details_are_read_twice_until_exec(sampler: Sampler, machine: Machine) -> None:
    machine.running = [process(20, US), process(25, 1)]
    for _ in range(4):
        pids(sampler, B1, b1=20)
    assert sorted(machine.read) == [20, 20, 25, 25]
    machine.running = [process(20, US, name="ld"), process(25, 1)]
    pids(sampler, B1, b1=20)
    assert sorted(machine.read) == [20, 20, 20, 25, 25]
    machine.running = []
    pids(sampler, B1, b1=20)
    assert sampler._details == {}


def test_a_long_chain_of_forks_is_sampled(sampler: Sampler, machine: Machine) -> None:
    chain = [process(pid, pid - 1) for pid in range(1_000_001, 1_005_000)]
    machine.running = [process(1_000_000, US), *chain]
    assert len(pids(sampler, B1, b1=1_000_000)) == 5000


def test_a_failed_sample_loses_nothing(sampler: Sampler, machine: Machine, clock: Hands) -> None:
    machine.running = [process(20, US, cpu=7.0), process(21, 20, session=21)]
    assert pids(sampler, B1, b1=20) == [20, 21]
    clock.at += 1.0
    machine.problem = OSError(errno.EMFILE, "Too many open files")
    with pytest.raises(OSError, match="Too many open files"):
        sampler.sample({B1: 20})
    assert sampler.owner_of(21, machine.running[1].started) == B1
    machine.problem = None
    clock.at += 1.0
    machine.running = [process(20, US, cpu=8.0), process(21, 1, session=21)]
    shown = sampler.sample({B1: 20}).builds[B1].processes
    assert [(one.pid, one.cpu) for one in shown] == [(20, 50.0), (21, 0.0)]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("number", "fails"), [(errno.EMFILE, True), (errno.ENFILE, True), (errno.EIO, False)]
)
def test_only_a_lack_of_descriptors_makes_a_sample_invalid(
    monkeypatch: pytest.MonkeyPatch, number: int, fails: bool
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    table = LinuxProcessTable()
    monkeypatch.setattr("os.open", fail)
    if fails:
        with pytest.raises(OSError, match=os.strerror(number)):
            list(table.processes())
    else:
        assert list(table.processes()) == []


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
        (["up", "--tokens", "x"], "up --tokens ***"),
        (["up", "tokens", "x"], "up tokens x"),
        (["esc\x1b[2J\x07"], "'esc [2J '"),
        (["x" * 300], "x" * 200),
        ([], ""),
    ],
)
def test_command_lines_have_no_secrets_and_no_control_characters(
    words: list[str], shown: str
) -> None:
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


@pytest.mark.parametrize("source", [LinuxProcessTable, PsutilProcessTable])
async def test_a_real_tree_is_sampled(
    tmp_path: Path, source: type[LinuxProcessTable | PsutilProcessTable]
) -> None:
    environ = {**os.environ, "WHEELPOOL_BUILD": "run/b1"}
    root = subprocess.Popen(
        [sys.executable, "-S", "-c", TREE], cwd=tmp_path, env=environ, start_new_session=True
    )
    inner, stray = tmp_path / "inner", tmp_path / "stray"
    await wait_until(lambda: inner.exists() and stray.exists(), "all of them run")
    sampler = Sampler(table=source())
    family: list[ProcessSample] = []

    def busy() -> bool:
        family[:] = sampler.sample({B1: root.pid}).builds[B1].processes
        return family[0].cpu > 10

    await wait_until(busy, "the root's percentage")
    assert [shown.ppid for shown in family[:2]] == [US, root.pid]
    assert family[1].command.endswith("--token ***")
    assert all(shown.rss > 1 << 20 for shown in family)
    for shown in reversed(family):
        psutil.Process(shown.pid).kill()
    assert len(family) == 3
    reap(root, *(shown.pid for shown in family))


async def test_a_zombie_has_only_its_name() -> None:
    zombie = subprocess.Popen(["true"], start_new_session=True)
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    sample = Sampler().sample({B1: zombie.pid})
    (shown,) = sample.builds[B1].processes
    assert (shown.command, shown.rss) == (shown.name, 0)
    assert sample.builds[B1].rss == 0
    reap(zombie)


def reap(root: subprocess.Popen[bytes], *orphans: int) -> None:
    """Leave no zombies. An earlier test may have made this process adopt the orphans."""
    root.wait()
    for child in child_processes():
        if child.pid in orphans:
            child.wait(30)
