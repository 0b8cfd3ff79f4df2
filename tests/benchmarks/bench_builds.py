"""Wall time of building sdists, against what a user would take instead.

All tools build the same sdists with the same number of slots, in turns, caches warm: the build
requirements of each are in its cache, the wheels to build are not (every round has fresh copies
of the sdists, at paths no tool has seen). Prints medians, ratios, and where wheelpool's time goes.

Needs the package index once, to fetch the sdists and to warm the caches.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pool
from tests.benchmarks.contest import BIN, Contest, table, turns

TEN = [
    "six==1.17.0",
    "idna==3.13",
    "attrs==26.1.0",
    "click==8.3.1",
    "packaging==26.2",
    "rich==14.2.0",
    "urllib3==2.6.3",
    "pluggy==1.6.0",
    "pytest==9.0.3",
    "tqdm==4.67.1",
]
SETS = {
    "ten": TEN,
    "pure": [
        *TEN,
        "alabaster==1.0.0",
        "anyio==4.16.0",
        "babel==2.18.0",
        "beautifulsoup4==4.15.0",
        "blinker==1.9.0",
        "build==1.6.1",
        "certifi==2026.10.18",
        "colorama==0.4.6",
        "docutils==0.22.4",
        "execnet==2.1.2",
        "flask==3.1.3",
        "h11==0.16.0",
        "h2==4.4.1",
        "hpack==4.2.0",
        "httpcore==1.0.9",
        "httpx==0.28.1",
        "hyperframe==6.1.0",
        "imagesize==2.0.1",
        "iniconfig==2.3.1",
        "itsdangerous==2.2.0",
        "jinja2==3.1.6",
        "markdown==3.11.3",
        "parso==0.8.7",
        "pygments==2.21.0",
        "requests==2.34.2",
        "soupsieve==2.10",
        "tabulate==0.10.0",
        "toolz==1.2.0",
        "werkzeug==3.1.9",
    ],
    "c": [
        "markupsafe==3.0.4",
        "wrapt==2.5.2",
        "simplejson==4.3.0",
        "zope.interface==8.7",
        "coverage==7.17.5",
        "psutil==7.2.2",
        "setproctitle==1.3.8",
        "xxhash==4.1.0",
        "bitarray==3.12.3",
        "immutables==0.21",
        "ujson==6.1.0",
        "multidict==7.2.1",
        "lazy-object-proxy==1.13.0",
        "hiredis==3.5.0",
        "msgpack==1.2.4",
    ],
}
"""Sets of sdists by name."""
Tool = Callable[[list[Path], Path], None]


class Bench(Contest):
    """One place with the sdists and a cache per tool."""

    def __init__(self, root: Path, slots: int) -> None:
        super().__init__(root, UV_CONCURRENT_BUILDS=str(slots))
        self.slots = slots
        self.journal = root / "run.jsonl"

    def fetched(self, names: Sequence[str]) -> list[Path]:
        """Have wheelpool download sdists, and return them from its cache."""
        out, log = self.root / "first", self.root / "first.jsonl"
        self.call(BIN / "wheelpool", "build", *names, "-o", out, "--no-ui", "-q", "--log", log)
        files = (self.root / "cache" / "wheelpool" / "files").glob("*/*.tar.gz")
        return sorted(files, key=lambda path: path.name)

    def wheelpool(self, sdists: list[Path], out: Path) -> None:
        self.call(
            BIN / "wheelpool", "build", *sdists, "-o", out, "-j", str(self.slots),
            "--no-ui", "-q", "--log", self.journal,
        )  # fmt: skip

    def uv(self, sdists: list[Path], out: Path) -> None:
        self.call(BIN / "uv", "pip", "install", "--no-deps", "--target", out, *sdists)

    def pip(self, sdists: list[Path], out: Path) -> None:
        self.call(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", out, *sdists)

    def build(self, sdists: list[Path], out: Path) -> None:
        def one(sdist: Path) -> None:
            tree = out / "trees" / sdist.name
            with tarfile.open(sdist) as archive:
                archive.extractall(tree, filter="data")
            self.call(sys.executable, "-m", "build", "--wheel", "-o", out, next(tree.iterdir()))

        with ThreadPoolExecutor(self.slots) as threads:
            list(threads.map(one, sdists))

    def timed(self, tool: Tool, originals: list[Path]) -> float:
        """Seconds for one round on copies that no tool has seen."""
        with tempfile.TemporaryDirectory(dir=self.root) as folder:
            fresh = Path(folder) / "sdists"
            fresh.mkdir()
            sdists = [Path(shutil.copy2(sdist, fresh)) for sdist in originals]
            out = Path(folder) / "out"
            start = time.perf_counter()
            tool(sdists, out)
            return time.perf_counter() - start


def phases(journal: Path) -> dict[str, float]:
    """Seconds per phase, summed over all builds of the last run."""
    state = pool.RunState()
    with pool.JournalReader(journal) as reader:
        pool.apply_all(state, reader.read())
    sums: dict[str, float] = {}
    for build in state.builds.values():
        for phase, seconds in build.phases.items():
            sums[phase.value] = sums.get(phase.value, 0.0) + seconds
    return sums


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--slots", type=int, default=2)
    arguments.add_argument("--tools", default="wheelpool,uv,pip,build")
    arguments.add_argument("--set", default="ten", choices=SETS, help="which sdists")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-builds-") as folder:
        bench = Bench(Path(folder), given.slots)
        sdists = bench.fetched(SETS[given.set])
        tools = {
            name: partial(bench.timed, getattr(bench, name), sdists)
            for name in given.tools.split(",")
        }
        times = turns(tools, given.rounds)
        print(f"{len(sdists)} sdists, {given.slots} at a time, {given.rounds} rounds in turns")
        print(table(times))
        print("  wheelpool, seconds per phase over all builds:")
        spent = phases(bench.journal)
        print("   ", "  ".join(f"{phase} {seconds:.2f}" for phase, seconds in spent.items()))


if __name__ == "__main__":
    main()
