"""Graphs: on fixed scales, over the last minutes, and in ASCII."""

from __future__ import annotations

import pool
from app.model.timeline import Timeline
from app.text.meters.gauges import GAUGE_SECONDS, gauge_values, list_gauges
from app.text.meters.sparkline import ASCII_BLOCKS, BLOCKS, sparkline
from pool.common.model import BuildId, LimitName
from pool.events import types as v
from pool.events.process_delta import ProcessDelta

A = BuildId("b1")
GIB = 1 << 30


def seen(*events: v.KnownEvent) -> tuple[pool.RunState, Timeline]:
    state, timeline = pool.RunState(), Timeline()
    limits = {LimitName.BUILDS: 4, LimitName.JOBS: 8, LimitName.MEMORY: 4 * GIB}
    started = v.RunStarted(limits=limits, targets=1, out_dir="o", logs="l")
    queued = v.BuildQueued(build=A, name="a", target="a", log="a")
    for event in (started, queued, *events):
        pool.apply(state, event)
        timeline.record(event, state)
    return state, timeline


def test_the_height_of_a_line_follows_the_scale_not_the_data() -> None:
    assert sparkline([0, 1, 2, 4], 4) == " ▂▄█"
    assert sparkline([0, 1, 2, 4], 400) == " ▁▁▁", "what is there shows"
    assert sparkline([9, None], 4) == "█ ", "what drains fills it"
    assert sparkline([4], 0) == "█"


def test_ascii_has_as_many_heights() -> None:
    assert len(ASCII_BLOCKS) == len(BLOCKS)
    assert sparkline([0, 4, 8], 8, ascii_only=True) == " =@"


def test_the_scales_are_the_caps_and_the_budget() -> None:
    machine = v.MachineMemory(total=16 * GIB, available=8 * GIB, stall=12.4)
    process = ProcessDelta(pid=1, ppid=0, name="cc", command="cc", rss=GIB, cpu=1.0)
    tree = v.BuildSample(build=A, processes=(process,), rss=GIB, peak=GIB, tokens=3)
    state, timeline = seen(
        v.BuildStarted(build=A, slot=1, reserved=2 * GIB), v.Sample(builds=(tree,), machine=machine)
    )
    known = {gauge.name: gauge for gauge in list_gauges(state, timeline)}
    assert {name: gauge.scale for name, gauge in known.items()} == {
        "builds": 4, "jobs": 8, "memory": 4 * GIB, "pressure": 100, "reserved": 4 * GIB,
    }  # fmt: skip
    assert (known["pressure"].now, known["reserved"].now) == ("12 %", "2.0 GiB")
    values = {gauge: gauge_values(timeline, known[gauge].measure, 0.0, 10)[-1] for gauge in known}
    assert values == {
        "builds": 1, "jobs": 4, "memory": GIB, "pressure": 12, "reserved": 2 * GIB,
    }  # fmt: skip


def test_a_pause_keeps_the_scale_and_no_sample_is_no_pressure() -> None:
    state, timeline = seen(v.LimitChanged(limit=LimitName.BUILDS, old=4, new=0, why="pause"))
    known = list_gauges(state, timeline)
    assert [(gauge.name, gauge.scale) for gauge in known[:2]] == [("builds", 4), ("jobs", 8)]
    assert "pressure" not in [gauge.name for gauge in known]


def test_history_ends_now_and_is_empty_before_the_run() -> None:
    _, timeline = seen(v.BuildStarted(build=A, slot=1, t=10.0))
    past = gauge_values(timeline, "running", 20.0, 18)
    assert past == [None] * 16 + [1, 1]
    assert gauge_values(timeline, "running", 20.0 + 2 * GAUGE_SECONDS, 18) == [1] * 18
