"""The watchdog ends the hooks of a killed pool and no other process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from pool.common.model import RunId
from pool.system import watchdog
from pool.system.process import marker_variables
from tests.support.child_processes import child_processes
from tests.support.hook_backend import (
    BUILDS_WHEEL,
    IGNORES_SIGTERM,
    make_backend_tree,
    processes_in,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DRIVER = """
import asyncio, sys
from msgspec.structs import replace
from pathlib import Path
from pool.build.frontend.hooks import HookRunner
from tests.support.hook_backend import hook_call

async def main():
    hooks = HookRunner("driven-run", workers=4)
    async with asyncio.TaskGroup() as group:
        for number, tree in enumerate(sys.argv[1:]):
            call = replace(hook_call(Path(tree)), build=f"b{number}")
            group.create_task(hooks.call(call, on_start=lambda pid: None))
    hooks.close()

asyncio.run(main())
"""
SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


@pytest.fixture(autouse=True)
def _reaped() -> Iterator[None]:
    """Reap orphans of these tests: an earlier test may have made this process adopt them."""
    before = child_processes()
    yield
    for child in child_processes():
        if child not in before:
            child.wait(30)


def sleeper(*, run: str = "watched-run", session: bool = True) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", SLEEPER],
        env={**os.environ, **marker_variables(RunId(run))},
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


def watch(lines: str) -> None:
    """Run a watchdog whose pool writes some lines and ends."""
    subprocess.run(
        [sys.executable, "-I", "-S", watchdog.__file__, "watched-run"],
        input=lines.encode(),
        timeout=60,
        check=True,
    )


async def test_hooks_and_strays_of_a_killed_pool_end(tmp_path: Path) -> None:
    trees = [make_backend_tree(tmp_path / name, IGNORES_SIGTERM) for name in ("one", "two")]
    driver = driven(*trees)
    for tree in trees:
        await wait_until((tree / "ready").exists, "the hooks run")
        assert len(list(processes_in(tree))) == 2
    driver.kill()
    driver.wait()
    await wait_until(lambda: not any(list(processes_in(tree)) for tree in trees), "all are gone")


def test_the_watchdog_ends_with_its_pool(tmp_path: Path) -> None:
    assert driven(make_backend_tree(tmp_path, BUILDS_WHEEL)).wait(60) == 0
    watchdogs = [
        p for p in psutil.process_iter(["cmdline"]) if "driven-run" in (p.info["cmdline"] or ())
    ]
    assert watchdogs == []


def test_it_kills_groups_and_marked_processes() -> None:
    grouped, marked, stranger = sleeper(), sleeper(), sleeper(run="another-run")
    watch(f"+{grouped.pid}\n")
    assert grouped.wait(30) == -signal.SIGKILL
    assert marked.wait(30) == -signal.SIGKILL
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_it_kills_nothing_after_an_orderly_end() -> None:
    process = sleeper()
    watch(f"+{process.pid}\ndone\n")
    assert process.poll() is None
    process.kill()
    process.wait()


def test_it_does_not_kill_a_reused_pid() -> None:
    stranger = sleeper(run="another-run")
    watch(f"+{stranger.pid}\n")
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_it_does_not_kill_an_ended_group() -> None:
    stranger = sleeper(run="another-run")
    watch(f"+{stranger.pid}\n-{stranger.pid}\n+1\n-1\n")
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_it_ignores_a_torn_last_line() -> None:
    process = sleeper()
    watch(f"+{process.pid}\n+")
    assert process.wait(30) == -signal.SIGKILL
