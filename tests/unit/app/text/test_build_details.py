"""Details of one build: every one that applies, and no other."""

from __future__ import annotations

from pathlib import Path

import msgspec

import pool
from app.model.memory_history import MemoryHistory, sample_columns
from app.model.queue import SlotQueue
from app.model.series import Series
from app.runs.previous_phases import previous_phases
from app.text.build_details import build_facts, list_attempts
from pool.common.model import BuildId, LimitName, Outcome, Phase, RunId
from pool.events import types as v
from pool.events.journal import JournalWriter
from pool.events.process_delta import ProcessDelta

A, B, C = (BuildId(f"b{n}") for n in (1, 2, 3))
HEADER = v.Header(
    wheelpool="1", schema=1, run=RunId("r"), started="2026-11-21T00:00:00+00:00", argv=(),
    python="3.12.1", host=v.Host(cpus=2, memory=1 << 33),
)  # fmt: skip


def after(*events: tuple[float, v.KnownEvent]) -> pool.RunState:
    made = pool.RunState(header=HEADER)
    pool.apply_all(made, [pool_at(event, t) for t, event in events])
    return made


def pool_at(event: v.KnownEvent, t: float) -> v.KnownEvent:
    return msgspec.structs.replace(event, t=t)


def fact_texts(
    state: pool.RunState, build: BuildId, now: float, before: dict[Phase, float] | None = None
) -> dict[str, str]:
    found = build_facts(state.builds[build], state, now, SlotQueue(), before or {})
    return {fact.label: fact.text for fact in found}


def queued(build: BuildId) -> v.BuildQueued:
    return v.BuildQueued(build=build, name=build, target=f"./{build}", log="")


def test_details_of_a_running_build_have_the_previous_phases() -> None:
    known = msgspec.structs.replace(
        queued(A), config_settings=("key=value",), expected=9.0, expected_peak=1 << 30
    )
    state = after(
        (0.0, known),
        (2.0, v.BuildStarted(build=A, slot=1, reserved=1 << 29)),
        (2.0, v.BuildPhase(build=A, phase=Phase.ENVIRONMENT)),
        (3.0, v.BuildPhase(build=A, phase=Phase.BUILD)),
        (3.0, v.BuildRequirementsResolved(build=A, requirements=("setuptools 80", "wheel 1"))),
    )
    told = fact_texts(state, A, 5.0, {Phase.BUILD: 4.0})
    assert told["phases"] == "environment 1.0 s   build 2.0 s so far (previously 4.0 s)"
    assert told["time"] == "3.0 s, queued 2.0 s, usually 9.0 s"
    assert told["memory"] == "512 MiB reserved   usual peak 1.0 GiB"
    assert told["settings"] == "key=value"
    assert told["built with"] == "setuptools 80, wheel 1"
    assert told["python"] == "3.12.1"
    assert told["requested as"] == "./b1"
    assert not {"why", "rerun", "attempts", "wheel", "waits for"} & told.keys()


def test_details_of_a_failure_have_reason_fix_rerun_and_attempts() -> None:
    state = after(
        (0.0, queued(A)),
        (1.0, v.BuildFinished(build=A, outcome=Outcome.FAILED, message="no", hint="do", rerun="x")),
        (1.0, msgspec.structs.replace(queued(B), retry_of=A)),
    )
    told = fact_texts(state, A, 2.0)
    assert (told["cause"], told["fix"], told["rerun"]) == ("no", "do", "x")
    assert told["attempts"] == "1. this one, retried  2. queued"
    assert fact_texts(state, B, 2.0)["attempts"] == "1. retried (no)  2. this one, queued"
    assert [one.id for one in list_attempts(state.builds[B], state)] == [A, B]


def test_details_name_dependents_and_dependencies() -> None:
    state = after(
        (0.0, queued(A)),
        (0.0, msgspec.structs.replace(queued(B), needed_by=(A,))),
        (1.0, v.BuildWaiting(build=A, for_=pool.WaitFor.DEPENDENCY, on="b2", builds=(B,))),
    )
    assert fact_texts(state, A, 3.0)["waits for"] == "b2 (queued)"
    assert fact_texts(state, B, 3.0)["needed by"] == "b1 (waiting)"
    assert "waiting 0" not in fact_texts(state, B, 3.0).get("why", "")


def sample(t: float, build: BuildId, *processes: tuple[int, int]) -> v.Sample:
    shown = tuple(
        ProcessDelta(pid=pid, ppid=0, name="x", command="x", rss=rss, cpu=0.0)
        for pid, rss in processes
    )
    rss = sum(rss for _, rss in processes)
    one = v.BuildSample(build=build, processes=shown, rss=rss, peak=rss)
    return v.Sample(t=t, builds=(one,), machine=v.MachineMemory(total=1, available=1))


def test_memory_history_has_builds_and_running_processes() -> None:
    trail = MemoryHistory()
    for event in (sample(1.0, A, (7, 10)), sample(2.0, A, (7, 30), (8, 5)), sample(3.0, A, (8, 6))):
        trail.record(event)
    assert trail.builds[A].values == [10, 35, 6]
    assert trail.process(A, 8).values == [5, 6]
    assert trail.process(A, 7).values == []
    trail.record(v.BuildFinished(t=4.0, build=A, outcome=Outcome.BUILT))
    assert trail.process(A, 8).values == []
    assert trail.builds[A].value_at(5.0) == 0


def test_a_graph_has_the_most_of_each_length_of_time_and_nothing_before() -> None:
    series = Series()
    for t, value in ((4.0, 1), (5.0, 9), (5.5, 2)):
        series.append(t, value)
    assert sample_columns(series, 4, 0.0, 8.0) == [None, None, 9, 2]
    assert sample_columns(Series(), 2, 0.0, 8.0) == [None, None]


def write(folder: Path, outcome: Outcome, seconds: float) -> Path:
    journal = folder / "events.jsonl"
    writer = JournalWriter(journal, HEADER)
    happened: list[tuple[float, v.KnownEvent]] = [
        (0.0, v.RunStarted(limits={LimitName.BUILDS: 1}, targets=1, out_dir="", logs="")),
        (0.0, queued(A)),
        (0.0, v.BuildStarted(build=A, slot=1)),
        (0.0, v.BuildPhase(build=A, phase=Phase.BUILD)),
        (seconds, v.BuildFinished(build=A, outcome=outcome)),
    ]
    for seq, (t, event) in enumerate(happened, 1):
        writer.write(msgspec.structs.replace(event, seq=seq, t=t))
    writer.close()
    return journal


def test_the_newest_run_before_that_built_it_is_compared_with(tmp_path: Path) -> None:
    for name, outcome, seconds in (
        ("1", Outcome.BUILT, 5.0), ("2", Outcome.BUILT, 7.0), ("3", Outcome.FAILED, 1.0),
        ("5", Outcome.BUILT, 99.0),
    ):  # fmt: skip
        (tmp_path / name).mkdir()
        write(tmp_path / name, outcome, seconds)
    (tmp_path / "35").mkdir()
    (tmp_path / "35" / "events.jsonl").write_text("no journal\n")
    now = tmp_path / "4" / "events.jsonl"
    build = after((0.0, queued(A))).builds[A]
    assert previous_phases(now, build) == {Phase.BUILD: 7.0}
    assert previous_phases(tmp_path / "none" / "0" / "events.jsonl", build) == {}
