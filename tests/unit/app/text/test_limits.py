"""Limits and download speed as text, for every width."""

from __future__ import annotations

import pytest

import pool
from app.plain.progress_line import format_progress
from app.text import limits as caps
from app.text.limits import fit_limits, format_limits, format_traffic, memory_use, next_limit
from pool.common.model import BuildId, LimitName
from pool.events import types as v

A, B = BuildId("b1"), BuildId("b2")
CAPS = {LimitName.BUILDS: 2, LimitName.DOWNLOADS: 8, LimitName.INSTALLS: 2}
MEBI = 1 << 20


def state(*events: v.KnownEvent) -> pool.RunState:
    state = pool.RunState()
    started = v.RunStarted(limits=CAPS, targets=2, out_dir="o", logs="l")
    queued = [v.BuildQueued(build=b, name=b, target=b, log=b) for b in (A, B)]
    pool.apply_all(state, [started, *queued, *events])
    return state


def loading(count: int, t: float = 0.0) -> list[v.KnownEvent]:
    return [v.DownloadStarted(file=f"f{n}", total=10 * MEBI, t=t) for n in range(count)]


def test_drain_and_pause_have_lines() -> None:
    both = (v.BuildStarted(build=A, slot=1), v.BuildStarted(build=B, slot=2))
    lowered = v.LimitChanged(limit=LimitName.BUILDS, old=2, new=1, why="user")
    paused = v.LimitChanged(limit=LimitName.BUILDS, old=2, new=0, why="pause")
    assert format_limits(state(*both))[LimitName.BUILDS] == "builds 2/2"
    assert format_limits(state(*both, lowered))[LimitName.BUILDS] == "builds 2 -> 1"
    assert format_limits(state(*both, paused))[LimitName.BUILDS] == "builds paused (2 finishing)"
    assert format_limits(state(paused))[LimitName.BUILDS] == "builds paused"


def test_a_cap_that_memory_lowered_is_marked_until_it_is_back() -> None:
    def memory(old: int, new: int) -> v.LimitChanged:
        return v.LimitChanged(limit=LimitName.BUILDS, old=old, new=new, why="memory")

    both = (v.BuildStarted(build=A, slot=1), v.BuildStarted(build=B, slot=2))
    user = v.LimitChanged(limit=LimitName.BUILDS, old=1, new=1, why="user")
    said = [
        format_limits(state(*both, *events))[LimitName.BUILDS]
        for events in ([memory(2, 1)], [memory(2, 1), memory(1, 2)], [memory(2, 1), user])
    ]
    assert said == ["builds 2 -> 1 memory", "builds 2/2", "builds 2 -> 1"]


def test_memory_budget_has_used_and_reserved() -> None:
    given = v.LimitChanged(limit=LimitName.MEMORY, old=0, new=1000, why="user")
    none = v.LimitChanged(limit=LimitName.MEMORY, old=1000, new=0, why="user")
    both = (
        v.BuildStarted(build=A, slot=1, reserved=300),
        v.BuildStarted(build=B, slot=2, reserved=300),
    )
    samples = [v.BuildSample(build=b, processes=(), rss=r, peak=r) for b, r in ((A, 50), (B, 500))]
    used = v.Sample(builds=tuple(samples), machine=v.MachineMemory(total=9, available=5))
    left = v.BuildFinished(build=B, outcome=pool.Outcome.BUILT)
    assert memory_use(state()) is None
    assert memory_use(state(given, *both)) == (0, 600, 1000)
    assert memory_use(state(given, *both, used)) == (550, 800, 1000)
    assert memory_use(state(given, *both, used, left)) == (50, 300, 1000)
    assert memory_use(state(given, none)) is None


def test_downloads_and_installs_drain_as_builds_do() -> None:
    lowered = v.LimitChanged(limit=LimitName.DOWNLOADS, old=8, new=3, why="user")
    install = v.InstallStarted(distribution="x.whl", environment="cache")
    said = format_limits(state(*loading(8), lowered, install))
    assert list(said.values()) == ["builds 0/2", "downloads 8 -> 3", "installs 1/2"]


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (80, ["builds 0/2", "downloads 1/8", "installs 0/2"]),
        (40, ["bld 0/2", "dl 1/8", "inst 0/2"]),
        (20, ["b0/2", "d1/8", "i0/2"]),
        (1, ["b0/2", "d1/8", "i0/2"]),
    ],
)
def test_all_caps_are_there_at_every_width(width: int, said: list[str]) -> None:
    assert list(fit_limits(state(*loading(1)), width).values()) == said


def test_changes_of_use_move_no_neighbour() -> None:
    wide = v.LimitChanged(limit=LimitName.DOWNLOADS, old=8, new=16, why="user")
    texts = [fit_limits(state(wide, *loading(n)), 80)[LimitName.DOWNLOADS] for n in (0, 9, 10, 16)]
    assert len({len(text) for text in texts}) == 1


def test_the_next_cap_goes_around_and_knows_old_runs() -> None:
    run = state()
    around = [LimitName.BUILDS]
    for _ in range(4):
        around.append(next_limit(run, around[-1]))
    assert around == [*CAPS, LimitName.MEMORY, LimitName.BUILDS]
    old = pool.RunState()
    assert next_limit(old, LimitName.BUILDS) is LimitName.MEMORY
    pool.apply(old, v.RunStarted(limits={LimitName.BUILDS: 1}, targets=1, out_dir="o", logs="l"))
    assert next_limit(old, LimitName.MEMORY) is LimitName.BUILDS
    assert list(format_limits(old)) == [LimitName.BUILDS]


def test_downloads_have_size_and_speed() -> None:
    coming = [v.DownloadProgress(file="f0", bytes=n * MEBI, total=10 * MEBI, t=n) for n in range(9)]
    begun = [*loading(2), *coming]
    run = state(*begun)
    assert format_traffic(run, 8.0).startswith("8 of 20 MiB  1.")
    whole = v.DownloadFinished(file="f0", bytes=10 * MEBI, t=9.0)
    assert format_traffic(state(*begun, whole), 9.0).startswith("10 of 20 MiB  ")
    last = v.DownloadFinished(file="f1", bytes=10 * MEBI, t=9.0)
    assert format_traffic(state(*begun, whole, last), 9.0) == ""


def test_downloads_of_unknown_size_have_received_bytes() -> None:
    unknown = v.DownloadStarted(file="x")
    some = v.DownloadProgress(file="x", bytes=3 * MEBI)
    assert format_traffic(state(*loading(1), unknown, some), 1.0).startswith("3 MiB  ")


def test_traffic_that_stops_slows_down() -> None:
    run = state(*loading(1), v.DownloadProgress(file="f0", bytes=5 * MEBI, t=2.0))
    rates = [run.traffic.rate(now) for now in (2.0, 4.0, 8.0, 60.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 1.0


def test_a_failed_download_has_brought_nothing() -> None:
    some = v.DownloadProgress(file="f0", bytes=5 * MEBI, t=2.0)
    gone = v.DownloadFinished(file="f0", bytes=5 * MEBI, ok=False, t=3.0)
    assert state(*loading(1), some, gone).traffic.bytes == 0


def test_the_progress_line_has_downloads_and_the_time_stays_where_it_is_narrow() -> None:
    machine = v.MachineMemory(total=8 << 30, available=4 << 30)
    run = state(
        *loading(2),
        v.DownloadProgress(file="f0", bytes=5 * MEBI, t=2.0),
        v.Sample(builds=(), machine=machine, t=2.0),
    )
    line = format_progress(run, 2.0, 200)
    assert line.startswith("[░░░░░░░░░░░░] 0/2  5 of 20 MiB  ")
    assert line.endswith("/s · 0:02")
    assert format_progress(run, 2.0, 30) == "[░░░░░░░░░░░░] 0/2  0:02"
    assert format_progress(pool.RunState(), 0.5, 80) == "0:00"


def test_progress_line_has_resolution_and_installation() -> None:
    resolving = v.ResolveStarted(requirements=("a", "b"), t=1.0)
    assert "resolving 2 requirements · 0:04" in format_progress(state(resolving), 5.0, 120)


def budgeted(cap: int) -> pool.RunState:
    state = pool.RunState()
    limits = {LimitName.BUILDS: 4} | ({LimitName.MEMORY: cap} if cap else {})
    machine = v.MachineMemory(total=16 << 30, available=8 << 30)
    pool.apply(state, v.RunStarted(limits=limits, targets=1, out_dir="o", logs="l"))
    pool.apply(state, v.Sample(builds=(), machine=machine))
    return state


@pytest.mark.parametrize(
    ("cap", "steps", "after"),
    [
        (8 << 30, 1, 9 << 30),
        (8 << 30, -1, 7 << 30),
        ((8 << 30) + 5, 1, 9 << 30),
        ((8 << 30) + 5, -1, 8 << 30),
        (1 << 30, -1, None),
        (16 << 30, 1, None),
        (0, 1, None),
        (0, -1, 16 << 30),
    ],
)
def test_the_memory_budget_goes_by_whole_steps(cap: int, steps: int, after: int | None) -> None:
    assert caps.budget_step(budgeted(cap)) == 1 << 30
    assert caps.step_budget(budgeted(cap), steps) == after


def test_memory_is_the_last_cap_before_the_first() -> None:
    state = budgeted(0)
    assert caps.next_limit(state, LimitName.BUILDS) is LimitName.MEMORY
    assert caps.next_limit(state, LimitName.MEMORY) is LimitName.BUILDS


def test_excess_builds_are_counted() -> None:
    state = budgeted(0)
    assert caps.count_excess(state, LimitName.BUILDS) == 0
    for number in (1, 2):
        build = BuildId(f"d{number}")
        pool.apply(state, v.BuildQueued(build=build, name="d", target="d", log="d"))
        pool.apply(state, v.BuildStarted(build=build, slot=number))
    pool.apply(state, v.LimitChanged(limit=LimitName.BUILDS, old=4, new=1, why="user"))
    assert caps.count_excess(state, LimitName.BUILDS) == 1
