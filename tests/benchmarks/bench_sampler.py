"""The cost of sampling: the processor time of one look a second, PSS included, and the journal's size.

By default 16 builds of 16 real processes each, half of which change all the time, among all others
of the machine, for half a minute. The aim is 2 % of a core.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Mapping

import psutil

import pool
from pool import events
from pool.common.model import BuildKey, ProcessSample
from pool.events.process_delta import diff
from pool.system.sampler import Sample, Sampler
from tests.support.build_keys import build_key

AIM_PERCENT = 2.0
TREE = """
import subprocess, sys, time
held = bytearray({bytes})
still = "import time; held = bytearray({bytes}); time.sleep(600)"
restless = "import time; held = [bytearray({bytes})]\\nwhile True: held.append(b'x' * 9999); time.sleep(0.2)"
children = [subprocess.Popen([sys.executable, "-S", "-c", restless if n < {restless} else still, "-I" * 60])
    for n in range({below})]
print(flush=True)
time.sleep(600)
"""


def grown(processes: int, mib: int, restless: int) -> subprocess.Popen[bytes]:
    """Start one build's tree."""
    code = TREE.format(bytes=mib << 20, below=processes - 1, restless=restless)
    return subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE)


def measure(
    sampler: Sampler, roots: dict[BuildKey, int], seconds: int
) -> tuple[float, list[Sample]]:
    """Return the processor seconds of so many looks, and what was seen."""
    seen = []
    begun = time.thread_time()
    for _ in range(seconds):
        time.sleep(1.0)
        seen.append(sampler.sample(roots, [next(iter(roots))]))
    return time.thread_time() - begun, seen


def written(looks: list[Sample]) -> tuple[int, int]:
    """Return the bytes of the journal's lines, and what they would be if all was told each time."""
    told: dict[BuildKey, tuple[ProcessSample, ...]] = {}
    lean = whole = 0
    for look in looks:
        lean += len(pool.encode(as_event(look, told)))
        whole += len(pool.encode(as_event(look, {})))
        told = {build: cost.processes for build, cost in look.builds.items()}
    return lean, whole


def as_event(look: Sample, told: Mapping[BuildKey, tuple[ProcessSample, ...]]) -> events.Sample:
    """Return what the journal gets."""
    builds = tuple(
        events.BuildSample(
            build=build.build,
            processes=diff(cost.processes, told.get(build, ())),
            rss=cost.rss,
            peak=cost.rss,
            pss=cost.pss,
        )
        for build, cost in look.builds.items()
    )
    machine = events.MachineMemory(total=look.total, available=look.available)
    return events.Sample(builds=builds, machine=machine)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--builds", type=int, default=16)
    asked.add_argument("--processes", type=int, default=16)
    asked.add_argument("--mib", type=int, default=4, help="held by each process")
    asked.add_argument("--restless", type=int, default=8, help="processes of each that change")
    asked.add_argument("--seconds", type=int, default=30)
    given = asked.parse_args()
    trees = [grown(given.processes, given.mib, given.restless) for _ in range(given.builds)]
    try:
        for tree in trees:
            assert tree.stdout is not None
            tree.stdout.readline()
        time.sleep(1.0)
        roots = {build_key(f"b{number}"): tree.pid for number, tree in enumerate(trees)}
        sampler = Sampler()
        sampler.sample(roots)
        used, looks = measure(sampler, roots, given.seconds)
        sizes = sampler.sample(roots)
        seen = sum(len(cost.processes) for cost in sizes.builds.values())
        percent = 100 * used / given.seconds
        print(f"{seen} processes of {given.builds} builds, {len(psutil.pids())} on the machine")
        weighed = [sum(cost.pss is not None for cost in look.builds.values()) for look in looks]
        print(f"{sum(weighed) / given.builds:.1f} weighings a build in {given.seconds} s")
        print(f"{percent:.2f} % of a core (aim: under {AIM_PERCENT} %)")
        lean, whole = (size * 3600 / given.seconds / 1e6 for size in written(looks))
        print(f"{lean:.0f} MB of journal an hour; {whole:.0f} if all was told each time")
    finally:
        for tree in trees:
            for process in psutil.Process(tree.pid).children(recursive=True):
                process.kill()
            tree.kill()
            tree.wait()
            if tree.stdout is not None:
                tree.stdout.close()


if __name__ == "__main__":
    main()
