"""What trees weigh: how often they are weighed, and what that may take."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pool.common.model import BuildId
from pool.system.pss import EVERY_SECONDS, SHARE, PssSampler, pss_of
from tests.support.fakes import ManualClock

B1, B2 = BuildId("b1"), BuildId("b2")


class Kernel:
    """Processes that weigh what their pid says, and take time to weigh."""

    def __init__(self, clock: ManualClock, seconds: float = 0.0) -> None:
        self.clock = clock
        self.seconds = seconds
        self.asked: list[int] = []

    def pss(self, pid: int) -> int | None:
        self.asked.append(pid)
        self.clock.seconds += self.seconds
        return pid if pid > 0 else None


def test_a_tree_is_the_sum_of_what_can_be_read_of_it() -> None:
    clock = ManualClock()
    scales = PssSampler(clock, Kernel(clock).pss)
    assert scales.weighed({B1: [3, -1, 4], B2: [-1]}) == {B1: 7}


def test_each_build_is_weighed_every_few_seconds() -> None:
    clock = ManualClock()
    scales = PssSampler(clock, Kernel(clock).pss)
    assert scales.weighed({B1: [3]}) == {B1: 3}
    clock.seconds += EVERY_SECONDS - 0.5
    assert scales.weighed({B1: [3], B2: [4]}) == {B2: 4}
    clock.seconds += 0.5
    assert scales.weighed({B1: [3], B2: [4]}) == {B1: 3}


def test_large_trees_take_no_more_than_their_share_and_all_have_their_turn() -> None:
    clock = ManualClock()
    kernel = Kernel(clock, seconds=0.1)
    scales = PssSampler(clock, kernel.pss, clock.monotonic)
    builds = {BuildId(f"b{number}"): [number] for number in range(1, 17)}
    for _ in range(600):
        clock.seconds += 1.0
        scales.weighed(builds)
    assert len(kernel.asked) * kernel.seconds <= clock.seconds * SHARE + 0.2
    assert set(kernel.asked) == set(range(1, 17))


def test_who_is_gone_weighs_nothing() -> None:
    assert pss_of(2**22 + 1) is None


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="no smaps_rollup here")
def test_the_systems_own_way_agrees_with_psutil() -> None:
    import psutil

    ours = pss_of(os.getpid())
    assert ours is not None
    assert ours == pytest.approx(psutil.Process().memory_full_info().pss, rel=0.1)


def test_who_is_looked_at_is_weighed_at_once_and_each_second() -> None:
    clock = ManualClock()
    kernel = Kernel(clock)
    scales = PssSampler(clock, kernel.pss, clock.monotonic)
    trees = {B1: [3], B2: [4]}
    scales.weighed(trees)
    clock.seconds += 0.2
    assert scales.weighed(trees, B2) == {B2: 4}
    assert scales.weighed(trees, B2) == {}
    clock.seconds += 1.0
    assert scales.weighed(trees, B2) == {B2: 4}
    assert scales.weighed(trees, B1) == {B1: 3}


def test_who_is_looked_at_does_not_wait_for_the_allowance_and_starves_nobody() -> None:
    clock = ManualClock()
    kernel = Kernel(clock, seconds=0.1)
    scales = PssSampler(clock, kernel.pss, clock.monotonic)
    trees = {BuildId(f"b{number}"): [number] for number in range(1, 9)}
    scales.weighed(trees)
    clock.seconds += 1.0
    assert BuildId("b8") in scales.weighed(trees, BuildId("b8")), "nothing was left for it"
    kernel.asked.clear()
    for _ in range(2000):
        clock.seconds += 1.0
        scales.weighed(trees, BuildId("b8"))
    assert len(kernel.asked) * kernel.seconds <= 2000 * SHARE * 1.1 + 0.2
    assert set(kernel.asked) == set(range(1, 9))
    assert kernel.asked.count(8) > 2 * kernel.asked.count(1)
