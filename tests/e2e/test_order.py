"""The order of builds, and the effect of --copy and -C on a build."""

from __future__ import annotations

import subprocess
import sys

import pool
from pool.events import types as v
from tests.support.sandbox import CommandResult, Sandbox, make_setuptools_tree

NAPS = "import time\ntime.sleep({seconds})\nfrom setuptools import setup\nsetup(name=NAME, version='1.0')\n"


def begun(done: CommandResult, sandbox: Sandbox) -> list[str]:
    """Return the names of builds in the order in which they first had a slot."""
    with pool.JournalReader(sandbox.log) as reader:
        builds = [event.build for event in reader.read() if isinstance(event, v.BuildStarted)]
    return [done.state.builds[build].name for build in dict.fromkeys(builds)]


def test_the_longest_of_earlier_runs_goes_first(sandbox: Sandbox) -> None:
    # The first build makes the environment, which takes long on a busy machine.
    sandbox.run("build", make_setuptools_tree(sandbox.root / "first", "first"))
    naps = {"short": 0.0, "long": 2.4, "middle": 1.2}
    trees = [
        make_setuptools_tree(sandbox.root / name, name, NAPS.format(seconds=seconds))
        for name, seconds in naps.items()
    ]
    first = sandbox.run("build", *trees, "-j", "1")
    assert begun(first, sandbox) == ["short", "long", "middle"], "as given, with nothing known"
    second = sandbox.run("build", *trees, "-j", "1", "--no-cache")
    assert begun(second, sandbox) == ["long", "middle", "short"]
    assert all(build.expected for build in second.state.builds.values())


def test_a_copy_needs_no_lock_and_leaves_the_tree_alone(sandbox: Sandbox) -> None:
    tree = make_setuptools_tree(sandbox.root / "tree", "tree")
    before = sorted(tree.iterdir())
    holds = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), 2); print(flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", holds, str(tree)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout
    holder.stdout.readline()
    done = sandbox.run("build", tree, "--copy")
    assert done.code == 0, done.err
    assert sorted(tree.iterdir()) == before
    late = sandbox.run("build", tree, "--lock-timeout", "0.2")
    assert late.code == 1
    (build,) = late.state.builds.values()
    assert f"still locked by pid {holder.pid}" in build.message
    holder.communicate(b"\n")


def test_config_settings_reach_the_backend(sandbox: Sandbox) -> None:
    tree = sandbox.root / "tree"
    tree.mkdir()
    (tree / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
    )
    (tree / "b.py").write_text(
        "def build_wheel(out, config_settings=None, metadata=None):\n    raise ValueError(config_settings)\n"
    )
    done = sandbox.run("build", tree, "-C", "a=1", "-C", "b=2", "-C", "b=3")
    (build,) = done.state.builds.values()
    assert "{'a': '1', 'b': ['2', '3']}" in build.message
