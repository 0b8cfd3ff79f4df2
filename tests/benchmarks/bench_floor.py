"""Wall time of one build against its floor: unpacking, and the hooks of the backend.

The floor is Python that unpacks the sdist of the tree and calls its two hooks, each in a fork of a
process that has imported the backend, without an environment, a cache, events or a pool. wheelpool
builds an equal tree in turns, with warm hooks and with cold ones. Prints medians, medians of the
ratios of pairs, and the timings of one build. On a busy machine only processor time is comparable.

Needs the package index once, to warm the caches. Wanted: at most 1.25 of the floor, apart from the
start of Python.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks.bench_trees import FLIT, SETUPTOOLS, Bench
from tests.benchmarks.contest import BIN

PROJECTS = {
    "flit": (FLIT, "flit_core.buildapi", "flit_core>=3.12"),
    "setuptools": (SETUPTOOLS, "setuptools.build_meta", "setuptools>=80"),
}
WANTED = 1.25
# Unpacks an archive and calls the hooks of its backend in forks; prints seconds of each as JSON.
FLOOR = """
import importlib, json, os, resource, sys, tarfile, time
name, archive, folder = sys.argv[1:]
backend = importlib.import_module(name)
times = {}
def spent():
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in both)
cpu = spent()
start = time.perf_counter()
with tarfile.open(archive) as sdist:
    sdist.extractall(folder, filter="data")
times["unpack"] = time.perf_counter() - start
os.chdir(os.path.join(folder, os.listdir(folder)[0]))
for hook, words in (("get_requires_for_build_wheel", ()), ("build_wheel", (folder,))):
    start = time.perf_counter()
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        getattr(backend, hook)(*words)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        raise SystemExit(f"{hook} failed")
    times[hook] = time.perf_counter() - start
print(json.dumps({**times, "cpu": spent() - cpu}))
"""


class FloorBench(Bench):
    """Trees that are built by wheelpool, and by their hooks alone."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self.backends = root / "backends"

    def install_backends(self) -> None:
        """Install the backends for the floor."""
        names = [requirement for _, _, requirement in PROJECTS.values()]
        pip = (sys.executable, "-m", "pip", "install", "-q", "--target", self.backends)
        self.call(*pip, *names)

    def time_floor(self, kind: str) -> dict[str, float]:
        """Return the seconds of unpacking a tree and of its hooks."""
        project, backend, _ = PROJECTS[kind]
        tree = self.new_tree(project)
        archive = tree.parent / "tree.tar.gz"
        with tarfile.open(archive, "w:gz") as sdist:
            sdist.add(tree, "tree-1")
        folder = tree.parent / "out"
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", FLOOR, backend, str(archive), str(folder)],
            env={**self.environ, "PYTHONPATH": str(self.backends)},
            cwd=self.root, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        times: dict[str, float] = json.loads(done.stdout)
        return times

    def time_build(self, kind: str, *flags: str) -> dict[str, float]:
        """Return the seconds of a build of a new tree: the command, and its timings."""
        tree = self.new_tree(PROJECTS[kind][0])
        log = tree.parent / "run.jsonl"
        start, cpu = time.perf_counter(), _cpu_of_children()
        self.call(
            BIN / "wheelpool", "build", tree, "-o", tree.parent / "out", "--log", log, "--no-ui",
            "-q", *flags,
        )  # fmt: skip
        seconds, cpu = time.perf_counter() - start, _cpu_of_children() - cpu
        report = subprocess.run(
            [str(BIN / "wheelpool"), "report", str(log), "--json"],
            env=self.environ, cwd=self.root, stdout=subprocess.PIPE, check=True,
        )  # fmt: skip
        timings = json.loads(report.stdout)["timings"]
        measured = timings["until"] - timings["since"]
        rest = {"exit": max(0.0, seconds - measured), "cpu": cpu}
        return {"command": seconds, **timings["wall"], **rest}


def measure(bench: FloorBench, kind: str, rounds: int) -> str:
    """Measure one kind of tree in turns; return the result as a table."""
    tools: dict[str, Callable[[], dict[str, float]]] = {
        "floor": lambda: bench.time_floor(kind),
        "warm": lambda: bench.time_build(kind),
        "cold hooks": lambda: bench.time_build(kind, "--no-warm"),
    }
    for tool in tools.values():
        tool()
    times: dict[str, list[dict[str, float]]] = {name: [] for name in tools}
    for _ in range(rounds):
        for name, tool in tools.items():
            times[name].append(tool())
    cpu = {name: [one.pop("cpu") for one in rounds_] for name, rounds_ in times.items()}
    floors = [sum(one.values()) for one in times["floor"]]
    lines = [f"one {kind} tree, {rounds} rounds in turns"]
    lines += [f"  {'floor':10} {median(floors):6.3f} s  {_parts(times['floor'])}"]
    for name in ("warm", "cold hooks"):
        whole = [one.pop("command") for one in times[name]]
        inside = [sum(one.values()) - one.get("start", 0.0) - one["exit"] for one in times[name]]
        lines.append(f"  {name:10} {median(whole):6.3f} s  {_parts(times[name])}")
        lines.append(
            f"  {'':10} {_ratio(whole, floors)} of the floor, {_ratio(inside, floors)} without start"
            f" and exit, {_ratio(cpu[name], cpu['floor'])} in processor time (wanted: {WANTED})"
        )
    return "\n".join(lines)


def _ratio(ours: Sequence[float], floors: Sequence[float]) -> str:
    """Return the median of the ratios of pairs."""
    return f"{median(a / b for a, b in zip(ours, floors, strict=True)):.2f}"


def _cpu_of_children() -> float:
    """Return the processor seconds of all processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _parts(rounds: list[dict[str, float]]) -> str:
    """Return the median seconds of each part, the longest first."""
    names = {name for one in rounds for name in one if name != "command"}
    parts: Mapping[str, float] = {
        name: median(one.get(name, 0.0) for one in rounds) for name in names
    }
    longest = sorted(parts, key=lambda name: parts[name], reverse=True)
    return "  ".join(f"{name} {parts[name]:.3f}" for name in longest if parts[name] >= 0.0005)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--only", default="", choices=("", *PROJECTS))
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-floor-") as folder:
        bench = FloorBench(Path(folder))
        bench.install_backends()
        for kind in PROJECTS:
            if given.only in ("", kind):
                print(measure(bench, kind, given.rounds))
                sys.stdout.flush()
        print(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
