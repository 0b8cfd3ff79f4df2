"""Wall time of small work, where start-up counts most: one tree, one cached tree, editables.

Each is measured in turns with what users would take instead, or with an interpreter that does
nothing. Trees are new in every round, so that no tool has seen them; the build requirements are in
the cache of each tool.

Needs the package index once, to warm the caches.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.benchmarks.contest import BIN, Contest, table, turns

EDITABLES = 24
FLIT = """
[build-system]
requires = ["flit_core>=3.12"]
build-backend = "flit_core.buildapi"
[project]
name = "{name}"
version = "1"
description = "{token}"
"""
SETUPTOOLS = """
[build-system]
requires = ["setuptools>=80"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "1"
description = "{token}"
[tool.setuptools]
py-modules = ["{name}"]
"""
Words = Sequence[str | Path]


class Bench(Contest):
    """One place with new trees for every round."""

    def new_tree(self, project: str, name: str = "tree") -> Path:
        """Make a tree with content that no tool has seen."""
        token = uuid.uuid4().hex
        tree = self.root / "trees" / token / name
        tree.mkdir(parents=True)
        (tree / "pyproject.toml").write_text(project.format(name=name, token=token))
        (tree / f"{name}.py").write_text('"""A module."""\n')
        return tree

    def time_one(self, words: Words) -> float:
        """Return the seconds of one command."""
        start = time.perf_counter()
        self.call(*words)
        return time.perf_counter() - start

    def time_tree(self, project: str, command: Callable[[Path, Path], Words]) -> float:
        """Return the seconds of a command with a new tree and an output folder."""
        tree = self.new_tree(project)
        return self.time_one(command(tree, tree.parent / "out"))

    def time_editables(self, command: Callable[[Sequence[Path], Path], list[Words]]) -> float:
        """Return the seconds of commands that all start at once, for a new environment."""
        trees = [self.new_tree(SETUPTOOLS, f"t{number}") for number in range(EDITABLES)]
        environment = self.root / "venv"
        shutil.rmtree(environment, ignore_errors=True)
        self.call(BIN / "uv", "venv", "-q", "--python", sys.executable, environment)
        commands = command(trees, environment)
        with ThreadPoolExecutor(len(commands)) as threads:
            start = time.perf_counter()
            list(threads.map(lambda words: self.call(*words), commands))
            return time.perf_counter() - start


def _wheelpool_build(tree: Path, out: Path) -> Words:
    return (BIN / "wheelpool", "build", tree, "-o", out, "--no-ui", "-q")


def _uv_build(tree: Path, out: Path) -> Words:
    return (BIN / "uv", "build", "-q", "--wheel", tree, "-o", out)


def _wheelpool_install(trees: Sequence[Path], environment: Path) -> Words:
    editables = [word for tree in trees for word in ("-e", tree)]
    return (BIN / "wheelpool", "install", *editables, "--into", environment, "--no-ui", "-q")


def _uv_install(trees: Sequence[Path], environment: Path) -> Words:
    editables = [word for tree in trees for word in ("-e", tree)]
    return (BIN / "uv", "pip", "install", "-q", *editables, "--python", environment)


def contests(bench: Bench) -> dict[str, dict[str, Callable[[], float]]]:
    """Return what is compared, by name; the first tool of each is wheelpool."""
    cached = bench.new_tree(SETUPTOOLS)

    return {
        "one flit tree": {
            "wheelpool": lambda: bench.time_tree(FLIT, _wheelpool_build),
            "uv": lambda: bench.time_tree(FLIT, _uv_build),
        },
        "one setuptools tree": {
            "wheelpool": lambda: bench.time_tree(SETUPTOOLS, _wheelpool_build),
            "uv": lambda: bench.time_tree(SETUPTOOLS, _uv_build),
        },
        "one cached tree": {
            "wheelpool": lambda: bench.time_one(_wheelpool_build(cached, cached.parent / "out")),
            "python -c pass": lambda: bench.time_one((sys.executable, "-c", "pass")),
        },
        f"{EDITABLES} editables, one command each": {
            "wheelpool": lambda: bench.time_editables(
                lambda trees, venv: [_wheelpool_install([tree], venv) for tree in trees]
            ),
            "uv": lambda: bench.time_editables(
                lambda trees, venv: [_uv_install([tree], venv) for tree in trees]
            ),
        },
        f"{EDITABLES} editables, one command": {
            "wheelpool": lambda: bench.time_editables(
                lambda trees, venv: [_wheelpool_install(trees, venv)]
            ),
            "uv": lambda: bench.time_editables(lambda trees, venv: [_uv_install(trees, venv)]),
        },
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--only", default="", help="a part of a name")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-trees-") as folder:
        bench = Bench(Path(folder))
        for name, tools in contests(bench).items():
            if given.only in name:
                print(f"{name}, {given.rounds} rounds in turns")
                print(table(turns(tools, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
