"""Run the fast tests on every other supported interpreter that this machine has.

    python -m tests.interpreters              # all fast tests on each, in a .venv-3.X of its own
    python -m tests.interpreters tests/unit   # arguments go to pytest

An environment is created once and updated by pip in each later run. Exits with 1 if the tests of any
interpreter fail, after those of all have run.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.interpreters import interpreters
from tests.support.paths import ROOT

SUPPORTED = ("3.11", "3.12", "3.13", "3.14")


def main(arguments: list[str]) -> int:
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    failed = []
    for version in SUPPORTED:
        python = next(interpreters(version), None)
        if version == own or python is None:
            print(f"Python {version}: {'this one' if version == own else 'not found'}", flush=True)
            continue
        print(f"Python {version}: {python}", flush=True)
        if not passes(python, version, arguments):
            failed.append(version)
    if failed:
        print(f"Tests failed on Python {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def passes(python: Path, version: str, arguments: list[str]) -> bool:
    """Install into the version's environment and run pytest there."""
    env = ROOT / f".venv-{version}"
    bin_dir = env / "bin"
    if not env.exists():
        subprocess.run([python, "-m", "venv", env], check=True)
    install = [f"{bin_dir}/pip", "install", "-q", "-c", "requirements.lock", "-e", ".[test]"]
    subprocess.run(install, cwd=ROOT, check=True)
    tests = subprocess.run([f"{bin_dir}/pytest", *arguments], cwd=ROOT, check=False)
    return tests.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
