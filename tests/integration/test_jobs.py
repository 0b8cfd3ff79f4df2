"""One number for all compilers: real builds under ``--jobs``, counted from outside.

``CC`` is a wrapper, in C so that it starts at once, that notes when it begins and ends. It sleeps instead of computing, so that what
is counted does not depend on how busy the machine is.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from itertools import accumulate
from operator import mul
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pool
from tests.integration.terminal import until

if TYPE_CHECKING:
    from tests.integration.sandbox import Sandbox

NAP = 0.5
FILES = 12
CALLS_MAKE = "subprocess.run(['make', '-C', 'native dir'], check=True)"
CALLS_CMAKE = """
subprocess.run(['cmake', '-S', 'native dir', '-B', 'native dir/build', '-G', GENERATOR], check=True)
subprocess.run(['cmake', '--build', 'native dir/build'], check=True)
"""
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
needs_cmake = pytest.mark.skipif(
    not (shutil.which("cmake") and shutil.which("make")), reason="there is no cmake with make here"
)

WRAPPER = r"""
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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

int main(int count, char **words) {
    const char *unit = 0;
    for (int i = 1; i < count; i++)
        if (strstr(words[i], "unit-")) unit = strstr(words[i], "unit-");
    if (!unit) {
        words[0] = "cc";
        execvp("cc", words);
        return 127;
    }
    tell("start", unit);
    usleep(NAP);
    for (int i = 1; i + 1 < count; i++)
        if (!strcmp(words[i], "-o") || !strcmp(words[i], "-MF"))
            close(open(words[i + 1], O_WRONLY | O_CREAT, 0600));
    tell("end", unit);
    return 0;
}
"""
SETUP = """
import subprocess, sys
from setuptools import setup
GENERATOR = {generator!r}
if "egg_info" not in sys.argv:
    {work}
setup(name={name!r}, version="1.0", py_modules=[])
"""


@dataclass
class Compilers:
    """What the wrapper noted."""

    wrapper: Path
    log: Path

    def moments(self) -> list[tuple[float, int, str]]:
        """When one began (1) or ended (-1), and for which tree, in order."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        told = [line.split() for line in lines]
        return sorted((float(at), 1 if w == "start" else -1, u.split("-")[1]) for w, at, u in told)

    def most(self) -> int:
        """How many there ever were at once."""
        return max([0, *accumulate(step for _, step, _ in self.moments())])

    def average(self, builds: int) -> float:
        """How many there were while so many builds, and no more, had files left to compile."""
        moments = self.moments()
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
        assert sum(spans) > 3 * NAP, "too short to tell"
        return float(sum(map(mul, running[begin:end], spans)) / sum(spans))


@pytest.fixture
def compilers(tmp_path: Path) -> Compilers:
    """A wrapper that stands for the compiler."""
    if shutil.which("cc") is None:
        pytest.skip("there is no compiler here to make the wrapper with")
    found = Compilers(wrapper=tmp_path / "counting-cc", log=tmp_path / "compilers")
    source = tmp_path / "counting.c"
    source.write_text(WRAPPER)
    told = [f'-DLOG="{found.log}"', f"-DNAP={round(NAP * 1e6)}"]
    subprocess.run(["cc", "-O1", *told, str(source), "-o", str(found.wrapper)], check=True)
    return found


def native_tree(sandbox: Sandbox, name: str, how: str, *, files: int = FILES) -> Path:
    """Make a project whose setup.py has some files compiled by make, or by cmake."""
    tree = sandbox.root / "odd 'place" / name
    native = tree / "native dir"
    native.mkdir(parents=True)
    for number in range(files):
        (native / f"unit-{name}-{number}.c").write_text(f"int unit{number};\n")
    units = " ".join(f"unit-{name}-{number}.o" for number in range(files))
    # A make within a make, as the many projects that have several folders do.
    (native / "Makefile").write_text(
        f"all:\n\t$(MAKE) -f Makefile units\nunits: {units}\n%.o: %.c\n\t$(CC) -c $< -o $@\n"
    )
    (native / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.10)\nproject({name} C)\n"
        f"add_library({name} OBJECT {units.replace('.o', '.c')})\n"
    )
    work = CALLS_MAKE if how == "make" else CALLS_CMAKE
    generator = "Ninja" if how == "ninja" else "Unix Makefiles"
    work = work.strip().replace("\n", "\n    ")
    (tree / "setup.py").write_text(SETUP.format(generator=generator, work=work, name=name))
    requires = "'setuptools', 'ninja>=1.13'" if how == "ninja" else "'setuptools'"
    (tree / "pyproject.toml").write_text(
        f"[build-system]\nrequires = [{requires}]\nbuild-backend = 'setuptools.build_meta'\n"
    )
    return tree


def environ(compilers: Compilers) -> dict[str, str]:
    """What a build needs to be counted."""
    return {"CC": str(compilers.wrapper), "MAX_JOBS": ""}


def counted(compilers: Compilers, builds: int) -> None:
    """See that three compilers ran, no more, and seldom less."""
    assert compilers.most() == 3
    assert compilers.average(builds) >= 2.7


@needs_make
@pytest.mark.parametrize("builds", [2, 4])
def test_makes_of_several_builds_share_three_jobs(
    sandbox: Sandbox, compilers: Compilers, builds: int
) -> None:
    trees = [native_tree(sandbox, f"m{n}", "make", files=24 - 3 * builds) for n in range(builds)]
    done = sandbox.run(
        "build", *trees, "--jobs", "3", "--builds", "4", "--memory", "off", **environ(compilers)
    )
    assert done.code == 0, done.err
    counted(compilers, min(builds, 3))
    assert done.state.limits[pool.LimitName.JOBS].cap == 3
    assert not [remark for build in done.state.builds.values() for remark in build.remarks]


@needs_cmake
def test_cmake_with_make_and_make_itself_share_three_jobs(
    sandbox: Sandbox, compilers: Compilers
) -> None:
    trees = [native_tree(sandbox, f"c{how}", how) for how in ("make", "cmake")]
    done = sandbox.run("build", *trees, "--jobs", "3", "--builds", "2", **environ(compilers))
    assert done.code == 0, done.err
    counted(compilers, 2)


@needs_cmake
@pytest.mark.public
def test_cmake_with_ninja_of_the_index_shares_with_make(
    public: Sandbox, compilers: Compilers
) -> None:
    trees = [native_tree(public, f"n{how}", how) for how in ("ninja", "cmake", "make")]
    done = public.run("build", *trees, "--jobs", "3", "--builds", "3", **environ(compilers))
    assert done.code == 0, done.err
    counted(compilers, 3)


@needs_make
def test_tokens_of_a_killed_build_come_back(sandbox: Sandbox, compilers: Compilers) -> None:
    doomed = native_tree(sandbox, "doomed", "make", files=90)
    goes_on = native_tree(sandbox, "goes_on", "make", files=40)
    process = sandbox.start(
        "build", doomed, goes_on, "--jobs", "3", "--builds", "2", "--json", **environ(compilers)
    )
    until(lambda: compilers.most() == 3 and {"doomed"} <= {t for _, _, t in compilers.moments()})
    hook = _makes_in(doomed)[0]
    os.kill(os.getpgid(hook), signal.SIGKILL)
    os.killpg(os.getpgid(hook), signal.SIGKILL)
    killed = time.monotonic()
    done = sandbox.finish(process)
    assert done.outcome("doomed") is pool.Outcome.FAILED
    assert done.outcome("goes_on") is pool.Outcome.BUILT
    # Those that were killed did not tell their end: only what began later counts.
    later = [at for at, step, _ in compilers.moments() if step == 1 and at > killed + 2 * NAP]
    pace = (len(later) - 1) * NAP / (later[-1] - later[0])
    assert pace > 2.4, "three at once again"


def _makes_in(tree: Path) -> list[int]:
    found = (pid for pid in Path("/proc").iterdir() if pid.name.isdigit())
    return [int(pid.name) for pid in found if _is_make_in(pid, tree)]


def _is_make_in(pid: Path, tree: Path) -> bool:
    try:
        name = (pid / "comm").read_text().strip()
        return name == "make" and (pid / "cwd").resolve().is_relative_to(tree)
    except OSError:
        return False


@needs_make
def test_a_make_with_its_own_number_is_marked(sandbox: Sandbox, compilers: Compilers) -> None:
    tree = native_tree(sandbox, "own", "make", files=4)
    setup = (tree / "setup.py").read_text()
    (tree / "setup.py").write_text(setup.replace("['make',", "['make', '-j4',"))
    done = sandbox.run("build", tree, "--jobs", "2", **environ(compilers))
    assert done.code == 0, done.err
    (build,) = done.state.builds.values()
    assert any("-j of its own" in remark for remark in build.remarks)


@needs_make
def test_the_users_own_number_is_the_most_of_each_build(
    sandbox: Sandbox, compilers: Compilers
) -> None:
    trees = [native_tree(sandbox, f"u{n}", "make", files=6) for n in range(2)]
    done = sandbox.run(
        "build", *trees, "--jobs", "4", "-j", "1", **(environ(compilers) | {"MAX_JOBS": "2"})
    )
    assert done.code == 0, done.err
    assert compilers.most() == 2
    assert any("MAX_JOBS=2 is kept" in remark for remark in done.state.remarks)


@needs_make
def test_an_outer_make_pays(sandbox: Sandbox, compilers: Compilers) -> None:
    tree = native_tree(sandbox, "inner", "make", files=12)
    argv = sandbox.argv("build", tree, "--jobs", "8")
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in argv)
    (sandbox.root / "Makefile").write_text(f"all:\n\t+@{quoted}\n")
    made = subprocess.run(
        ["make", "-j3", "all"],
        cwd=sandbox.root,
        env={**sandbox.environ, **environ(compilers)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert compilers.most() == 3
