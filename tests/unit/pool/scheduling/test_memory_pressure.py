"""When builds have to step back for want of memory, and when one has to end."""

from __future__ import annotations

import pytest

from pool.scheduling.memory_pressure import (
    CRITICAL_STALL,
    FAR_OVERUSE_SECONDS,
    OVERUSE_SECONDS,
    SETTLE_SECONDS,
    Pressure,
    PressureReading,
)


def under(load: float = 0.0, *, scarce: bool = False, stall: float = 0.0) -> PressureReading:
    return PressureReading(load=load, overuse=load, scarce=scarce, stall=stall)


def ends(strain: PressureReading, seconds: int) -> list[int]:
    """Return when builds have to end, looked at each second."""
    pressure = Pressure()
    return [second for second in range(seconds) if pressure.must_evict(float(second), strain)]


def test_the_cap_goes_down_by_steps_and_comes_back_after_calm() -> None:
    pressure, cap, seen = Pressure(), 8, []
    for second in range(40):
        strain = under(1.2 if second < 5 else 0.5)
        cap = min(8, pressure.recommend_cap(float(second), strain, running=8, cap=cap))
        seen.append(cap)
    assert seen[:5] == [6, 6, 5, 5, 4]
    assert seen[9] == 4, "some calm first"
    assert seen[-1] == 8
    assert sorted(seen[5:]) == seen[5:]


def test_the_cap_goes_below_the_running_builds_and_never_below_one() -> None:
    pressure, cap = Pressure(), 64
    cap = pressure.recommend_cap(0.0, under(1.1), running=2, cap=cap)
    assert cap == 1
    assert pressure.recommend_cap(9.0, under(1.1), running=1, cap=cap) == 1


@pytest.mark.parametrize("strain", [under(0.1, stall=40.0), under(0.1, scarce=True)])
def test_the_kernels_word_counts_as_well(strain: PressureReading) -> None:
    assert Pressure().recommend_cap(0.0, strain, running=4, cap=4) == 3


def test_a_little_too_much_is_borne_for_a_while() -> None:
    each = OVERUSE_SECONDS + SETTLE_SECONDS
    assert ends(under(1.05), 25) == [OVERUSE_SECONDS + each * n for n in range(3)]


def test_far_too_much_is_borne_for_a_moment() -> None:
    each = FAR_OVERUSE_SECONDS + SETTLE_SECONDS
    assert ends(under(1.3), 12) == [FAR_OVERUSE_SECONDS + each * n for n in range(2)]


def test_with_little_memory_left_one_build_ends_and_the_effect_is_awaited() -> None:
    assert ends(under(0.2, scarce=True), 7) == [0, SETTLE_SECONDS, 2 * SETTLE_SECONDS]


def test_where_all_wait_for_memory_one_ends() -> None:
    assert ends(under(0.2, stall=CRITICAL_STALL), 7) == [OVERUSE_SECONDS]
    assert not ends(under(0.2, stall=CRITICAL_STALL - 1), 60)


def test_a_momentary_peak_ends_no_build() -> None:
    pressure = Pressure()
    loads = [1.4, 1.4, 0.8] * 10
    assert not any(pressure.must_evict(float(at), under(load)) for at, load in enumerate(loads))


def test_a_budget_lowered_by_other_processes_ends_no_build() -> None:
    assert not ends(PressureReading(load=3.0, overuse=0.9), 60)
