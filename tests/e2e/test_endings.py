"""However a run ends: no process stays, nothing half-written is seen, what failed is kept."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import psutil
import pytest

import pool
from tests.support.mounts import mounted
from tests.support.sandbox import Sandbox, make_setuptools_tree
from tests.support.terminal import wait_until

if TYPE_CHECKING:
    pass

pytestmark = pytest.mark.slow

SPAWNS = """
import os, subprocess, sys, time
from pathlib import Path
from setuptools import setup

mark = Path(os.environ["TIMES"])
# A child, a grandchild, and one that leaves the session, all told by their argument.
for new_session in (False, True):
    subprocess.Popen([sys.executable, "-c", "import subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', sys.argv[1]]);"
        "time.sleep(600)", str(mark)], start_new_session=new_session)
time.sleep(0.3)
mark.touch()
if os.environ.get("STAY"):
    time.sleep(600)
setup(name=NAME, version="1.0", py_modules=[NAME])
"""


def left(sandbox: Sandbox) -> list[psutil.Process]:
    """Processes, other than the command itself, that have the sandbox in their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = process.info["cmdline"] or []
        if str(sandbox.times) in words and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def test_processes_left_by_a_successful_build_are_ended(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree", SPAWNS)
    done = sandbox.run("build", tree)
    assert done.code == 0, done.err
    assert left(sandbox) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_all_processes(sandbox: Sandbox, number: signal.Signals) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree", SPAWNS)
    other = make_setuptools_tree(sandbox.root / "other", "other")
    process = sandbox.start("build", tree, other, "-j", "1", STAY="1")
    wait_until(sandbox.times.exists)
    process.send_signal(number)
    done = sandbox.finish(process)
    assert done.code == 130
    assert left(sandbox) == []
    assert {build.outcome for build in done.state.builds.values()} == {pool.Outcome.CANCELLED}
    assert done.state.exit_code == 130


def test_hooks_die_with_a_killed_run(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree", SPAWNS)
    process = sandbox.start("build", tree, STAY="1")
    wait_until(sandbox.times.exists)
    assert left(sandbox)
    process.kill()
    process.communicate()
    wait_until(lambda: not left(sandbox))
    # The lock of the tree and the folders of the dead run are no obstacle to the next one.
    tree2 = make_setuptools_tree(sandbox.root / "again", "again")
    done = sandbox.run("build", tree2)
    assert done.code == 0, done.err
    builds = sandbox.root / "cache" / "wheelpool" / "builds"
    assert list(builds.iterdir()) == []


def test_a_failed_build_preserves_its_files_and_prints_its_command(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree", "import no_such_module_anywhere\n")
    good = make_setuptools_tree(sandbox.root / "good", "good")
    done = sandbox.run("build", tree, good)
    assert done.code == 1
    assert done.outcome("good") is pool.Outcome.BUILT
    build = next(build for build in done.state.builds.values() if build.name == "tree")
    assert build.outcome is pool.Outcome.FAILED
    assert "No module named 'no_such_module_anywhere'" in build.message
    log = pool.logs_path(sandbox.log) / build.log
    assert "no_such_module_anywhere" in log.read_text()
    again = subprocess.run(["sh", "-c", build.rerun], capture_output=True, text=True, check=False)
    assert again.returncode != 0
    assert "No module named 'no_such_module_anywhere'" in again.stderr
    # Mended, the same line works.
    (tree / "setup.py").write_text("from setuptools import setup\nsetup(name='tree')\n")
    again = subprocess.run(["sh", "-c", build.rerun], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr


def test_a_full_disk_fails_the_build_and_leaves_nothing_half_written(sandbox: Sandbox) -> None:
    out = sandbox.root / "small"
    out.mkdir()
    with mounted(out, size="64k"):
        tree = make_setuptools_tree(sandbox.root / "tree", "tree")
        (tree / "tree.py").write_bytes(os.urandom(200_000).hex().encode())
        good = make_setuptools_tree(sandbox.root / "good", "good")
        sandbox.out = out
        done = sandbox.run("build", tree, good)
        assert done.code == 1
        assert done.outcome("good") is pool.Outcome.BUILT
        build = next(build for build in done.state.builds.values() if build.name == "tree")
        assert "no space left on device" in build.message
        assert [path.name for path in out.iterdir()] == ["good-1.0-py3-none-any.whl"]


def test_the_command_to_run_again_is_one_for_a_shell(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "a tree's", "odd", "raise SystemExit('no')\n")
    done = sandbox.run("build", tree)
    build = next(iter(done.state.builds.values()))
    assert shlex.split(build.rerun)[:2] == ["cd", str(tree)]


def test_stop_signal_stops_the_hooks_and_their_time(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree")
    (hold := sandbox.root / "hold").touch()
    process = sandbox.start("build", tree, HOLD=str(hold))
    wait_until(lambda: sandbox.running() == 1)
    pids = {int(line.split()[1]) for line in sandbox.times.read_text().splitlines()}
    process.send_signal(signal.SIGTSTP)
    stopped = [psutil.Process(pid) for pid in (process.pid, *pids)]
    wait_until(lambda: {one.status() for one in stopped} == {psutil.STATUS_STOPPED})
    time.sleep(3)
    hold.unlink()
    process.send_signal(signal.SIGCONT)
    done = sandbox.finish(process)
    assert done.code == 0
    (build,) = (one for one in done.state.builds.values() if one.name == "tree")
    assert build.seconds is not None
    assert build.seconds < 3
