"""The memory budget with real processes: seen from outside, it holds."""

from __future__ import annotations

import asyncio
import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

import pool
from pool import events
from tests.support.makers import make_sdist, make_tree
from tests.support.pool_runs import make_settings, run_pool
from tests.support.sandbox import CommandResult, Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.exclusive]

LARGE = os.environ.get("WHEELPOOL_STRESS", "1") != "1"
HOLDS_MIB, BUDGET_MIB, SECONDS, TREES = (500, 1200, 6.0, 8) if LARGE else (100, 270, 2.0, 6)
EVERY_SECONDS = 0.05

EATER = """
_build_wheel = build_wheel

def build_wheel(*args, **kwargs):
    import time
    held = bytearray({mib} << 20)
    held[::4096] = b"x" * len(held[::4096])
    time.sleep({seconds})
    return _build_wheel(*args, **kwargs)
"""


def eater(folder: Path, name: str, mib: int = HOLDS_MIB, seconds: float = SECONDS) -> Path:
    """Make a tree whose build has so much memory for so long."""
    return make_tree(folder, name, backend=EATER.format(mib=mib, seconds=seconds))


@dataclass
class Outside:
    """Adds up the RSS of the hooks below a process, as anybody could, until it ends."""

    process: psutil.Process
    sums: list[tuple[float, int]] = field(default_factory=list)
    """Wall-clock seconds, bytes."""
    peaks: dict[int, int] = field(default_factory=dict)
    """By pid."""
    ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        while self.process.is_running() and not self.ended.is_set():
            sizes = dict(self.hooks())
            self.sums.append((time.monotonic(), sum(sizes.values())))
            for pid, size in sizes.items():
                self.peaks[pid] = max(self.peaks.get(pid, 0), size)
            time.sleep(EVERY_SECONDS)

    def hooks(self) -> Iterator[tuple[int, int]]:
        with suppress(psutil.Error):
            for child in self.process.children(recursive=True):
                with suppress(psutil.Error):
                    if any("_in_process" in word for word in child.cmdline()):
                        yield child.pid, child.memory_info().rss

    @property
    def most(self) -> int:
        return max(size for _, size in self.sums)


def watched(sandbox: Sandbox, *arguments: str | Path) -> tuple[CommandResult, Outside]:
    """Run a command under an outside look."""
    process = sandbox.start(*arguments)
    outside = Outside(psutil.Process(process.pid))
    thread = threading.Thread(target=outside.watch)
    thread.start()
    done = sandbox.finish(process)
    outside.ended.set()
    thread.join()
    return done, outside


@pytest.mark.stress
def test_eight_large_trees_finish_within_the_budget_for_any_j(sandbox: Sandbox) -> None:
    trees = [eater(sandbox.root, f"eater{number}") for number in range(TREES)]
    asked: tuple[str | Path, ...] = (
        *trees,
        "--memory",
        f"{BUDGET_MIB}M",
        "-j",
        str(TREES),
        "--no-cache",
    )
    for run in ("the first", "the second"):
        done, outside = watched(sandbox, "build", *asked)
        assert done.code == 0, done.err
        assert done.state.totals == {pool.Outcome.BUILT: TREES}
        known = [build.expected_peak or 0 for build in done.state.builds.values()]
        assert all(known) is (run == "the second")
        assert outside.most <= BUDGET_MIB * (1 << 20) * (1.0 if all(known) else 1.1), run
        agrees(done, outside)
        waits = memory_waits(sandbox)
        assert len({event.build for event in waits}) >= TREES - 2
        assert all(re.fullmatch(r"needs \S+ .iB, \S+ .iB free", event.on) for event in waits)
        if LARGE or all(known):
            assert packing(done) <= 1.3, run
    sizes = [build.peak for build in done.state.builds.values()]
    assert max(known) == pytest.approx(max(sizes), rel=0.1)


def packing(done: CommandResult) -> float:
    """Return how much longer it took than the best: two at once, without a pause."""
    builds = done.state.builds.values()
    begun = min(build.started_at or 0.0 for build in builds)
    ended = max(build.finished_at or 0.0 for build in builds)
    return (ended - begun) / (sum(build.seconds for build in builds) / 2)


def agrees(done: CommandResult, outside: Outside) -> None:
    """The journal's peaks are those seen from outside, within a tenth."""
    inside = sorted(build.peak for build in done.state.builds.values())
    seen = sorted(outside.peaks.values())[-len(inside) :]
    for ours, theirs in zip(inside, seen, strict=True):
        assert ours == pytest.approx(theirs, rel=0.1)


def memory_waits(sandbox: Sandbox) -> list[events.BuildWaiting]:
    """Return what the newest journal tells of waiting for memory."""
    with pool.JournalReader(sandbox.log) as reader:
        waits = [event for event in reader.read() if isinstance(event, events.BuildWaiting)]
    return [event for event in waits if event.for_ is pool.WaitFor.MEMORY]


def test_nested_builds_count_and_never_deadlock_in_a_budget_that_is_too_small(
    sandbox: Sandbox,
) -> None:
    links = sandbox.root / "links"
    make_sdist(links, "low")
    make_sdist(links, "mid", build_requires=["low"])
    trees = [make_tree(sandbox.root, f"t{n}", build_requires=["mid"]) for n in range(3)]
    done = sandbox.run("build", *trees, "--memory", "20M", "--find-links", links, "-j", "3")
    assert done.code == 0, done.err
    with pool.JournalReader(sandbox.log) as reader:
        state = pool.RunState()
        for event in reader.read():
            pool.apply(state, event)
            assert len(state.slots) <= 1, "more than one in a budget for none"


def test_a_larger_budget_admits_waiters_and_restores_a_cap_lowered_for_memory(
    tmp_path: Path,
) -> None:
    first, second = (eater(tmp_path, name, mib=60, seconds=9.0) for name in ("one", "two"))
    seen: list[str] = []

    def answer(event: events.KnownEvent, state: pool.RunState) -> pool.Control | None:
        match event:
            case events.BuildWaiting(for_=pool.WaitFor.MEMORY) if "waits" not in seen:
                seen.append("waits")
                return pool.Resize(limit=pool.LimitName.MEMORY, value=2 << 30)
            case events.BuildStarted() if len(state.slots) == 2:
                seen.append("both")
                return pool.Resize(limit=pool.LimitName.MEMORY, value=32 << 20)
            case events.LimitChanged(limit=pool.LimitName.BUILDS, why="memory", new=1):
                seen.append("lowered")
                return pool.Resize(limit=pool.LimitName.MEMORY, value=4 << 30)
            case events.LimitChanged(limit=pool.LimitName.BUILDS, why="memory", new=2):
                seen.append("back")
        return None

    how = make_settings(tmp_path, memory=100 << 20)
    code, state = asyncio.run(run_pool(how, first, second, on_event=answer))
    assert code == 0
    assert seen == ["waits", "both", "lowered", "back"]
    assert state.limits[pool.LimitName.MEMORY].cap == 4 << 30
    assert state.limits[pool.LimitName.BUILDS].lowered_from is None


GROWS = """
_build_wheel = build_wheel

def build_wheel(*args, **kwargs):
    import pathlib, time
    large = pathlib.Path({sign!r}).exists()
    held = []
    for _ in range({mib} if large else 1):
        block = bytearray(10 << 20)
        block[::4096] = b"x" * len(block[::4096])
        held.append(block)
        time.sleep({pace})
    time.sleep({seconds} if large else 0.5)
    return _build_wheel(*args, **kwargs)
"""


def test_builds_that_grow_far_beyond_their_history_are_ended_and_all_are_built(
    sandbox: Sandbox,
) -> None:
    """The first run is small, so all are let in at once in the second, and then each is large."""
    sign = sandbox.root / "large"
    tens, number = HOLDS_MIB // 10, 4
    grows = GROWS.format(sign=str(sign), mib=tens, pace=2.0 / tens, seconds=SECONDS * 2)
    trees = [make_tree(sandbox.root, f"grower{n}", backend=grows) for n in range(number)]
    budget = HOLDS_MIB * 5 // 2
    asked: tuple[str | Path, ...] = (*trees, "--memory", f"{budget}M", "--no-cache", "-j", "4")
    done, _ = watched(sandbox, "build", *asked)
    assert done.code == 0, done.err
    sign.touch()
    done, outside = watched(sandbox, "build", *asked, "--fail-fast", "--retries", "0")
    assert outside.most > budget << 20, "there was no want of room"
    assert done.code == 0, done.err
    assert done.state.totals == {pool.Outcome.BUILT: number}
    builds = done.state.builds
    ended = [build for build in builds.values() if build.superseded_by]
    assert ended
    for build in ended:
        assert build.outcome is pool.Outcome.CANCELLED
        assert build.reference == "made-room"
        words = r"ended to make room: memory \S+ .iB of \S+ .iB; built again (when|alone).*, with "
        assert re.match(words + r"\d jobs?$", build.message), build.message
        (again,) = (other for other in builds.values() if other.retry_of == build.id)
        assert (again.expected_peak or 0) >= build.peak > 0
    final = [build for build in builds.values() if not build.superseded_by]
    assert min(build.peak for build in final) >= HOLDS_MIB << 20
