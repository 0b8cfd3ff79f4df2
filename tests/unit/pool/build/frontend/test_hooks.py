"""Hooks of odd backends: each failure has its message, and no process is left behind."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest
from msgspec.structs import replace

from pool.build.frontend.hooks import HookCall, HookResult, HookRunner
from pool.build.frontend.log_tail import LogTail
from pool.common.errors import BackendError, ProjectError
from pool.common.model import BuildKey, RunId
from tests.support.build_keys import build_key
from tests.support.child_processes import child_processes
from tests.support.hook_backend import (
    BUILDS_WHEEL,
    IGNORES_SIGTERM,
    STARTS_STRAY,
    WHEEL,
    hook_call,
    make_backend_tree,
    processes_in,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEFINE = "def build_wheel(directory, settings=None, metadata=None):\n    "


@pytest.fixture
def hooks() -> Iterator[HookRunner]:
    hooks = HookRunner(RunId("test-run"), workers=4)
    yield hooks
    hooks.close()
    assert child_processes() == [], "processes left behind, or not reaped"


async def run(hooks: HookRunner, call: HookCall) -> HookResult:
    return await hooks.call(call, on_start=lambda pid: None)


DAEMON = """
import os, pathlib, subprocess, sys, time
daemon = "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(600)"
middle = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', sys.argv[1]], env={}, start_new_session=True, stdout=2).pid)"
pid = subprocess.check_output([sys.executable, "-c", middle, daemon])
while not pathlib.Path("begun").exists():
    time.sleep(0.01)
pathlib.Path("pid").write_bytes(pid)
"""


async def test_a_daemon_without_a_marker_is_ended_if_it_was_sampled_below_the_hook(
    tmp_path: Path,
) -> None:
    tree = make_backend_tree(tmp_path, DAEMON + BUILDS_WHEEL)
    call = hook_call(tree)
    asked: list[float] = []

    def whose(pid: int, started: float) -> BuildKey | None:
        if pid != int((call.tree / "pid").read_text()):
            return None
        asked.append(started)
        return call.build

    hooks = HookRunner(RunId("test-run"), workers=1, owner_of=whose)
    await run(hooks, call)
    hooks.close()
    assert child_processes() == []
    assert asked, "it had left the session"
    assert asked[0] > 0


async def test_build_wheel_returns_the_name_of_the_wheel(hooks: HookRunner, tmp_path: Path) -> None:
    result = await run(hooks, hook_call(make_backend_tree(tmp_path, BUILDS_WHEEL)))
    assert result.value == WHEEL


async def test_the_peak_is_that_of_the_largest_process(hooks: HookRunner, tmp_path: Path) -> None:
    eater = "subprocess.run([sys.executable, '-c', 'import time; b\\'x\\' * (400 << 20)'])\n"
    result = await run(
        hooks,
        hook_call(make_backend_tree(tmp_path, "import subprocess, sys\n" + eater + BUILDS_WHEEL)),
    )
    assert 400 << 20 <= result.peak < 500 << 20


async def test_on_start_gets_the_pid_on_the_loops_thread(hooks: HookRunner, tmp_path: Path) -> None:
    call = hook_call(
        make_backend_tree(tmp_path, "import os; print(os.getpid(), flush=True)\n" + BUILDS_WHEEL)
    )
    told: list[tuple[int, asyncio.AbstractEventLoop]] = []
    await hooks.call(call, on_start=lambda pid: told.append((pid, asyncio.get_running_loop())))
    assert told == [(int(call.log.read_text()), asyncio.get_running_loop())]


async def test_a_backend_without_get_requires_has_no_requirements(
    hooks: HookRunner, tmp_path: Path
) -> None:
    call = hook_call(make_backend_tree(tmp_path, BUILDS_WHEEL), "get_requires_for_build_wheel")
    assert (await run(hooks, call)).value == []


async def test_config_settings_reach_the_backend(hooks: HookRunner, tmp_path: Path) -> None:
    tree = make_backend_tree(
        tmp_path,
        "def get_requires_for_build_wheel(s):\n    return [f'{k}={v}' for k, v in s.items()]",
    )
    settings: dict[str, str | list[str]] = {"--one": "1", "many": ["a", "b"]}
    call = hook_call(tree, "get_requires_for_build_wheel", config_settings=settings)
    assert (await run(hooks, call)).value == ["--one=1", "many=['a', 'b']"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise SystemExit(0)", r"ended without a result \(exit 0 from inside build_wheel\)"),
        ("import os; os._exit(0)", r"ended without a result"),
        ("return None", "returned None, not the name of a wheel"),
        ("return 7", "returned 7, not the name"),
        ("return '../x.whl'", "returned '../x.whl', which is outside of its folder"),
        ("return 'gone.whl'", "returned 'gone.whl', but there is no such file"),
        ("return {1, 2}", "returned a set, which is no valid result"),
        (
            "raise ValueError('of all things')",
            r"^ValueError: of all things \(build_wheel, exit code 1\)$",
        ),
        ("raise SystemExit(7)", "failed with exit code 7"),
        ("import os; os.kill(os.getpid(), 9)", "build_wheel was killed by SIGKILL"),
        ("import os; os.kill(os.getpid(), 11)", "build_wheel was killed by SIGSEGV"),
    ],
)
async def test_a_broken_hook_has_an_error_message(
    hooks: HookRunner, tmp_path: Path, body: str, message: str
) -> None:
    with pytest.raises(BackendError, match=message):
        await run(hooks, hook_call(make_backend_tree(tmp_path, DEFINE + body)))


async def test_hook_that_cannot_write_to_a_read_only_tree_has_the_hint_to_copy_it(
    hooks: HookRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = DEFINE + "raise PermissionError(13, 'Permission denied', 'build')"
    output = tmp_path / "build" / "out"
    output.mkdir(parents=True)
    call = replace(hook_call(make_backend_tree(tmp_path, body)), output=output)
    monkeypatch.setattr(os, "access", lambda path, mode: path != call.tree)
    with pytest.raises(BackendError) as caught:
        await run(hooks, call)
    assert "Permission denied: 'build'" in caught.value.message
    assert "the source tree is read-only" in caught.value.hint
    assert "--copy" in caught.value.hint
    monkeypatch.undo()
    with pytest.raises(BackendError) as caught:
        await run(hooks, call)
    assert "read-only" not in caught.value.hint


@pytest.mark.parametrize("value", ["None", "'setuptools'", "['a', 1]", "{'a': 'b'}"])
async def test_requirements_other_than_a_list_of_strings_are_refused(
    hooks: HookRunner, tmp_path: Path, value: str
) -> None:
    tree = make_backend_tree(tmp_path, f"def get_requires_for_build_wheel(s): return {value}")
    with pytest.raises(BackendError, match="not a list of requirements"):
        await run(hooks, hook_call(tree, "get_requires_for_build_wheel"))


async def test_a_missing_hook_is_named(hooks: HookRunner, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="no attribute 'build_wheel'"):
        await run(hooks, hook_call(make_backend_tree(tmp_path, "")))


async def test_a_missing_backend_is_named(hooks: HookRunner, tmp_path: Path) -> None:
    call = hook_call(make_backend_tree(tmp_path, ""), backend="flat_core.api", backend_path=())
    with pytest.raises(
        BackendError, match=r"flat_core.api cannot be imported: .*flat_core"
    ) as caught:
        await run(hooks, call)
    assert "requires" in caught.value.hint
    assert "flat-core" in caught.value.hint


async def test_a_missing_module_of_a_backend_is_named(hooks: HookRunner, tmp_path: Path) -> None:
    call = hook_call(make_backend_tree(tmp_path, "import Cython"))
    with pytest.raises(BackendError, match=r"odd cannot be imported: .*Cython") as caught:
        await run(hooks, call)
    assert caught.value.hint == "add cython to [build-system] requires in its pyproject.toml"


async def test_a_missing_in_tree_backend_is_named(hooks: HookRunner, tmp_path: Path) -> None:
    call = hook_call(make_backend_tree(tmp_path, ""), backend="gone")
    with pytest.raises(BackendError, match=r"gone cannot be imported: .*gone"):
        await run(hooks, call)


async def test_a_backend_path_outside_of_the_tree_is_refused(
    hooks: HookRunner, tmp_path: Path
) -> None:
    call = hook_call(make_backend_tree(tmp_path, ""), backend_path=("../..",))
    with pytest.raises(ProjectError, match="inside source tree"):
        await run(hooks, call)


async def test_warnings_of_a_backend_go_to_its_log(hooks: HookRunner, tmp_path: Path) -> None:
    tree = make_backend_tree(
        tmp_path, "import warnings; warnings.warn('mind the gap')\n" + BUILDS_WHEEL
    )
    call = hook_call(tree)
    await run(hooks, call)
    assert "mind the gap" in call.log.read_text()


async def test_a_million_lines_are_logged_and_counted(hooks: HookRunner, tmp_path: Path) -> None:
    body = "import sys; sys.stdout.write('x\\n' * 1_000_000); raise SystemExit('enough')"
    call = hook_call(make_backend_tree(tmp_path, DEFINE + body))
    with pytest.raises(BackendError, match=r"^enough \(build_wheel"):
        await run(hooks, call)
    tail = LogTail(call.log).poll()
    assert tail
    assert (tail.lines, tail.last) == (1_000_001, "enough")


async def test_error_messages_have_no_escape_sequences(hooks: HookRunner, tmp_path: Path) -> None:
    body = "raise SystemExit('\\x1b[2J\\x1b]0;title\\x07\\x9b31mred\\x1b[0m')"
    call = hook_call(make_backend_tree(tmp_path, DEFINE + body))
    with pytest.raises(BackendError, match=r"^red \("):
        await run(hooks, call)
    assert b"\x1b[2J" in call.log.read_bytes()


async def test_a_hook_has_no_stdin_and_its_own_session(hooks: HookRunner, tmp_path: Path) -> None:
    body = "import os, sys; raise SystemExit(f'{sys.stdin.read()!r} {os.getsid(0) == os.getpid()}')"
    with pytest.raises(BackendError, match=r"'' True \("):
        await run(hooks, hook_call(make_backend_tree(tmp_path, DEFINE + body)))


async def test_a_hook_inherits_the_lock_and_no_other_descriptor(
    hooks: HookRunner, tmp_path: Path
) -> None:
    body = "import os; raise SystemExit(' '.join(sorted(os.listdir('/proc/self/fd'))))"
    lock = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    other = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(other, True)
    try:
        with pytest.raises(BackendError) as caught:
            await run(hooks, hook_call(make_backend_tree(tmp_path, DEFINE + body), fds=(lock,)))
    finally:
        os.close(lock)
        os.close(other)
    inherited = {
        int(word) for word in caught.value.message.partition(" (")[0].rpartition(": ")[2].split()
    }
    # One more is the listing's own.
    assert inherited > {0, 1, 2, lock}
    assert len(inherited) == 5


async def test_a_removed_tree_is_named(hooks: HookRunner, tmp_path: Path) -> None:
    call = hook_call(tmp_path / "gone", backend_path=())
    with pytest.raises(FileNotFoundError, match="gone"):
        await run(hooks, call)


LEAVES = (
    STARTS_STRAY
    + """
def build_wheel(directory, settings=None, metadata=None):
    # One in the group, one out of it, one that is the child of one out of it, one nobody waits for.
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    stray("stray")
    code = STRAY_SOURCE + "stray('inner'); seen('inner'); open('outer', 'w').write('x'); time.sleep(600)"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    seen("stray", "inner", "outer")
    END
"""
).replace("STRAY_SOURCE", repr(STARTS_STRAY))


@pytest.mark.parametrize(
    "end", ["raise SystemExit(3)", "raise SystemExit(0)", "os.kill(os.getpid(), 9)"]
)
async def test_no_process_outlives_a_hook(hooks: HookRunner, tmp_path: Path, end: str) -> None:
    tree = make_backend_tree(tmp_path, LEAVES.replace("END", end))
    with pytest.raises(BackendError):
        await run(hooks, hook_call(tree))
    assert (tree / "outer").exists(), "they were never started"
    assert list(processes_in(tree)) == []


async def test_cancellation_sends_sigterm_and_then_kills_all(
    hooks: HookRunner, tmp_path: Path
) -> None:
    tree = make_backend_tree(tmp_path, IGNORES_SIGTERM)
    hooks._grace = 0.3
    task = asyncio.ensure_future(run(hooks, hook_call(tree)))
    await wait_until((tree / "ready").exists, "the hook runs")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tree / "asked").exists()
    assert list(processes_in(tree)) == []


async def test_a_second_cancellation_still_waits_for_the_end(
    hooks: HookRunner, tmp_path: Path
) -> None:
    tree = make_backend_tree(tmp_path, IGNORES_SIGTERM)
    task = asyncio.ensure_future(run(hooks, hook_call(tree)))
    await wait_until((tree / "ready").exists, "the hook runs")
    task.cancel()
    await wait_until((tree / "asked").exists, "it was asked to end")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(processes_in(tree)) == []


async def test_kill_all_gives_no_grace(hooks: HookRunner, tmp_path: Path) -> None:
    tree = make_backend_tree(tmp_path, IGNORES_SIGTERM)
    task = asyncio.ensure_future(run(hooks, hook_call(tree)))
    await wait_until((tree / "ready").exists, "the hook runs")
    hooks.kill_all(build_key().run)
    with pytest.raises(BackendError, match="killed by SIGKILL"):
        await task
    assert not (tree / "asked").exists()


async def test_a_hook_cancelled_in_the_queue_never_starts(tmp_path: Path) -> None:
    hooks = HookRunner(RunId("test-queue"), workers=1)
    tree = make_backend_tree(tmp_path, IGNORES_SIGTERM)
    first = asyncio.ensure_future(run(hooks, hook_call(tree)))
    await wait_until((tree / "ready").exists, "the hook runs")
    second = asyncio.ensure_future(run(hooks, hook_call(tree)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    hooks.kill_all(build_key().run)
    with pytest.raises(BackendError):
        await first
    with pytest.raises(asyncio.CancelledError):
        await second
    hooks.close()


async def test_the_end_of_one_build_does_not_end_processes_of_another(
    hooks: HookRunner, tmp_path: Path
) -> None:
    stubborn = make_backend_tree(tmp_path / "one", IGNORES_SIGTERM)
    task = asyncio.ensure_future(run(hooks, hook_call(stubborn)))
    await wait_until((stubborn / "ready").exists, "the hook runs")
    call = hook_call(make_backend_tree(tmp_path / "two", BUILDS_WHEEL))
    await run(hooks, replace(call, build=build_key("b2")))
    stray = int((stubborn / "stray").read_text())
    assert psutil.Process(stray).status() != psutil.STATUS_ZOMBIE
    hooks.kill_all(build_key().run)
    with pytest.raises(BackendError):
        await task
    assert not psutil.pid_exists(stray)


def test_signals_without_a_python_name_are_numbered() -> None:
    from pool.build.frontend.hooks import _signal_name

    assert _signal_name(signal.SIGKILL) == "SIGKILL"
    assert _signal_name(40) == "signal 40"
