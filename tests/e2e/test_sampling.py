"""Costs of builds in the journal equal independent measurements; replays show them as well."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

import pool
from app.source.replay import ReplaySource
from pool import events
from tests.support.fakes import ManualClock
from tests.support.makers import make_tree
from tests.support.pool_runs import make_settings, run_pool
from tests.support.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.exclusive]

EVERY_SECONDS = 0.05

WITH = """
_build_wheel = build_wheel

def build_wheel(*args, **kwargs):
    exec({code!r}, {{}})
    return _build_wheel(*args, **kwargs)
"""
FAMILY = """
import os, subprocess, sys, time
hold = "import time; held = bytearray(%d << 20); held[::4096] = b'x' * len(held[::4096]); time.sleep(%r)"
child = subprocess.Popen([sys.executable, "-S", "-c", hold % (40, 4.0)])
daemon = hold % (70, 600.0)
middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-S', '-c', {daemon!r}], start_new_session=True)"
subprocess.run([sys.executable, "-S", "-c", middle])
held = b"x" * (30 << 20)
child.wait()
"""
THREADS = """
import hashlib, os, threading, time
data = bytes(1 << 22)
end = time.monotonic() + 3.5
def work():
    while time.monotonic() < end:
        hashlib.sha256(data).digest()
threads = [threading.Thread(target=work) for _ in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
"""
SHORT = "held = b'x' * (300 << 20)"
SHORT_AND_BAD = SHORT + "\nraise SystemExit(3)"
LONG = "import time; time.sleep({})"
UNTIL = "import os, time\nwhile not os.path.exists({!r}): time.sleep(0.05)"
ODD = """
import os, shutil, subprocess, sys
name = os.path.join(os.environ["TMPDIR"], "a) b (c")
shutil.copy("/bin/sleep", name)
subprocess.run([name, "3"])
"""


def tree(folder: Path, name: str, code: str) -> Path:
    """Make a tree whose build runs code first."""
    return make_tree(folder, name, backend=WITH.format(code=code))


def samples(sandbox: Sandbox) -> list[events.Sample]:
    with pool.JournalReader(sandbox.log) as reader:
        return [event for event in reader.read() if isinstance(event, events.Sample)]


@dataclass
class Outside:
    """Measures each build's processes by psutil alone, known by the marker that all of them have."""

    process: psutil.Process
    rss: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    """By build: seconds, bytes."""
    cpu: list[tuple[float, float]] = field(default_factory=list)
    """When, and seconds used by those that are there."""
    ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        while not self.ended.is_set():
            now, sums, used = time.monotonic(), defaultdict[str, int](int), 0.0
            for build, rss, cpu in self.looked():
                sums[build] += rss
                used += cpu
            if used:
                self.cpu.append((now, used))
            for build, rss in sums.items():
                self.rss[build].append((now, rss))
            time.sleep(EVERY_SECONDS)

    def looked(self) -> Iterator[tuple[str, int, float]]:
        with suppress(psutil.Error):
            for child in self.process.children(recursive=True):
                with suppress(psutil.Error):
                    if mark := child.environ().get("WHEELPOOL_BUILD"):
                        times = child.cpu_times()
                        used = times.user + times.system
                        yield mark.rpartition("/")[2], child.memory_info().rss, used


def test_memory_of_families_with_daemons_agrees_with_an_outside_look(sandbox: Sandbox) -> None:
    trees = [tree(sandbox.root, f"t{number}", FAMILY) for number in range(2)]
    process = sandbox.start("build", *trees, "-j", "2")
    outside = Outside(psutil.Process(process.pid))
    thread = threading.Thread(target=outside.watch)
    thread.start()
    done = sandbox.finish(process)
    outside.ended.set()
    thread.join()
    assert done.code == 0, done.err
    for build in done.state.builds.values():
        seen = [rss for _, rss in outside.rss[build.id]]
        assert build.peak == pytest.approx(max(seen), rel=0.1)
        assert build.peak > 140 << 20, "the daemon counts"
        told = [
            of.rss for sample in samples(sandbox) for of in sample.builds if of.build == build.id
        ]
        # While all hold what they hold, which is most of the time.
        middle = sorted(told)[len(told) // 2], sorted(seen)[len(seen) // 2]
        assert middle[0] == pytest.approx(middle[1], rel=0.1)
    assert not list(outside.looked()), "the daemons have ended with their builds"


def test_percentages_add_up_to_the_use_of_the_threads(sandbox: Sandbox) -> None:
    process = sandbox.start("build", tree(sandbox.root, "busy", THREADS))
    outside = Outside(psutil.Process(process.pid))
    thread = threading.Thread(target=outside.watch)
    thread.start()
    done = sandbox.finish(process)
    outside.ended.set()
    thread.join()
    assert done.code == 0, done.err
    state, used, times = pool.RunState(), 0.0, list[float]()
    with pool.JournalReader(sandbox.log) as reader:
        for event in reader.read():
            pool.apply(state, event)
            if isinstance(event, events.Sample) and event.builds:
                (build,) = event.builds
                shares = [process.cpu for process in state.builds[build.build].processes]
                used += sum(shares) / 100 * (event.t - times[-1] if times else 0.0)
                times.append(event.t)
    (begin, nothing), (end, all_of_it) = outside.cpu[0], outside.cpu[-1]
    really = (all_of_it - nothing) / (end - begin)
    assert used / (times[-1] - times[0]) == pytest.approx(really, rel=0.2)


def test_a_hook_that_no_look_catches_has_a_peak_even_if_it_fails(sandbox: Sandbox) -> None:
    trees = [tree(sandbox.root, "good", SHORT), tree(sandbox.root, "bad", SHORT_AND_BAD)]
    done = sandbox.run("build", *trees)
    assert done.code == 1
    peaks = {build.name: build.peak for build in done.state.builds.values()}
    assert peaks["good"] == pytest.approx(310 << 20, rel=0.1)
    assert peaks["bad"] == pytest.approx(310 << 20, rel=0.1)


def test_a_replay_has_processes_with_memory_and_shares_at_each_moment(sandbox: Sandbox) -> None:
    done = sandbox.run("build", tree(sandbox.root, "odd", ODD))
    assert done.code == 0, done.err
    last = samples(sandbox)[-1]
    (news,) = last.builds
    assert {process.command for process in news.processes} == {None}, "told once"
    replay = ReplaySource(sandbox.log, ManualClock())
    for t in (last.t, last.t - 1.0, last.t):
        state = pool.RunState()
        replay.seek(0.0)
        replay.poll()
        replay.seek(t)
        pool.apply_all(state, replay.poll())
        hook, odd = state.builds[news.build].processes
        assert hook.command.rpartition(" ")[0].endswith(" build_wheel")
        assert hook.rss > 5 << 20
        assert (odd.ppid, odd.name) == (hook.pid, "a) b (c")
        assert odd.command.endswith("/a) b (c' 3")


async def test_the_build_that_is_looked_at_is_weighed_at_once_and_each_second(
    tmp_path: Path,
) -> None:
    enough = tmp_path / "enough"
    trees = [tree(tmp_path, f"t{number}", UNTIL.format(str(enough))) for number in range(2)]
    before: set[pool.BuildId] = set()
    after: list[set[pool.BuildId]] = []
    asked: list[pool.BuildId] = []

    def look(event: events.KnownEvent, _: pool.RunState) -> pool.Control | None:
        if not isinstance(event, events.Sample):
            return None
        weighed = {of.build for of in event.builds if of.pss is not None}
        before.update(weighed)
        if not asked and len(before) == 2:
            asked.append(event.builds[-1].build)
            return pool.WatchBuild(build=asked[0])
        if asked:
            after.append(weighed)
            if sum(asked[0] in one for one in after) == 3:
                enough.touch()
        return None

    code, state = await run_pool(make_settings(tmp_path), *trees, on_event=look)
    assert code == 0
    (often,) = asked
    (seldom,) = before - {often}
    until = [n for n, one in enumerate(after) if often in one][2]
    # One look may be under way already when somebody asks.
    assert any(often in one for one in after[:2]), "at once"
    assert sum(seldom in one for one in after[: until + 1]) < 3
    assert all(build.pss_peak for build in state.builds.values())


async def test_sampling_a_missing_process_is_harmless(tmp_path: Path) -> None:
    def look(event: events.KnownEvent, _: pool.RunState) -> pool.Control | None:
        return (
            pool.WatchBuild(build=pool.BuildId("b99")) if isinstance(event, events.Sample) else None
        )

    code, _ = await run_pool(
        make_settings(tmp_path), tree(tmp_path, "t", LONG.format(0.5)), on_event=look
    )
    assert code == 0
