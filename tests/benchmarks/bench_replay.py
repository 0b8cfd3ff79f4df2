"""Seconds to open a long log for a replay, and to seek in it: 100,000 and 1,000,000 events.

A seek is timed without drawing: it loads the snapshot before the moment and folds the events since. Aim: 1 s at the worst with 1,000,000 events.

"""

from __future__ import annotations

import gc
import random
import resource
import tempfile
import time
from pathlib import Path
from statistics import median

import msgspec

import pool
from app.source.replay import ReplaySource
from app.tui.run_model import RunModel
from pool.common.model import BuildId, LimitName, Outcome, Phase
from pool.events import types as v
from pool.events.journal import JournalWriter
from pool.events.process_delta import ProcessDelta
from tests.support.home import HEADER

BUILDS, SLOTS = 10_000, 4
COUNTS = (100_000, 1_000_000)
SEEKS = 20


def write(path: Path, count: int) -> None:
    """Write a log of so many events: builds in slots, with phases, output and samples."""
    journal = JournalWriter(path, HEADER)
    caps = {LimitName.BUILDS: SLOTS}
    names = [BuildId(f"b{n}") for n in range(BUILDS)]
    process = ProcessDelta(pid=1, ppid=0, name="cc1", command="cc1 x.c", rss=1 << 24, cpu=99.0)
    machine = v.MachineMemory(total=1 << 34, available=1 << 33)
    told = 0

    def emit(event: v.KnownEvent) -> None:
        nonlocal told
        told += 1
        journal.write(msgspec.structs.replace(event, seq=told, t=told / 100))

    emit(v.RunStarted(limits=caps, targets=BUILDS, out_dir="out", logs="logs"))
    for name in names:
        emit(v.BuildQueued(build=name, name=f"name-{name}", target=name, log=f"{name}.log"))
    for first in range(0, BUILDS, SLOTS):
        together = names[first : first + SLOTS]
        for slot, name in enumerate(together, 1):
            emit(v.BuildStarted(build=name, slot=slot))
            for phase in (Phase.UNPACK, Phase.ENVIRONMENT, Phase.BUILD):
                emit(v.BuildPhase(build=name, phase=phase))
        share = (first + SLOTS) * (count - BUILDS) // BUILDS + BUILDS
        while told < share - SLOTS:
            for name in together:
                emit(v.BuildOutput(build=name, lines=told, bytes=told, last="[1/9] Building x.o"))
            samples = tuple(
                v.BuildSample(build=name, processes=(process,), rss=told, peak=1 << 30)
                for name in together
            )
            emit(v.Sample(builds=samples, machine=machine))
        for name in together:
            emit(v.BuildFinished(build=name, outcome=Outcome.BUILT, seconds=1.0, wheel="x.whl"))
    journal.close()


def main() -> None:
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "run.jsonl"
            write(path, count)
            start = time.process_time()
            source = ReplaySource(path, pool.SystemClock())
            opened = time.process_time() - start
            gc.freeze()  # As the command does.
            source.toggle()
            feed = RunModel(source, pool.SystemClock())
            times = []
            chance = random.Random(1)
            for _ in range(SEEKS):
                start = time.process_time()
                source.seek(chance.uniform(0, source.length))
                feed.advance()
                times.append(time.process_time() - start)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            print(
                f"{count:,} events of {BUILDS:,} builds: opened in {opened:.1f} s of a core,"
                f" anywhere in {median(times):.2f} s, worst {max(times):.2f} s; {memory} MiB"
            )


if __name__ == "__main__":
    main()
