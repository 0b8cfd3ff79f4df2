"""Many processes that install into one environment: all is there afterwards, and nothing torn."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

import pool
from pool.events import vocabulary as v
from tests.integration.sandbox import BIN, Sandbox, linked_tree, setuptools_tree
from tests.integration.target import Target

if TYPE_CHECKING:
    from pathlib import Path

STRESS = int(os.environ.get("WHEELPOOL_STRESS", "1"))
"""Rounds. With twenty, as many as a release wants to see, sixty-four processes take part."""
PROCESSES = 64 if STRESS >= 20 else 8
UV = BIN / "uv"
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


def events(log: Path) -> list[pool.Event]:
    with pool.JournalReader(log) as reader:
        return list(reader.read())


def start_uv(sandbox: Sandbox, tree: Path, target: Target) -> subprocess.Popen[str]:
    argv = [UV, "pip", "install", "-e", tree, "--python", target.python, "--no-index", "--offline"]
    return subprocess.Popen(
        [*argv, "--find-links", sandbox.wheels],
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
    trees = [linked_tree(sandbox.root / "trees", name) for name in names]
    leaf = linked_tree(sandbox.root / "trees", "leaf", requires=(names[0], names[-1]))
    for round_ in range(STRESS):
        target = Target(sandbox.root / f"env{round_}")
        with_wheelpool(sandbox, trees, target)
        with_leaf(sandbox, leaf, target, names)


@pytest.mark.stress
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not UV.exists(), reason="uv is not installed")
def test_half_of_them_by_uv(sandbox: Sandbox) -> None:
    names = [f"part{number}" for number in range(PROCESSES)]
    trees = [linked_tree(sandbox.root / "trees", name) for name in names]
    leaf = linked_tree(sandbox.root / "trees", "leaf", requires=(names[0], names[-1]))
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
    trees = [setuptools_tree(sandbox.root / "trees" / name, name, PLAIN_SETUP) for name in names]
    leaf = setuptools_tree(
        sandbox.root / "trees" / "leaf",
        "leaf",
        PLAIN_SETUP.replace("])", f"], install_requires={[names[0], names[-1]]})"),
    )
    target = Target(sandbox.root / "env")
    with_wheelpool(sandbox, trees, target)
    with_leaf(sandbox, leaf, target, names)
