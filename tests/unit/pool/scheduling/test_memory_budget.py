"""The budget as it goes with what others take and give back."""

from __future__ import annotations

from pool.scheduling.memory_budget import MemoryBudget, safety_margin

GIB = 1 << 30


def test_budget_equals_the_requested_bytes_where_there_is_enough() -> None:
    allowance = MemoryBudget(8 * GIB, free=20 * GIB)
    assert allowance.current == 8 * GIB
    assert allowance.update(1.0, 15 * GIB, 5 * GIB) == 8 * GIB


def test_a_tenth_is_left_alone_and_2_gib_at_most() -> None:
    assert MemoryBudget(99 * GIB, free=10 * GIB).current == 9 * GIB
    assert MemoryBudget(99 * GIB, free=80 * GIB).current == 78 * GIB


def test_memory_of_builds_does_not_lower_the_budget() -> None:
    allowance = MemoryBudget(99 * GIB, free=10 * GIB)
    assert {allowance.update(float(n), (10 - n) * GIB, n * GIB) for n in range(9)} == {9 * GIB}


def test_it_follows_others_down_at_once_and_up_when_they_stay_away() -> None:
    allowance = MemoryBudget(8 * GIB, free=10 * GIB)
    seen = [allowance.update(float(n), (6 if n < 3 else 10) * GIB, 0) for n in range(12)]
    low = 6 * GIB - safety_margin(6 * GIB)
    assert seen[:8] == [low] * 8
    assert seen[8:] == [8 * GIB] * 4


def test_small_changes_are_not_followed_so_it_does_not_flap() -> None:
    allowance = MemoryBudget(99 * GIB, free=10 * GIB)
    wiggle = [allowance.update(float(n), 10 * GIB + (-1) ** n * GIB // 4, 0) for n in range(30)]
    assert set(wiggle) == {9 * GIB}


def test_the_last_bit_comes_back_as_well() -> None:
    allowance = MemoryBudget(8 * GIB, free=GIB)
    for n in range(20):
        allowance.update(float(n), int(8.7 * GIB), 0)
    assert allowance.current < 8 * GIB
    for n in range(20, 40):
        allowance.update(float(n), 9 * GIB, 0)
    assert allowance.current == 8 * GIB
