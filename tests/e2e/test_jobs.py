"""One number for all compilers: real builds under ``--jobs``, counted from outside."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

import pool
from tests.support.compilers import (
    assert_three_compilers,
    compiler_environ,
    native_tree,
    pids_in,
    running_by_starts,
)
from tests.support.terminal import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.compilers import Compilers
    from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.exclusive]

large = pytest.mark.skipif(
    os.environ.get("WHEELPOOL_STRESS", "1") == "1", reason="takes long: WHEELPOOL_STRESS"
)
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")
needs_cmake = pytest.mark.skipif(
    not (shutil.which("cmake") and shutil.which("make")), reason="there is no cmake with make here"
)


@needs_make
@pytest.mark.parametrize("builds", [pytest.param(2, marks=large), 4])
def test_makes_of_several_builds_share_three_jobs(
    sandbox: Sandbox, compilers: Compilers, builds: int
) -> None:
    trees = [native_tree(sandbox, f"m{n}", "make", files=16 - 2 * builds) for n in range(builds)]
    done = sandbox.run(
        "build", *trees, "--jobs", "3", "--builds", "4", "--memory", "off",
        **compiler_environ(compilers, together=min(builds, 3)),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert_three_compilers(compilers, min(builds, 3))
    assert done.state.limits[pool.LimitName.JOBS].cap == 3
    assert not [remark for build in done.state.builds.values() for remark in build.notes]


@needs_cmake
def test_cmake_with_make_and_make_itself_share_three_jobs(
    sandbox: Sandbox, compilers: Compilers
) -> None:
    trees = [native_tree(sandbox, f"c{how}", how) for how in ("make", "cmake")]
    together = compiler_environ(compilers, together=2)
    done = sandbox.run("build", *trees, "--jobs", "3", "--builds", "2", **together)
    assert done.code == 0, done.err
    assert_three_compilers(compilers, 2)


@needs_cmake
@pytest.mark.public
def test_cmake_with_ninja_of_the_index_shares_with_make(
    public: Sandbox, compilers: Compilers
) -> None:
    trees = [native_tree(public, f"n{how}", how) for how in ("ninja", "cmake", "make")]
    together = compiler_environ(compilers, together=3)
    done = public.run("build", *trees, "--jobs", "3", "--builds", "3", **together)
    assert done.code == 0, done.err
    assert_three_compilers(compilers, 3)


@needs_make
def test_tokens_of_a_killed_build_come_back(sandbox: Sandbox, compilers: Compilers) -> None:
    doomed = native_tree(sandbox, "doomed", "make", files=90)
    goes_on = native_tree(sandbox, "goes_on", "make", files=22)
    process = sandbox.start(
        "build",
        doomed,
        goes_on,
        "--jobs",
        "3",
        "--builds",
        "2",
        "--json",
        **compiler_environ(compilers),
    )
    wait_until(
        lambda: compilers.peak() == 3 and {"doomed"} <= {t for _, _, t in compilers.events()}
    )
    group = os.getpgid(pids_in(doomed, "make")[0])
    os.killpg(group, signal.SIGKILL)
    killed = time.monotonic()
    done = sandbox.finish(process)
    assert done.outcome("doomed") is pool.Outcome.FAILED
    assert done.outcome("goes_on") is pool.Outcome.BUILT
    assert running_by_starts(compilers, killed) > 2.4, "three at once again"


def replace_make(tree: Path, command: str) -> None:
    """Let the setup.py of a native tree start make in another way."""
    setup = (tree / "setup.py").read_text()
    assert "['make'," in setup
    (tree / "setup.py").write_text(setup.replace("['make',", command))


@needs_make
@pytest.mark.parametrize("command", ["['make', '-j4',", "['make', '--jobs', '4',"])
def test_a_make_with_its_own_number_is_held_and_marked(
    sandbox: Sandbox, compilers: Compilers, command: str
) -> None:
    tree = native_tree(sandbox, "own", "make", files=6)
    replace_make(tree, command)
    done = sandbox.run("build", tree, "--jobs", "2", **compiler_environ(compilers))
    assert done.code == 0, done.err
    assert compilers.peak() == 2
    (build,) = done.state.builds.values()
    assert any("-j of its own" in remark for remark in build.notes)


@needs_make
def test_a_make_called_by_its_path_builds(sandbox: Sandbox, compilers: Compilers) -> None:
    """make before 4.4 stops at a FIFO in MAKEFLAGS; it gets one job instead."""
    tree = native_tree(sandbox, "path", "make", files=3)
    replace_make(tree, f"[{shutil.which('make')!r},")
    done = sandbox.run("build", tree, "--jobs", "2", **compiler_environ(compilers))
    assert done.code == 0, done.err
    assert 1 <= compilers.peak() <= 2


@needs_cmake
@pytest.mark.parametrize("generator", ["Unix Makefiles", "Ninja"])
def test_a_cmake_tree_names_no_shim_and_shares_jobs_again(
    sandbox: Sandbox, compilers: Compilers, generator: str
) -> None:
    if generator == "Ninja" and not shutil.which("ninja"):
        pytest.skip("there is no ninja here")
    tree = native_tree(sandbox, "c", "cmake", files=6)
    setup = (tree / "setup.py").read_text()
    (tree / "setup.py").write_text(setup.replace("Unix Makefiles", generator))
    environ = compiler_environ(compilers) | {"CMAKE_GENERATOR": generator}
    cache = tree / "native dir" / "build" / "CMakeCache.txt"
    shims = os.fsencode(sandbox.root / "cache" / "wheelpool" / "shims")
    for number in range(2):
        for source in (tree / "native dir").glob("*.c"):
            source.write_text(f"int other{number};\n")
        done = sandbox.run("build", tree, "--jobs", "3", **environ)
        assert done.code == 0, done.err
        assert cache.is_file()
        files = [path for path in tree.rglob("*") if path.is_file()]
        assert [path for path in files if shims in path.read_bytes()] == []
        peak = compilers.peak()
        assert peak == 3
        shutil.rmtree(sandbox.root / "cache" / "wheelpool" / "shims")
    shutil.rmtree(sandbox.root / "cache")
    built = subprocess.run(
        ["cmake", "--build", cache.parent], env={**sandbox.environ, **environ}, check=False
    )
    assert built.returncode == 0


@needs_make
def test_the_full_number_comes_again_when_one_compiler_is_killed(
    sandbox: Sandbox, compilers: Compilers
) -> None:
    tree = native_tree(sandbox, "struck", "make", files=16)
    # Killed, a compiler is as good as any other: make goes on with the next.
    rules = (tree / "native dir" / "Makefile").read_text()
    (tree / "native dir" / "Makefile").write_text(rules.replace("\t$(CC)", "\t-$(CC)"))
    process = sandbox.start("build", tree, "--jobs", "3", **compiler_environ(compilers))
    wait_until(lambda: compilers.peak() == 3)
    for pid in pids_in(tree, "counting-cc")[:1]:
        os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    done = sandbox.finish(process)
    assert done.code == 0, done.err
    assert running_by_starts(compilers, killed) > 2.4


@needs_make
def test_the_users_own_number_is_the_most_of_each_build(
    sandbox: Sandbox, compilers: Compilers
) -> None:
    trees = [native_tree(sandbox, f"u{n}", "make", files=4) for n in range(2)]
    done = sandbox.run(
        "build",
        *trees,
        "--jobs",
        "4",
        "-j",
        "1",
        **(compiler_environ(compilers) | {"MAX_JOBS": "2"}),
    )
    assert done.code == 0, done.err
    assert compilers.peak() == 2
    assert any("MAX_JOBS=2 is kept" in remark for remark in done.state.notes)


@needs_make
def test_an_outer_make_pays(sandbox: Sandbox, compilers: Compilers) -> None:
    tree = native_tree(sandbox, "inner", "make", files=12)
    argv = sandbox.argv("build", tree, "--jobs", "8")
    quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in argv)
    (sandbox.root / "Makefile").write_text(f"all:\n\t+@{quoted}\n")
    made = subprocess.run(
        ["make", "-j3", "all"],
        cwd=sandbox.root,
        env={**sandbox.environ, **compiler_environ(compilers)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert compilers.peak() == 3
