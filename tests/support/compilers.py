"""Compilers that are counted from outside, and native trees of many kinds that call them.

``CC`` is a wrapper, in C so that it starts at once, that notes when it begins and ends. It sleeps
instead of computing, so that what is counted does not depend on how busy the machine is. As
RUSTC_WRAPPER it sleeps, and has the real rustc do its work. Trees wait for each other before
they compile, so that none takes all jobs before the others have begun, and once more with their
first file in hand, for what calls a compiler takes its time, too: only where all compile is
something to count.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.sandbox import Sandbox

COMPILE_SECONDS = 0.4
FILES = 10

WRAPPER = r"""
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void tell(const char *what, const char *unit) {
    struct timespec now;
    char line[256];
    int log = open(LOG, O_WRONLY | O_APPEND | O_CREAT, 0600);
    clock_gettime(CLOCK_MONOTONIC, &now);
    int length = sprintf(line, "%s %ld.%09ld %.99s\n", what, (long)now.tv_sec, now.tv_nsec, unit);
    if (write(log, line, length) < 0) _exit(3);
    close(log);
}

static int begun(const char *gate) {
    int trees = -2;
    DIR *folder = opendir(gate);
    while (folder && readdir(folder)) trees++;
    if (folder) closedir(folder);
    return trees;
}

static int gather(const char *gate, const char *tree) {
    const char *all = getenv("TREES_TOGETHER");
    char mark[256];
    mkdir(gate, 0700);
    snprintf(mark, sizeof mark, "%s/%s", gate, tree);
    close(open(mark, O_WRONLY | O_CREAT, 0600));
    for (int tries = 0; all && begun(gate) < atoi(all); tries++) {
        if (tries == 6000) return 4;
        usleep(10000);
    }
    return 0;
}

int main(int count, char **words) {
    const char *unit = 0;
    char tree[99] = "";
    if (count == 3 && !strcmp(words[1], "--gather")) return gather(GATE "-begun", words[2]);
    int rust = count > 1 && strstr(words[1], "rustc"), state = 0;
    for (int i = 1; i < count; i++)
        if (strstr(words[i], "unit-")) unit = strstr(words[i], "unit-");
    if (!rust) words[0] = "cc";
    if (!unit) {
        execvp(words[rust], words + rust);
        return 127;
    }
    sscanf(unit, "unit-%98[^-]", tree);
    if (gather(GATE "-compile", tree)) return 4;
    tell("start", unit);
    usleep(NAP);
    if (rust && !fork()) {
        execvp(words[1], words + 1);
        _exit(127);
    }
    if (rust) wait(&state);
    for (int i = 1; i + 1 < count && !rust; i++)
        if (!strcmp(words[i], "-o") || !strcmp(words[i], "-MF"))
            close(open(words[i + 1], O_WRONLY | O_CREAT, 0600));
    tell("end", unit);
    return state != 0;
}
"""
SETUP = """
import os, subprocess, sys
from setuptools import setup
NAME = {name!r}
if "egg_info" not in sys.argv:
    {work}
setup(name=NAME, version="1.0", py_modules=[])
"""


@dataclass
class Compilers:
    """The starts and ends that the wrapper logged."""

    wrapper: Path
    log: Path

    def events(self) -> list[tuple[float, int, str]]:
        """When one began (1) or ended (-1), and for which tree, in order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        told = [line.split() for line in lines]
        return sorted((float(at), 1 if w == "start" else -1, u.split("-")[1]) for w, at, u in told)

    def peak(self, between: tuple[float, float] = (0.0, float("inf"))) -> int:
        """How many there ever were at once, or after some start or end between two times."""
        moments, (begin, end) = self.events(), between
        running = accumulate(step for _, step, _ in moments)
        pairs = zip(moments, running, strict=True)
        return max([0, *(now for (at, _, _), now in pairs if begin < at < end)])

    def average(self, builds: int) -> float:
        """How many there were while so many builds, and no more, had files left to compile."""
        moments = self.events()
        running = list(accumulate(step for _, step, _ in moments))
        first: dict[str, int] = {}
        last: dict[str, int] = {}
        for number, (_, step, tree) in enumerate(moments):
            if step == 1:
                first.setdefault(tree, number)
                last[tree] = number
        begin = running.index(3, sorted(first.values())[builds - 1])
        end = min(last.values())
        times = [at for at, _, _ in moments]
        spans = [times[n + 1] - times[n] for n in range(begin, end)]
        assert sum(spans) > 3 * COMPILE_SECONDS, "too short to tell"
        return float(sum(map(mul, running[begin:end], spans)) / sum(spans))


def build_wrapper(folder: Path) -> Compilers:
    """Make the wrapper; skips where there is nothing to make it with."""
    if shutil.which("cc") is None:
        pytest.skip("there is no compiler here to make the wrapper with")
    found = Compilers(wrapper=folder / "counting-cc", log=folder / "compilers")
    source = folder / "counting.c"
    source.write_text(WRAPPER)
    paths = [f'-DLOG="{found.log}"', f'-DGATE="{folder / "trees-that"}"']
    told = [*paths, f"-DNAP={round(COMPILE_SECONDS * 1e6)}"]
    subprocess.run(["cc", "-O1", *told, str(source), "-o", str(found.wrapper)], check=True)
    return found


MAKE = "subprocess.run(['make', '-C', 'native dir'], check=True)"
CMAKE = """
subprocess.run(['cmake', '-S', 'native dir', '-B', 'native dir/build', '-G', {generator!r}], check=True)
subprocess.run(['cmake', '--build', 'native dir/build'], check=True)
"""
TORCH = """
command = ['ninja', '-v', '-C', 'native dir']
jobs = os.environ.get('MAX_JOBS') or {count!r}
subprocess.run(command + (['-j', jobs] if jobs else []), check=True)
"""
CARGO = (
    "subprocess.run(['cargo', 'build', '--offline', '--workspace'], cwd='native dir', check=True)"
)

SETUP_WORK = {
    "make": MAKE,
    "cmake": CMAKE.format(generator="Unix Makefiles"),
    "ninja": CMAKE.format(generator="Ninja"),
    "torch": TORCH.format(count=""),
    "flash": TORCH.format(count="8"),
    "cargo": CARGO,
}
"""The commands of setup.py, by kind of tree; as torch does it, and as flash-attn does."""
BACKENDS = {
    "meson": ("mesonpy", ["meson-python"]),
    "skbuild": ("scikit_build_core.build", ["scikit-build-core"]),
}
NINJA = "ninja>=1.13"
GATHER = "subprocess.run([os.environ['CC'], '--gather', NAME], check=True)\n"
"""A line that waits for the other trees before compiling; cmake and meson do at the end of configuring."""


def native_tree(
    sandbox: Sandbox,
    name: str,
    kind: str,
    *,
    files: int = FILES,
    ninja: str = NINJA,
    requires: Sequence[str] = (),
) -> Path:
    """Make a project that has some files compiled.

    Args:
        sandbox: where, in a folder with an odd name.
        name: of the project.
        how: a key of WORK, or of BACKENDS.
        files: how many.
        ninja: the requirement of those who call it.
        requires: what else it needs to be built.
    """
    tree = sandbox.root / "odd 'place" / name
    units = [f"unit-{name}-{number}" for number in range(files)]
    native = tree if kind in BACKENDS else tree / "native dir"
    native.mkdir(parents=True)
    for number, unit in enumerate(units):
        (native / f"{unit}.c").write_text(f"int unit{number};\n")
    BUILD_FILES.get(kind, _for_cmake)(native, name, units)
    backend, needs = BACKENDS.get(kind, ("setuptools.build_meta", ["setuptools"]))
    calls_ninja = kind not in ("make", "cmake", "cargo") and ninja
    needs = [*needs, *requires, *([ninja] if calls_ninja else [])]
    (tree / "pyproject.toml").write_text(
        f"[build-system]\nrequires = {needs}\nbuild-backend = '{backend}'\n"
        + (f"[project]\nname = '{name}'\nversion = '1.0'\n" if kind in BACKENDS else "")
    )
    if kind in SETUP_WORK:
        work = SETUP_WORK[kind] if kind in ("cmake", "ninja") else GATHER + SETUP_WORK[kind].strip()
        work = work.strip().replace("\n", "\n    ")
        (tree / "setup.py").write_text(SETUP.format(work=work, name=name))
    return tree


def _for_make(native: Path, name: str, units: list[str]) -> None:
    # A make within a make, as the many projects that have several folders do.
    del name
    objects = " ".join(f"{unit}.o" for unit in units)
    (native / "Makefile").write_text(
        f"all:\n\t$(MAKE) -f Makefile units\nunits: {objects}\n%.o: %.c\n\t$(CC) -c $< -o $@\n"
    )


def _for_cmake(native: Path, name: str, units: list[str]) -> None:
    sources = " ".join(f"{unit}.c" for unit in units)
    (native / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.15)\nproject({name} C)\n"
        f"add_library({name} OBJECT {sources})\n"
        f"execute_process(COMMAND ${{CMAKE_C_COMPILER}} --gather {name})\n"
    )


def _for_meson(native: Path, name: str, units: list[str]) -> None:
    sources = [f"{unit}.c" for unit in units]
    (native / "meson.build").write_text(
        f"project('{name}', 'c', version: '1.0')\nexecutable('{name}', {sources})\n"
        f"run_command(meson.get_compiler('c'), '--gather', '{name}', check: true)\n"
    )


def _for_ninja(native: Path, name: str, units: list[str]) -> None:
    del name
    edges = "".join(f"build {unit}.o: cc {unit}.c\n" for unit in units)
    (native / "build.ninja").write_text(f"rule cc\n  command = $$CC -c $in -o $out\n{edges}")


def _for_cargo(native: Path, name: str, units: list[str]) -> None:
    del name
    (native / "Cargo.toml").write_text(f"[workspace]\nresolver = '2'\nmembers = {units}\n")
    for unit in units:
        (native / unit / "src").mkdir(parents=True)
        (native / unit / "src" / "lib.rs").write_text("pub fn one() -> u8 { 1 }\n")
        (native / unit / "Cargo.toml").write_text(
            f"[package]\nname = '{unit}'\nversion = '1.0.0'\nedition = '2021'\n"
        )


BUILD_FILES: dict[str, Callable[[Path, str, list[str]], None]] = {
    "make": _for_make,
    "meson": _for_meson,
    "torch": _for_ninja,
    "flash": _for_ninja,
    "cargo": _for_cargo,
}


def pids_in(tree: Path, *names: str) -> list[int]:
    """Return the processes that are called so and work in a tree."""
    found = (pid for pid in Path("/proc").iterdir() if pid.name.isdigit())
    return sorted(int(pid.name) for pid in found if _works_in(pid, tree, names))


def _works_in(pid: Path, tree: Path, names: tuple[str, ...]) -> bool:
    try:
        name = (pid / "comm").read_text().strip()
        return name in names and (pid / "cwd").resolve().is_relative_to(tree)
    except OSError:
        return False


def compiler_environ(compilers: Compilers, *, together: int = 1) -> dict[str, str]:
    """Return the environment of a build whose compilers are counted.

    Args:
        compilers: what counts.
        together: how many trees have to be configured before any compiles; at most the jobs
            there are, for each that waits has one.
    """
    wrapper = str(compilers.wrapper)
    told = {"CC": wrapper, "RUSTC_WRAPPER": wrapper, "MAX_JOBS": ""}
    return told | {"TREES_TOGETHER": str(together)}


def running_by_starts(compilers: Compilers, since: float) -> float:
    """Return how many there were at once, judged by how often one began.

    Those that were killed did not tell their end, so only what began later counts.
    """
    later = [
        at for at, step, _ in compilers.events() if step == 1 and at > since + 2 * COMPILE_SECONDS
    ]
    return (len(later) - 1) * COMPILE_SECONDS / (later[-1] - later[0])


def assert_three_compilers(compilers: Compilers, builds: int) -> None:
    """See that three compilers ran, no more, and seldom less."""
    assert compilers.peak() == 3
    assert compilers.average(builds) >= 2.7
