"""Wall time of installing fifty distributions, and of building them a second time.

All tools work on the same pinned set, in turns, caches warm: everything was downloaded, and built
where it is built, by the same tool before. Installs go into fresh environments that are made
before the clock starts; wheelpool compiles bytecode always, pip does by default, uv when told.

Needs the package index once, to warm the caches; pip asks it again each time.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.contest import BIN, Contest, table, turns
from tests.support.paths import PINNED


class Bench(Contest):
    """One place with the set, and a cache per tool."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.pins = root / "pins.txt"
        # The hashes are those of the index's files, and built wheels have others.
        self.pins.write_text(re.sub(r" \\\n\s+--hash=\S+", "", PINNED.read_text()))

    def installed(self, *argv: str | Path) -> float:
        """Seconds for one installation; the environment takes the place of ``ENV``."""
        environment = self.root / "venv"
        shutil.rmtree(environment, ignore_errors=True)
        self.call(BIN / "uv", "venv", "-q", "--python", sys.executable, environment)
        return self.timed(*(environment if word == "ENV" else word for word in argv))

    def built(self, *argv: str | Path) -> float:
        """Seconds for one build; the folder for what comes out takes the place of ``OUT``."""
        out = self.root / "out"
        shutil.rmtree(out, ignore_errors=True)
        return self.timed(*(out if word == "OUT" else word for word in argv))

    def timed(self, *argv: str | Path) -> float:
        start = time.perf_counter()
        self.call(*argv)
        return time.perf_counter() - start

    def installs(self) -> dict[str, Callable[[], float]]:
        wheelpool = (
            BIN / "wheelpool",
            "install",
            "-r",
            self.pins,
            "--into",
            "ENV",
            "--no-ui",
            "-q",
        )
        uv = (BIN / "uv", "pip", "install", "-q", "-r", self.pins, "--python", "ENV")
        pip = (sys.executable, "-m", "pip", "--python", "ENV", "install", "-q", "-r", self.pins)
        return {
            "wheelpool": lambda: self.installed(*wheelpool),
            "uv": lambda: self.installed(*uv),
            "uv --compile-bytecode": lambda: self.installed(*uv, "--compile-bytecode"),
            "pip": lambda: self.installed(*pip),
        }

    def builds(self) -> dict[str, Callable[[], float]]:
        # Each by its name: with :all:, what they are built with would be built from source too.
        names = re.findall(r"^[\w.-]+(?===)", self.pins.read_text(), re.MULTILINE)
        by_name = [word for name in names for word in ("--no-binary", name)]
        source = ("--no-deps", "-r", self.pins, *by_name)
        wheelpool = (BIN / "wheelpool", "build", "-r", self.pins, "-o", "OUT", "--no-ui", "-q")
        uv = (BIN / "uv", "pip", "install", "-q", *source, "--target", "OUT")
        pip = (sys.executable, "-m", "pip", "wheel", "-q", *source, "-w", "OUT")
        return {
            "wheelpool": lambda: self.built(*wheelpool),
            "uv --target": lambda: self.built(*uv),
            "pip wheel": lambda: self.built(*pip),
        }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--only", default="", help="installs or builds")
    arguments.add_argument("--without", default="", help="a tool to leave out")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-installs-") as folder:
        bench = Bench(Path(folder))
        contests = {"installs": bench.installs(), "builds": bench.builds()}
        for name, tools in contests.items():
            if given.only in ("", name):
                kept = {tool: timed for tool, timed in tools.items() if tool != given.without}
                print(f"{name}, {given.rounds} rounds in turns")
                print(table(turns(kept, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
