"""Which builds fit into the memory budget, and the memory they are expected to use."""

from __future__ import annotations

from pool.scheduling.memory_ledger import FIRST_GUESS, MemoryLedger

MIB = 1 << 20


def ledger(budget: int | None, **known: int | None) -> MemoryLedger[str]:
    """A ledger in MiB."""
    made: MemoryLedger[str] = MemoryLedger(None if budget is None else budget * MIB)
    for who, peak in known.items():
        made.add(who, None if peak is None else peak * MIB)
    return made


def test_a_build_with_history_fits_by_the_peak_of_earlier_runs() -> None:
    three = ledger(1000, a=400, b=600, c=601)
    three.on_admit("a")
    assert three.fits("b", ["a"])
    assert not three.fits("c", ["a"])


def test_any_build_fits_while_none_runs() -> None:
    assert ledger(10, huge=9000).fits("huge", [])


def test_without_a_budget_all_fit() -> None:
    both = ledger(None, a=9000, b=9000)
    both.on_admit("a")
    assert both.fits("b", ["a"])


def test_use_beyond_the_expectation_is_reserved() -> None:
    both = ledger(1000, a=100, b=500)
    both.on_admit("a")
    both.record_sample({"a": 700 * MIB})
    assert not both.fits("b", ["a"])
    both.record_sample({"a": 300 * MIB})
    assert both.fits("b", ["a"])
    assert both.expected_peak("a") == 700 * MIB, "it may come to that again"


def test_the_first_guess_is_halved_by_each_success_down_to_the_measured_peak() -> None:
    some = ledger(4000, a=None, b=None, c=None, d=None)
    assert some.expected_peak("d") == FIRST_GUESS
    some.remove("a", peak=100 * MIB, succeeded=True)
    assert some.expected_peak("d") == FIRST_GUESS // 2
    some.remove("b", peak=90 * MIB, succeeded=False)
    assert some.expected_peak("d") == FIRST_GUESS // 2
    some.remove("c", peak=110 * MIB, succeeded=True)
    assert some.expected_peak("d") == FIRST_GUESS // 4


def test_the_guess_grows_while_one_of_the_unknown_still_runs() -> None:
    some = ledger(4000, a=None, b=None)
    some.record_sample({"a": 900 * MIB})
    assert some.expected_peak("b") == 900 * MIB


def test_one_giant_does_not_make_all_others_giants() -> None:
    some = ledger(4000, last=None, **{f"b{number}": None for number in range(8)})
    for number in range(7):
        some.remove(f"b{number}", peak=60 * MIB, succeeded=True)
    some.remove("b7", peak=6000 * MIB, succeeded=True)
    assert some.expected_peak("last") == 60 * MIB


def test_cached_builds_do_not_change_the_expectation() -> None:
    some = ledger(4000, a=None, b=None)
    some.remove("a", peak=0, succeeded=False)
    assert some.expected_peak("b") == FIRST_GUESS


def test_a_build_ended_for_memory_is_expected_to_need_its_peak_or_more() -> None:
    some = ledger(4000, a=50)
    some.add("again", 50 * MIB, 700 * MIB)
    some.add("unknown", None, 100 * MIB)
    assert some.expected_peak("again") == 700 * MIB
    assert some.expected_peak("unknown") == FIRST_GUESS
