"""What sampling costs: the processor time of one look a second, PSS included.

By default 16 builds of 16 real processes each, among all others of the machine, for half a
minute. The aim is 2 % of a core.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import psutil

from pool.model import BuildId, RunId
from pool.sampler import Sampler

AIM_PERCENT = 2.0
TREE = """
import subprocess, sys, time
held = bytearray({bytes})
children = [subprocess.Popen([sys.executable, "-S", "-c",
    "import time; held = bytearray({bytes}); time.sleep(600)"]) for _ in range({below})]
print(flush=True)
time.sleep(600)
"""


def grown(processes: int, mib: int) -> subprocess.Popen[bytes]:
    """Start one build's tree."""
    code = TREE.format(bytes=mib << 20, below=processes - 1)
    return subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE)


def measure(sampler: Sampler, roots: dict[BuildId, int], seconds: int) -> tuple[float, int]:
    """Return the processor seconds of so many looks, and how many trees were weighed."""
    weighed = 0
    begun = time.thread_time()
    for _ in range(seconds):
        time.sleep(1.0)
        sample = sampler.sample(roots)
        weighed += sum(cost.pss is not None for cost in sample.builds.values())
    return time.thread_time() - begun, weighed


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--builds", type=int, default=16)
    asked.add_argument("--processes", type=int, default=16)
    asked.add_argument("--mib", type=int, default=4, help="held by each process")
    asked.add_argument("--seconds", type=int, default=30)
    given = asked.parse_args()
    trees = [grown(given.processes, given.mib) for _ in range(given.builds)]
    try:
        for tree in trees:
            assert tree.stdout is not None
            tree.stdout.readline()
        time.sleep(1.0)
        roots = {BuildId(f"b{number}"): tree.pid for number, tree in enumerate(trees)}
        sampler = Sampler(RunId("bench"))
        sampler.sample(roots)
        used, weighed = measure(sampler, roots, given.seconds)
        sizes = sampler.sample(roots)
        seen = sum(len(cost.processes) for cost in sizes.builds.values())
        percent = 100 * used / given.seconds
        print(f"{seen} processes of {given.builds} builds, {len(psutil.pids())} on the machine")
        print(f"{weighed / given.builds:.1f} weighings a build in {given.seconds} s")
        print(f"{percent:.2f} % of a core (aim: under {AIM_PERCENT} %)")
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
