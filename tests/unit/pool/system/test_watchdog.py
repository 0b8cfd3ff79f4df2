"""What is left of a pool that dies without a word: nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from pool.common.model import RunId
from pool.system import watchdog as watcher
from pool.system.process import marker
from tests.support.child_processes import child_processes
from tests.support.in_tree_backend import GOOD, STUBBORN, processes_in, tree_of, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DRIVER = """
import asyncio, dataclasses, sys
from pathlib import Path
from pool.build.frontend.hooks import HookRunner
from tests.support.in_tree_backend import hook_call

async def main():
    hooks = HookRunner("driven-run", workers=4)
    async with asyncio.TaskGroup() as group:
        for number, tree in enumerate(sys.argv[1:]):
            call = dataclasses.replace(hook_call(Path(tree)), build=f"b{number}")
            group.create_task(hooks.call(call, on_start=lambda pid: None))
    hooks.close()

asyncio.run(main())
"""
SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture(autouse=True)
def _reaped() -> Iterator[None]:
    """Reap what these tests' processes leave us: tests of hooks made us adopt orphans."""
    yield
    for child in child_processes():
        child.wait(30)


def sleeper(*, run: str = "watched-run", session: bool = True) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", SLEEPER],
        env={**os.environ, **marker(RunId(run))},
        stdout=subprocess.PIPE,
        start_new_session=session,
    )
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    process.stdout.close()
    return process


def driven(*trees: Path) -> subprocess.Popen[bytes]:
    """Start a pool in a process of its own that builds some trees."""
    return subprocess.Popen([sys.executable, "-c", DRIVER, *map(str, trees)])


def watch(told: str) -> None:
    """Run a watcher whose pool says this much, then ends."""
    subprocess.run(
        [sys.executable, "-I", "-S", watcher.__file__, "watched-run"],
        input=told.encode(),
        timeout=60,
        check=True,
    )


async def test_a_killed_pool_takes_its_hooks_and_their_strays_along(tmp_path: Path) -> None:
    trees = [tree_of(tmp_path / name, STUBBORN) for name in ("one", "two")]
    driver = driven(*trees)
    for tree in trees:
        await until((tree / "ready").exists, "the hooks run")
        assert len(list(processes_in(tree))) == 2
    driver.kill()
    driver.wait()
    await until(lambda: not any(list(processes_in(tree)) for tree in trees), "all are gone")


def test_a_pool_that_ends_well_leaves_no_watcher(tmp_path: Path) -> None:
    assert driven(tree_of(tmp_path, GOOD)).wait(60) == 0
    watchers = [
        p for p in psutil.process_iter(["cmdline"]) if "driven-run" in (p.info["cmdline"] or ())
    ]
    assert watchers == []


def test_it_kills_groups_then_what_has_the_marker() -> None:
    grouped, marked, stranger = sleeper(), sleeper(), sleeper(run="another-run")
    watch(f"+{grouped.pid}\n")
    assert grouped.wait(30) == -signal.SIGKILL
    assert marked.wait(30) == -signal.SIGKILL
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_it_leaves_all_alone_after_an_orderly_end() -> None:
    process = sleeper()
    watch(f"+{process.pid}\ndone\n")
    assert process.poll() is None
    process.kill()
    process.wait()


def test_it_leaves_a_reused_pid_alone() -> None:
    stranger = sleeper(run="another-run")
    watch(f"+{stranger.pid}\n")
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_it_forgets_what_has_ended() -> None:
    stranger = sleeper(run="another-run")
    watch(f"+{stranger.pid}\n-{stranger.pid}\n+1\n-1\n")
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_it_overlooks_a_torn_last_line() -> None:
    process = sleeper()
    watch(f"+{process.pid}\n+")
    assert process.wait(30) == -signal.SIGKILL
