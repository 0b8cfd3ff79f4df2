"""The local projects of the recorded day: each is one kind of trouble, and really has it.

A `Day` says what differs from the day before: then all headers were there, and less grew.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Day", "local", "tree"]

SETUP = "from setuptools import Extension, setup\nsetup(name={name!r}, version={version!r}{more})\n"
HOLDS = """
import os, sys, time
if "HOLD" in os.environ and "bdist_wheel" in sys.argv:
    open(os.environ["HOLD"], "w").close()
    time.sleep(600)
"""
SLEEPS = """
import sys, time
if "bdist_wheel" in sys.argv:
    time.sleep({seconds})
"""
TAKES = """
import sys, time
if "bdist_wheel" in sys.argv:
    print("loading kernels", flush=True)
    kept = []
    for part in range({parts}):
        kept.append(b"x" * (32 << 20))
        print(f"[{{part + 1}}/{parts}] kernel of {{32 * (part + 1)}} MiB", flush=True)
        time.sleep({pause})
    time.sleep({rest})
"""
"""So much memory is taken step by step while the wheel is built, and kept for a while."""
TIGHT = """
import os, re, resource, sys
jobs = re.search(r"-j(\\d+)", os.environ.get("MAKEFLAGS", "-j1"))
if "bdist_wheel" in sys.argv and int(jobs[1]) > 2:
    resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))
"""
"""With more than two jobs its compilers really get no more than this; then they have it all."""
MAKES = """
import subprocess
from setuptools import setup
from setuptools.command.build_py import build_py

class Make(build_py):
    def run(self):
        subprocess.run(["make"], check=True)
        super().run()

setup(name={name!r}, version={version!r}, py_modules=["fast_math"], cmdclass={{"build_py": Make}})
"""
KERNELS = 10
MAKEFILE = "all: {objects}\n%.o: %.cpp\n\tg++ -O2 -c $< -o $@\n"
HEAVY = """
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>
bool kernel_{number}(const std::string& text) {{
    static const std::regex words("([a-z]+)-([0-9]+)");
    std::map<std::string, std::vector<double>> found;
    std::smatch match;
    if (std::regex_search(text, match, words)) found[match[1]].push_back({number});
    return !found.empty();
}}
"""


@dataclass(frozen=True, kw_only=True)
class Day:
    """The conditions of a recorded day."""

    well: bool
    """Whether what old-thing includes is installed, and compilers of tight-thing get all memory."""
    grown: int
    """Pieces of 32 MiB that growing-thing takes."""


def tree(folder: Path, name: str, version: str, more: str = "", requires: str = "") -> Path:
    """Make a setuptools project."""
    folder.mkdir(parents=True)
    (folder / "setup.py").write_text(SETUP.format(name=name, version=version, more=more))
    (folder / "pyproject.toml").write_text(
        f'[project]\nname = "{name}"\nversion = "{version}"\n'
        f'[build-system]\nrequires = ["setuptools"{requires}]\nbuild-backend = "setuptools.build_meta"\n'
    )
    return folder


def _before(folder: Path, code: str) -> None:
    """Let a project's setup.py do something first."""
    setup = folder / "setup.py"
    setup.write_text(code + setup.read_text())


def _sdist(root: Path, project: Path) -> None:
    """Pack a project into the folder that stands in for an index of sdists."""
    stem = project.name
    with tarfile.open(root / "links" / f"{stem}.tar.gz", "w:gz") as archive:
        archive.add(project, stem)


def _nested(root: Path) -> None:
    """Two that need a helper which exists as an sdist alone, and one whose helper cannot be built."""
    (root / "links").mkdir()
    helper = tree(root / "src" / "build_helper-0.9", "build-helper", "0.9")
    _before(helper, "import time\ntime.sleep(3)\n")
    _sdist(root, helper)
    broken = tree(root / "src" / "broken_helper-0.1", "broken-helper", "0.1")
    _before(broken, "import numpy\n")
    _sdist(root, broken)
    tree(root / "plugin-a", "plugin-a", "1.0", requires=', "build-helper"')
    tree(root / "plugin-b", "plugin-b", "1.0", requires=', "build-helper"')
    tree(root / "needs-broken", "needs-broken", "1.2", requires=', "broken-helper"')


def _compiled(root: Path, day: Day) -> None:
    """Projects that compile: without its header, with little memory, with all processors there are."""
    old = tree(
        root / "old-thing", "old-thing", "0.3", ", ext_modules=[Extension('old', ['old.c'])]"
    )
    include = "" if day.well else "#include <libpq-fe.h>\n"
    (old / "old.c").write_text(f"#include <stdio.h>\n{include}int x;\n")
    more = ", ext_modules=[Extension('tight', ['tight.cpp'])]"
    tight = tree(root / "tight-thing", "tight-thing", "1.4", more)
    (tight / "tight.cpp").write_text(HEAVY.format(number=1))
    if not day.well:
        _before(tight, TIGHT)
    fast = tree(root / "fast-math", "fast-math", "2.8")
    (fast / "setup.py").write_text(MAKES.format(name="fast-math", version="2.8"))
    (fast / "fast_math.py").touch()
    for number in range(KERNELS):
        (fast / f"kernel_{number:02}.cpp").write_text(HEAVY.format(number=number))
    objects = " ".join(f"kernel_{number:02}.o" for number in range(KERNELS))
    (fast / "Makefile").write_text(MAKEFILE.format(objects=objects))


def local(root: Path, day: Day) -> list[str]:
    """Make the projects of a day; return them as targets."""
    _nested(root)
    _compiled(root, day)
    core = tree(root / "my-core", "my-core", "2.1.0")
    _before(core, HOLDS)
    flash = tree(root / "flash-thing", "flash-thing", "2.8")
    _before(flash, TAKES.format(parts=22, pause=0.2, rest=4))
    growing = tree(root / "growing-thing", "growing-thing", "0.7")
    _before(growing, TAKES.format(parts=day.grown, pause=0.3, rest=9))
    big = tree(root / "big-thing", "big-thing", "3.0")
    _before(big, SLEEPS.format(seconds=1 if day.well else 60))
    names = ("old-thing", "my-core", "plugin-a", "plugin-b", "needs-broken", "flash-thing",
             "growing-thing", "tight-thing", "fast-math", "big-thing")  # fmt: skip
    return [f"./{name}" for name in names]
