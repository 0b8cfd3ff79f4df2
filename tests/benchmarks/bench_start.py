"""Start-up: questions to the command line, a cached and a fresh build of a tree with its backend.

Measured in turns with an interpreter that does nothing, and with ``uv build``. The backend of the
tree lies in the tree, so nothing but start-up, one environment and its hooks takes time. Bytecode
is cached. The spread of ``python -c pass`` is the noise of the machine. Needs no index.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.contest import BIN, Contest, table, turns
from tests.support.makers import make_tree

BARE = "python -c pass"


class Bench(Contest):
    """One place with trees whose backends lie in them."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.environ.pop("PYTHONDONTWRITEBYTECODE", None)

    def time(self, *words: str | Path) -> float:
        """Return the seconds of one command."""
        start = time.perf_counter()
        self.call(*words)
        return time.perf_counter() - start

    def new_tree(self) -> Path:
        """Make a tree that no tool has seen."""
        return make_tree(self.root / uuid.uuid4().hex, "trivial")

    def build(self, tree: Path) -> float:
        """Return the seconds of a build by wheelpool."""
        out = tree.parent / "out"
        return self.time(BIN / "wheelpool", "build", tree, "-o", out, "--no-ui", "-q")

    def uv_build(self, tree: Path) -> float:
        """Return the seconds of a build by uv."""
        return self.time(BIN / "uv", "build", "-q", "--wheel", tree, "-o", tree.parent / "uv-out")


def tools(bench: Bench) -> dict[str, Callable[[], float]]:
    """Return what is measured, by name."""
    cached = bench.new_tree()
    # The first run after a build reads the history, and leaves its rows for later runs.
    bench.build(cached)
    measured = {
        BARE: lambda: bench.time(sys.executable, "-c", "pass"),
        "--version": lambda: bench.time(BIN / "wheelpool", "--version"),
        "--help": lambda: bench.time(BIN / "wheelpool", "--help"),
        "cached build": lambda: bench.build(cached),
        "fresh build": lambda: bench.build(bench.new_tree()),
    }
    if (BIN / "uv").exists():
        measured["uv build"] = lambda: bench.uv_build(bench.new_tree())
    return measured


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=7)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-start-") as folder:
        times = turns(tools(Bench(Path(folder))), given.rounds)
        print(f"start-up, {given.rounds} rounds in turns")
        for name in times:
            if name != BARE:
                print(table({name: times[name], BARE: times[BARE]}, name))


if __name__ == "__main__":
    main()
