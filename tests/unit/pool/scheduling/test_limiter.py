"""The limiter by example; its rules at large are in tests/property/test_limiter.py."""

from __future__ import annotations

import pytest

from pool.scheduling.limiter import Limiter


def test_requests_are_let_in_up_to_the_cap() -> None:
    limiter: Limiter[str] = Limiter(2)
    assert [limiter.request(who, (0,)) for who in "abc"] == [["a"], ["b"], []]
    assert limiter.running == {"a": 1, "b": 2}
    assert limiter.waiting == ["c"]


def test_the_lowest_priority_goes_first_and_the_earliest_within_it() -> None:
    limiter: Limiter[str] = Limiter(0)
    for who, priority in zip("abcd", [(1, 0.0), (0, 5.0), (0, -5.0), (0, 5.0)], strict=True):
        limiter.request(who, priority)
    assert limiter.waiting == ["c", "b", "d", "a"]
    assert limiter.resize(3) == ["c", "b", "d"]


def test_the_lowest_free_slot_is_given() -> None:
    limiter: Limiter[str] = Limiter(3)
    for who in "abcd":
        limiter.request(who, (0,))
    limiter.remove("a")
    assert limiter.running == {"b": 2, "c": 3, "d": 1}
    limiter.remove("b")
    limiter.remove("d")
    limiter.request("e", (0,))
    assert limiter.running == {"c": 3, "e": 1}


def test_a_smaller_cap_drains_without_evicting_holders() -> None:
    limiter: Limiter[str] = Limiter(3)
    for who in "abcd":
        limiter.request(who, (0,))
    assert limiter.resize(1) == []
    assert list(limiter.running) == ["a", "b", "c"]
    assert limiter.remove("a") == limiter.remove("b") == []
    assert limiter.remove("c") == ["d"]


def test_a_larger_cap_lets_in_at_once() -> None:
    limiter: Limiter[str] = Limiter(1)
    for who in "abcd":
        limiter.request(who, (0,))
    assert limiter.resize(3) == ["b", "c"]


def test_a_cap_of_zero_admits_no_waiter() -> None:
    limiter: Limiter[str] = Limiter(0)
    assert limiter.request("a", (0,)) == []
    assert limiter.resize(1) == ["a"]


def test_a_withdrawn_waiter_is_passed_over_even_if_it_returns() -> None:
    limiter: Limiter[str] = Limiter(1)
    for who in "abc":
        limiter.request(who, (0,))
    assert limiter.remove("b") == []
    limiter.request("b", (0,))
    assert limiter.waiting == ["c", "b"]
    assert limiter.remove("a") == ["c"]
    assert limiter.remove("c") == ["b"]


def test_a_second_request_and_the_leaving_of_a_stranger_are_refused() -> None:
    limiter: Limiter[str] = Limiter(1)
    limiter.request("a", (0,))
    limiter.request("b", (0,))
    for who in "ab":
        with pytest.raises(ValueError, match="already here"):
            limiter.request(who, (0,))
    with pytest.raises(KeyError):
        limiter.remove("c")


def test_withdrawn_waiters_are_removed() -> None:
    limiter: Limiter[int] = Limiter(0)
    for who in range(10_000):
        limiter.request(who, (0,))
        limiter.remove(who)
    assert len(limiter._groups[None].heap) < 100


def test_an_exclusive_waiter_waits_for_all_holders_and_is_not_overtaken() -> None:
    limiter: Limiter[str] = Limiter(3)
    for who in "ab":
        limiter.request(who, (0,))
    assert limiter.request("x", (1,), exclusive=True) == []
    assert limiter.request("c", (0,)) == ["c"], "before it in the line"
    assert limiter.request("d", (2,)) == []
    assert [limiter.remove(who) for who in "abc"] == [[], [], ["x"]]
    assert limiter.request("e", (0,)) == limiter.resize(5) == []
    assert limiter.remove("x") == ["e", "d"]


def test_two_exclusive_waiters_run_one_after_the_other() -> None:
    limiter: Limiter[str] = Limiter(2)
    limiter.request("x", (0,), exclusive=True)
    limiter.request("y", (0,), exclusive=True)
    limiter.request("a", (0,))
    assert list(limiter.running) == ["x"]
    assert limiter.remove("x") == ["y"]
    assert limiter.remove("y") == ["a"]


def test_a_withdrawn_exclusive_waiter_blocks_no_other() -> None:
    limiter: Limiter[str] = Limiter(2)
    limiter.request("a", (0,))
    limiter.request("x", (0,), exclusive=True)
    limiter.request("b", (1,))
    assert limiter.remove("x") == ["b"]
    assert limiter.resize(3) == []
    assert limiter.request("x", (0,)) == ["x"], "next time not alone"
