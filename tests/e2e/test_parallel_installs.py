"""Many processes and one environment: all is there afterwards, and who waits knows for whom."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import pool
from pool.events import types as v
from tests.support.lock_holders import OPEN
from tests.support.sandbox import BIN, Sandbox, make_editable_tree, make_setuptools_tree
from tests.support.target import Target
from tests.support.terminal import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

STRESS = int(os.environ.get("WHEELPOOL_STRESS", "1"))
"""Rounds. With twenty, as many as a release wants to see, sixty-four processes take part."""
PROCESSES = 64 if STRESS >= 20 else 8
UV = BIN / "uv"
HOLDS = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDWR | os.O_CREAT), 2); print(flush=True); input()"
STAYS = """
import time
open(os.environ["TIMES"], "w").write("start\\n")
while os.path.exists(os.environ["HOLD"]):
    time.sleep(0.01)
"""
PLAIN_SETUP = "from setuptools import setup\nsetup(name=NAME, version='1.0', py_modules=[NAME])\n"


def with_wheelpool(sandbox: Sandbox, trees: list[Path], target: Target) -> list[float]:
    """Install each tree by a process of its own; return for how long each had the lock."""
    started = []
    for tree in trees:
        process = sandbox.start("install", "-e", tree, "--into", target.path, "--no-index")
        started.append((process, sandbox.log))
    locked = []
    for process, log in started:
        done = sandbox.finish(process, log)
        assert done.code == 0, done.err
        assert done.state.environment
        assert [change.old for change in done.state.environment.changes] == [None]
        locked += [event.locked for event in events(log) if isinstance(event, v.EnvironmentChanged)]
    return locked


def events(log: Path) -> list[v.Event]:
    with pool.JournalReader(log) as reader:
        return list(reader.read())


def start_uv(sandbox: Sandbox, tree: Path, target: Target) -> subprocess.Popen[str]:
    flags = ["--no-index", "--offline", "--find-links", str(sandbox.wheels)]
    return subprocess.Popen(
        [str(UV), "pip", "install", "-e", str(tree), "--python", str(target.python), *flags],
        env=sandbox.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish_uv(started: list[subprocess.Popen[str]]) -> None:
    for process in started:
        told, _ = process.communicate(timeout=300)
        assert process.returncode == 0, told


def with_leaf(sandbox: Sandbox, leaf: Path, target: Target, names: list[str]) -> None:
    """Install what depends on two of them, with no index, and look at all of them."""
    done = sandbox.run("install", leaf, "--into", target.path, "--no-index")
    assert done.code == 0, done.err
    assert done.state.environment
    assert [change.name for change in done.state.environment.changes] == ["leaf"]
    assert target.versions() == dict.fromkeys([*names, "leaf"], "1.0")
    target.run("import leaf, " + ", ".join(names))
    target.check()


@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_many_editables_at_once_and_then_one_that_needs_two_of_them(sandbox: Sandbox) -> None:
    names = [f"part{number}" for number in range(PROCESSES)]
    trees = [make_editable_tree(sandbox.root / "trees", name) for name in names]
    leaf = make_editable_tree(sandbox.root / "trees", "leaf", requires=(names[0], names[-1]))
    for round_ in range(STRESS):
        target = Target(sandbox.root / f"env{round_}")
        with_wheelpool(sandbox, trees, target)
        with_leaf(sandbox, leaf, target, names)


@pytest.mark.stress
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not UV.exists(), reason="uv is not installed")
def test_half_of_them_by_uv(sandbox: Sandbox) -> None:
    names = [f"part{number}" for number in range(PROCESSES)]
    trees = [make_editable_tree(sandbox.root / "trees", name) for name in names]
    leaf = make_editable_tree(sandbox.root / "trees", "leaf", requires=(names[0], names[-1]))
    for round_ in range(STRESS):
        target = Target(sandbox.root / f"env{round_}")
        uvs = [start_uv(sandbox, tree, target) for tree in trees[1::2]]
        with_wheelpool(sandbox, trees[::2], target)
        finish_uv(uvs)
        with_leaf(sandbox, leaf, target, names)


@pytest.mark.stress
@pytest.mark.timeout(3600)
def test_with_setuptools_as_their_backend(sandbox: Sandbox) -> None:
    names = [f"part{number}" for number in range(PROCESSES // 2)]
    trees = [
        make_setuptools_tree(sandbox.root / "trees" / name, name, PLAIN_SETUP) for name in names
    ]
    leaf = make_setuptools_tree(
        sandbox.root / "trees" / "leaf",
        "leaf",
        PLAIN_SETUP.replace("])", f"], install_requires={[names[0], names[-1]]})"),
    )
    target = Target(sandbox.root / "env")
    with_wheelpool(sandbox, trees, target)
    with_leaf(sandbox, leaf, target, names)


# Waiting for the environment's lock


@contextmanager
def holding(lock: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Let another process hold a lock, until it reads a line or the block ends."""
    argv = [sys.executable, "-c", HOLDS, str(lock)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        process.stdout.readline()
        yield process
    finally:
        process.communicate(b"\n")


def test_a_waiting_install_names_the_holder_and_continues_after_it(sandbox: Sandbox) -> None:
    target = Target(sandbox.root / "env")
    tree = make_editable_tree(sandbox.root / "trees", "part")
    with holding(target.path / ".lock") as holder:
        process = sandbox.start("install", "-e", tree, "--into", target.path)
        log = sandbox.log
        wait_until(lambda: log.exists() and f'"pid":{holder.pid}' in log.read_text())
        assert target.versions() == {}
    done = sandbox.finish(process, log)
    assert done.code == 0, done.err
    assert f"pid {holder.pid}" in done.err
    waits = [event for event in events(log) if isinstance(event, v.LockWaiting)]
    assert {event.holder.pid for event in waits if event.holder} == {holder.pid}
    target.check()


def test_an_install_without_a_timeout_installs_nothing_and_names_the_holder(
    sandbox: Sandbox,
) -> None:
    target = Target(sandbox.root / "env")
    tree = make_editable_tree(sandbox.root / "trees", "part")
    with holding(target.path / ".lock") as holder:
        done = sandbox.run("install", "-e", tree, "--into", target.path, "--lock-timeout", "0.2")
    assert done.code == 1
    assert done.state.environment
    assert f"still locked by pid {holder.pid}" in done.state.environment.message
    assert f"still locked by pid {holder.pid}" in done.err
    assert done.outcome("part") is pool.Outcome.BUILT, "building needs no lock"
    assert target.versions() == {}
    assert not (target.path / ".wheelpool").exists()


@pytest.mark.skipif(not UV.exists(), reason="uv is not installed")
def test_uv_is_named_while_it_installs(sandbox: Sandbox) -> None:
    target = Target(sandbox.root / "env")
    tree = make_editable_tree(sandbox.root / "trees", "part")
    slow = make_editable_tree(sandbox.root / "trees", "slow", backend=STAYS)
    hold = sandbox.root / "hold"
    hold.touch()
    sandbox.environ["HOLD"] = str(hold)
    other = start_uv(sandbox, slow, target)
    wait_until(sandbox.times.exists)
    done = sandbox.run("install", "-e", tree, "--into", target.path, "--lock-timeout", "0.2")
    assert done.code == 1
    assert f"still locked by pid {other.pid}" in done.err
    assert "uv pip install" in done.err
    hold.unlink()
    finish_uv([other])
    assert target.versions() == {"slow": "1.0"}


def test_another_wheelpool_is_named(sandbox: Sandbox) -> None:
    target = Target(sandbox.root / "env")
    tree = make_editable_tree(sandbox.root / "trees", "late")
    # A script of that name holds the lock for as long as we like.
    script = sandbox.root / "wheelpool"
    script.write_text(
        OPEN.replace("sys.argv[1]", "sys.argv[2]").replace('sys.argv[2] == "lock"', "True")
    )
    lock = target.path / ".lock"
    lock.touch()
    with subprocess.Popen(
        [sys.executable, str(script), "install", str(lock)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout
        assert holder.stdout.readline() == "ready\n"
        late = sandbox.run("install", "-e", tree, "--into", target.path, "--lock-timeout", "0.2")
        holder.kill()
    assert late.code == 1
    assert f"still locked by pid {holder.pid}" in late.err
    assert "wheelpool install" in late.err
    assert target.versions() == {}
