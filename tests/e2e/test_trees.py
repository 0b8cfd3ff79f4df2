"""Many processes on one source tree: each wheel is as good as if it had been built alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.sandbox import BIN, TIMED_SETUP, Sandbox, make_setuptools_tree

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

STRESS = int(os.environ.get("WHEELPOOL_STRESS", "1"))
"""Rounds of ten starts; twenty make the two hundred that a release wants to see."""

REGENERATES = """
import os, time
from pathlib import Path
from setuptools import setup

# As code generators do: truncate, then write piece by piece. get_requires runs it as well.
with open("generated.py", "w") as file:
    for number in range(200):
        file.write(f"x{number} = {number}\\n")
        file.flush()
        time.sleep(0.0005)
setup(name=NAME, version="1.0", py_modules=[NAME, "generated"])
"""

UV = BIN / "uv"


def contents(wheel: Path) -> dict[str, str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def odd_ones(wheels: list[Path]) -> dict[str, list[str]]:
    """Return the wheels that are not like the first one, with the members that differ."""
    first = contents(wheels[0])
    found = {str(wheel): dict_difference(contents(wheel), first) for wheel in wheels}
    return {wheel: members for wheel, members in found.items() if members}


def dict_difference(one: dict[str, str], other: dict[str, str]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def starts(
    sandbox: Sandbox, tree: Path, count: int, round_: int
) -> list[tuple[subprocess.Popen[str], Path]]:
    started = []
    for number in range(count):
        out = sandbox.root / f"out{round_}-{number}"
        log = sandbox.root / f"log{round_}-{number}.jsonl"
        argv = [
            str(BIN / "wheelpool"),
            "build",
            str(tree),
            "-o",
            str(out),
            "--no-ui",
            "--log",
            str(log),
        ]
        started.append((_start(argv, sandbox.environ), out))
    return started


def _start(argv: list[str], environ: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        argv,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(started: list[tuple[subprocess.Popen[str], Path]]) -> list[Path]:
    wheels: list[Path] = []
    for process, out in started:
        told, _ = process.communicate(timeout=300)
        assert process.returncode == 0, told
        wheels += out.glob("*.whl")
    return wheels


@pytest.mark.stress
@pytest.mark.parametrize("setup", ["plain", "regenerates"])
def test_ten_processes_on_one_tree_make_ten_equal_wheels(sandbox: Sandbox, setup: str) -> None:
    script = REGENERATES if setup == "regenerates" else TIMED_SETUP
    tree = make_setuptools_tree(sandbox.root / "tree", "tree", script)
    for round_ in range(STRESS):
        wheels = finished(starts(sandbox, tree, 10, round_))
        assert len(wheels) == 10
        first = contents(wheels[0])
        assert odd_ones(wheels) == {}
        assert setup == "plain" or "generated.py" in first


@pytest.mark.stress
@pytest.mark.skipif(not UV.exists(), reason="uv is not installed")
def test_five_of_uv_and_five_of_wheelpool_make_ten_equal_wheels(sandbox: Sandbox) -> None:
    """Without isolation: otherwise uv runs get_requires before it takes its lock (see the manual).

    That writes into the tree, so a build that copies from it meanwhile may find half a file.
    """
    tree = make_setuptools_tree(sandbox.root / "tree", "tree")
    environ = {
        **sandbox.environ,
        "UV_CACHE_DIR": str(sandbox.root / "uv-cache"),
        "UV_FIND_LINKS": str(sandbox.wheels),
        "UV_NO_INDEX": "1",
        "UV_PYTHON": sys.executable,
    }
    for round_ in range(STRESS):
        started = starts(sandbox, tree, 5, round_)
        for number in range(5):
            out = sandbox.root / f"uv{round_}-{number}"
            argv = [str(UV), "build", "--wheel", "--force-pep517", "--no-build-isolation"]
            argv += ["-o", str(out), str(tree)]
            started.append((_start(argv, environ), out))
        wheels = finished(started)
        assert len(wheels) == 10
        assert odd_ones(wheels) == {}
