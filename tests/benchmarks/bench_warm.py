"""Wall time of builds with warm hooks, in turns with cold ones and with uv.

One flit tree and one setuptools tree, new in every round, and ten trees of each in one run. Needs
the package index once, to warm the caches.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks.bench_trees import FLIT, SETUPTOOLS, Bench
from tests.benchmarks.contest import BIN, table, turns

TREES = 10


def time_wheelpool(bench: Bench, projects: list[str], flag: str) -> float:
    """Return the seconds of one run that builds new trees."""
    trees = [bench.new_tree(project, f"t{number}") for number, project in enumerate(projects)]
    start = time.perf_counter()
    bench.call(
        BIN / "wheelpool", "build", *trees, flag, "-j", "2", "-o", trees[0].parent / "out",
        "--no-ui", "-q",
    )  # fmt: skip
    return time.perf_counter() - start


def time_uv(bench: Bench, projects: list[str]) -> float:
    """Return the seconds of uv, which builds one tree after another."""
    trees = [bench.new_tree(project, f"t{number}") for number, project in enumerate(projects)]
    start = time.perf_counter()
    for tree in trees:
        bench.call(BIN / "uv", "build", "-q", "--wheel", tree, "-o", tree.parent / "out")
    return time.perf_counter() - start


def contests(bench: Bench) -> dict[str, dict[str, Callable[[], float]]]:
    """Return what is compared, by name."""
    sets = {
        "one flit tree": [FLIT],
        "one setuptools tree": [SETUPTOOLS],
        f"{TREES} flit trees, 2 slots": [FLIT] * TREES,
        f"{TREES} setuptools trees, 2 slots": [SETUPTOOLS] * TREES,
    }
    return {
        name: {
            "warm": partial(time_wheelpool, bench, projects, "--warm"),
            "cold": partial(time_wheelpool, bench, projects, "--no-warm"),
            **({"uv": partial(time_uv, bench, projects)} if len(projects) == 1 else {}),
        }
        for name, projects in sets.items()
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-warm-") as folder:
        bench = Bench(Path(folder))
        bench.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for name, tools in contests(bench).items():
            print(f"{name}, {given.rounds} rounds in turns")
            print(table(turns(tools, given.rounds), "warm"))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
