"""All comparisons with other tools, one after another: ``python -m tests.benchmarks``.

Arguments go to each of them, for example ``--rounds 3``. Benchmarks of parts of wheelpool
(``bench_limiter`` and others) run by their own names.
"""

from __future__ import annotations

import os
import subprocess
import sys

COMPARISONS = (
    ("bench_trees",),
    ("bench_builds", "--set", "ten"),
    ("bench_builds", "--set", "pure", "--tools", "wheelpool,uv"),
    ("bench_builds", "--set", "c", "--tools", "wheelpool,uv"),
    ("bench_installs",),
)


def main() -> None:
    # With bytecode, as users have it.
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for name, *words in COMPARISONS:
        argv = [sys.executable, "-m", f"tests.benchmarks.{name}", *words, *sys.argv[1:]]
        subprocess.run(argv, check=True, env=environ)


if __name__ == "__main__":
    main()
