"""Seconds to read and fold the journal of 10,000 builds, decoding included. Aim: under 2 s."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import msgspec

import pool
from pool.common.model import BuildId, Outcome, Phase, RunId
from pool.events import types as v
from pool.events.journal import JournalWriter
from pool.events.process_delta import ProcessDelta

BUILDS = 10_000


def write(path: Path) -> int:
    """Write a journal as a run of short builds makes one; return the number of events."""
    header = v.Header(
        wheelpool="0", schema=1, run=RunId("r"), started="2026-11-21T00:00:00+00:00",
        argv=(), python="3.11.7", host=v.Host(cpus=2, memory=1 << 30),
    )  # fmt: skip
    journal = JournalWriter(path, header)
    count = 0

    def emit(event: v.KnownEvent) -> None:
        nonlocal count
        count += 1
        journal.write(msgspec.structs.replace(event, seq=count, t=count / 1000))

    caps = {pool.LimitName.BUILDS: 4}
    emit(v.RunStarted(limits=caps, targets=BUILDS, out_dir="out", logs="logs"))
    builds = [BuildId(f"b{n}") for n in range(BUILDS)]
    for build in builds:
        emit(v.BuildQueued(build=build, name=f"name-{build}", target=build, log=f"{build}.log"))
    process = ProcessDelta(pid=1, ppid=0, name="python", command="python x", rss=1 << 24, cpu=9.0)
    machine = v.MachineMemory(total=1 << 34, available=1 << 33)
    for build in builds:
        emit(v.BuildStarted(build=build, slot=1))
        for phase in (
            Phase.UNPACK,
            Phase.ENVIRONMENT,
            Phase.GET_REQUIRES,
            Phase.BUILD,
            Phase.CHECK,
        ):
            emit(v.BuildPhase(build=build, phase=phase))
        emit(v.BuildOutput(build=build, lines=10, bytes=400, last="running bdist_wheel"))
        sample = v.BuildSample(build=build, processes=(process,) * 4, rss=1 << 26, peak=1 << 26)
        emit(v.Sample(builds=(sample,), machine=machine))
        emit(v.BuildFinished(build=build, outcome=Outcome.BUILT, seconds=1.0, wheel="x.whl"))
    emit(v.RunFinished(exit_code=0, totals={Outcome.BUILT: BUILDS}))
    journal.close()
    return count


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.jsonl"
        count = write(path)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            state = pool.RunState()
            with pool.JournalReader(path) as reader:
                pool.apply_all(state, reader.read())
            times.append(time.perf_counter() - start)
        assert state.finished
        print(f"fold of {count:,} events of {BUILDS:,} builds: {median(times):.2f} s (aim: 2)")


if __name__ == "__main__":
    main()
