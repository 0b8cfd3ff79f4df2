"""PSS of process trees: intervals, and the budget of processor time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pool.system.pss import CPU_SHARE, INTERVAL_SECONDS, PssSampler, read_pss
from tests.support.build_keys import build_key
from tests.support.fakes import ManualClock

B1, B2 = build_key("b1"), build_key("b2")


class Kernel:
    """Processes whose PSS is their pid, and whose measurement takes time."""

    def __init__(self, clock: ManualClock, seconds: float = 0.0) -> None:
        self.clock = clock
        self.seconds = seconds
        self.measured: list[int] = []

    def pss(self, pid: int) -> int | None:
        self.measured.append(pid)
        self.clock.seconds += self.seconds
        return pid if pid > 0 else None


def test_a_tree_is_the_sum_of_its_readable_processes() -> None:
    clock = ManualClock()
    sampler = PssSampler(clock, Kernel(clock).pss)
    assert sampler.measure({B1: [3, -1, 4], B2: [-1]}) == {B1: 7}


def test_each_build_is_measured_once_an_interval() -> None:
    clock = ManualClock()
    sampler = PssSampler(clock, Kernel(clock).pss)
    assert sampler.measure({B1: [3]}) == {B1: 3}
    clock.seconds += INTERVAL_SECONDS - 0.5
    assert sampler.measure({B1: [3], B2: [4]}) == {B2: 4}
    clock.seconds += 0.5
    assert sampler.measure({B1: [3], B2: [4]}) == {B1: 3}


def test_large_trees_stay_in_the_budget_and_all_are_measured() -> None:
    clock = ManualClock()
    kernel = Kernel(clock, seconds=0.1)
    sampler = PssSampler(clock, kernel.pss, clock.monotonic)
    builds = {build_key(f"b{number}"): [number] for number in range(1, 17)}
    for _ in range(600):
        clock.seconds += 1.0
        sampler.measure(builds)
    assert len(kernel.measured) * kernel.seconds <= clock.seconds * CPU_SHARE + 0.2
    assert set(kernel.measured) == set(range(1, 17))


def test_an_ended_process_has_no_pss() -> None:
    assert read_pss(2**22 + 1) is None


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="no smaps_rollup here")
def test_read_pss_agrees_with_psutil() -> None:
    import psutil

    ours = read_pss(os.getpid())
    assert ours is not None
    assert ours == pytest.approx(psutil.Process().memory_full_info().pss, rel=0.1)


def test_a_watched_build_is_measured_at_once_and_each_second() -> None:
    clock = ManualClock()
    kernel = Kernel(clock)
    sampler = PssSampler(clock, kernel.pss, clock.monotonic)
    trees = {B1: [3], B2: [4]}
    sampler.measure(trees)
    clock.seconds += 0.2
    assert sampler.measure(trees, [B2]) == {B2: 4}
    assert sampler.measure(trees, [B2]) == {}
    clock.seconds += 1.0
    assert sampler.measure(trees, [B2]) == {B2: 4}
    assert sampler.measure(trees, [B1]) == {B1: 3}


def test_a_watched_build_exceeds_the_budget_but_starves_no_build() -> None:
    clock = ManualClock()
    kernel = Kernel(clock, seconds=0.1)
    sampler = PssSampler(clock, kernel.pss, clock.monotonic)
    trees = {build_key(f"b{number}"): [number] for number in range(1, 9)}
    sampler.measure(trees)
    clock.seconds += 1.0
    assert build_key("b8") in sampler.measure(trees, [build_key("b8")]), "the budget was used up"
    kernel.measured.clear()
    for _ in range(2000):
        clock.seconds += 1.0
        sampler.measure(trees, [build_key("b8")])
    assert len(kernel.measured) * kernel.seconds <= 2000 * CPU_SHARE * 1.1 + 0.2
    assert set(kernel.measured) == set(range(1, 9))
    assert kernel.measured.count(8) > 2 * kernel.measured.count(1)
