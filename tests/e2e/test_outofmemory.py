"""Builds that run out of memory for real: named with the evidence, tried again, and no one else's
trouble.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import pool
from pool.system.cgroup import own_cgroup
from tests.support.makers import make_tree
from tests.support.memory_hogs import BACKEND_WITH_COMPILER, EXCEEDS_ADDRESS_SPACE
from tests.support.sandbox import CommandResult, Sandbox

pytestmark = pytest.mark.slow

MIB = 1 << 20

KILLED = """
import os, signal
print("g++: fatal error: Killed signal terminated program cc1plus", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
HUNGRY = "bytearray(%d)"


def hog(sandbox: Sandbox, compiler: str, *, times: int) -> Path:
    """Make a tree whose compiler runs so many times before all goes well."""
    counter = str(sandbox.root / "counter")
    backend = BACKEND_WITH_COMPILER.format(counter=counter, times=times, compiler=compiler)
    return make_tree(sandbox.root, "hog", backend=backend)


def others(sandbox: Sandbox) -> list[Path]:
    return [make_tree(sandbox.root, f"t{n}") for n in range(3)]


def tries(done: CommandResult) -> list[pool.BuildState]:
    return [build for build in done.state.builds.values() if build.name == "hog"]


def test_a_compiler_that_gets_no_memory_is_named_and_the_run_goes_on(sandbox: Sandbox) -> None:
    trees = [hog(sandbox, EXCEEDS_ADDRESS_SPACE, times=2), *others(sandbox)]
    done = sandbox.run("build", *trees, "--jobs", "4", "-j", "2")
    assert done.code == 0, done.err
    first, second, third = tries(done)
    for bad in (first, second):
        assert bad.reference == "out-of-memory"
        assert bad.message == 'out of memory (probable): its output says "MemoryError"'
    assert (second.retry_of, third.retry_of) == (first.id, second.id)
    assert second.notes == ("it ran out of memory, so it is tried again alone, with 2 jobs",)
    assert third.notes == ("it ran out of memory, so it is tried again alone, with 1 job",)
    assert third.outcome is pool.Outcome.BUILT
    assert len(list(sandbox.out.glob("*.whl"))) == 4
    assert done.err.count("the log ┄") == 0, "what is tried again is no failure yet"


def test_when_the_last_try_fails_the_run_has_failed_with_a_way_out(sandbox: Sandbox) -> None:
    done = sandbox.run(
        "build", hog(sandbox, EXCEEDS_ADDRESS_SPACE, times=9), *others(sandbox), "--retries", "1"
    )
    assert done.code == 1
    assert len(tries(done)) == 2
    assert "wheelpool doctor" in tries(done)[-1].hint
    assert done.state.totals == {pool.Outcome.BUILT: 3, pool.Outcome.FAILED: 1}


def test_a_kill_without_want_of_memory_is_not_taken_for_it(sandbox: Sandbox) -> None:
    done = sandbox.run("build", hog(sandbox, KILLED, times=9))
    assert done.code == 1
    (only,) = tries(done)
    assert only.reference == "backend"


def test_a_limit_on_address_space_makes_it_certain(sandbox: Sandbox) -> None:
    """As ``ulimit -v`` sets it: hooks inherit it from wheelpool."""
    limit = 6 << 30

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = started(sandbox, limited, hog(sandbox, HUNGRY % (limit + MIB), times=1))
    assert done.code == 0, done.err
    first, second = tries(done)
    assert first.message == (
        'out of memory (certain): its output says "MemoryError";'
        " the limit on address space (ulimit -v) is 6.0 GiB"
    )
    assert second.outcome is pool.Outcome.BUILT


def test_a_kernel_kill_in_a_cgroup_is_certain(sandbox: Sandbox, small: Small) -> None:
    """The whole run is in a cgroup of 300 MiB; the compiler touches more."""

    touches = "for n in range(600): globals()[str(n)] = b'x' * (1 << 20)"
    done = started(sandbox, small.enter, hog(sandbox, touches, times=1), *others(sandbox))
    assert done.code == 0, done.err
    first, second = tries(done)
    assert first.message.startswith("out of memory (certain): ")
    assert first.message.endswith("the cgroup counted 1 oom kill")
    assert second.outcome is pool.Outcome.BUILT


def test_an_uncounted_kill_near_the_limit_is_probable(sandbox: Sandbox, small: Small) -> None:
    """As earlyoom does it: SIGKILL from outside, while the build has most of what it may have."""
    small.set_limit(1200 * MIB)
    holds = "held = bytearray(1070 << 20); held[::4096] = b'x' * len(held[::4096])"
    killed = f"{holds}; import os, time; time.sleep(2.5); os.kill(os.getpid(), 9)"
    done = started(sandbox, small.enter, hog(sandbox, killed, times=1))
    assert done.code == 0, done.err
    first, second = tries(done)
    assert re.fullmatch(
        r"out of memory \(probable\): a process was killed from outside;"
        r" it used 1\.\d GiB, its cgroup may have 1\.2 GiB",
        first.message,
    )
    assert second.outcome is pool.Outcome.BUILT


def started(sandbox: Sandbox, before: Callable[[], None], *trees: Path) -> CommandResult:
    """Run ``wheelpool build`` in a process that is prepared before it begins."""
    process = subprocess.Popen(
        sandbox.argv("build", *trees),
        cwd=sandbox.root,
        env=sandbox.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=before,  # noqa: PLW1509 - no threads in the tests
    )
    return sandbox.finish(process)


@dataclass(frozen=True)
class Small:
    """A memory cgroup below our own, for a run to be in."""

    path: Path
    limit_name: str

    def set_limit(self, size: int) -> None:
        (self.path / self.limit_name).write_text(str(size))

    def enter(self) -> None:
        (self.path / "cgroup.procs").write_text(str(os.getpid()))


@pytest.fixture
def small() -> Iterator[Small]:
    """A memory cgroup of 300 MiB below our own, where the machine lets us make one."""
    ours = own_cgroup()
    if ours is None:
        pytest.skip("there is no memory cgroup here")
    path = ours.path / f"wheelpool-test-{os.getpid()}"
    made = Small(path, "memory.max" if ours.version == 2 else "memory.limit_in_bytes")
    try:
        path.mkdir()
    except OSError as problem:
        pytest.skip(f"no memory cgroup can be made here: {problem.strerror}")
    try:
        try:
            made.set_limit(300 * MIB)
        except OSError as problem:
            pytest.skip(f"a memory cgroup below ours cannot be limited: {problem.strerror}")
        yield made
    finally:
        path.rmdir()
