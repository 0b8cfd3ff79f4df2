"""Turns between the groups of a limiter, against a model that searches all entries each time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pool.scheduling.limiter import MAX_OVERTAKES, Limiter
from pool.scheduling.memory_ledger import MemoryLedger

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUPS = ("a", "b", "c")
CAP = st.integers(0, 4)
GROUP_CAP = st.none() | st.integers(0, 3)


@dataclass(frozen=True)
class Entry:
    """A waiting entry of the model."""

    key: int
    group: str
    priority: tuple[int, int]
    arrival: int


class Turns(RuleBasedStateMachine):
    """Entries of three groups, each with a cap of its own that changes."""

    def __init__(self) -> None:
        super().__init__()
        self.cap = 2
        self.limiter: Limiter[int] = Limiter(self.cap)
        self.waiting: list[Entry] = []
        self.running: dict[int, str] = {}
        self.group_caps: dict[str, int | None] = {}
        self.turns: dict[str, int] = {}
        self.clock = 0
        self.keys = 0

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def is_open(self, group: str) -> bool:
        cap = self.group_caps.get(group)
        return cap is None or list(self.running.values()).count(group) < cap

    def next_entry(self) -> Entry | None:
        """Return the entry with the best rank, of the group that was served least recently."""
        usable = [entry for entry in self.waiting if self.is_open(entry.group)]
        return min(
            usable,
            key=lambda one: (one.priority[0], self.turns[one.group], one.priority, one.arrival),
            default=None,
        )

    def expect(self, admitted: Iterable[int]) -> None:
        expected = []
        while len(self.running) < self.cap and (entry := self.next_entry()) is not None:
            self.waiting.remove(entry)
            self.running[entry.key] = entry.group
            self.turns[entry.group] = self.tick()
            expected.append(entry.key)
        assert list(admitted) == expected

    @rule(group=st.sampled_from(GROUPS), rank=st.integers(0, 1), weight=st.integers(0, 2))
    def request(self, group: str, rank: int, weight: int) -> None:
        self.keys += 1
        self.turns.setdefault(group, self.tick())
        self.waiting.append(Entry(self.keys, group, (rank, weight), self.keys))
        self.expect(self.limiter.request(self.keys, (rank, weight), group=group))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[key]
        self.expect(self.limiter.remove(key))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(entry)
        self.expect(self.limiter.remove(entry.key))

    @rule(cap=CAP)
    def resize(self, cap: int) -> None:
        self.cap = cap
        self.expect(self.limiter.resize(cap))

    @rule(group=st.sampled_from(GROUPS), cap=GROUP_CAP)
    def resize_group(self, group: str, cap: int | None) -> None:
        before = dict(self.limiter.running)
        self.group_caps[group] = cap
        self.turns.setdefault(group, self.tick())
        self.expect(self.limiter.resize_group(group, cap))
        assert before.items() <= self.limiter.running.items(), "a running entry was removed"

    @rule(group=st.sampled_from(GROUPS))
    def remove_group(self, group: str) -> None:
        used = group in self.running.values() or any(one.group == group for one in self.waiting)
        try:
            self.limiter.remove_group(group)
        except ValueError:
            assert used
        else:
            assert not used
            self.turns.pop(group, None)
            self.group_caps.pop(group, None)

    @invariant()
    def running_entries_agree(self) -> None:
        assert self.limiter.running.keys() == self.running.keys()
        assert len(set(self.limiter.running.values())) == len(self.running), "two share a slot"

    @invariant()
    def no_slot_is_idle_while_an_entry_may_use_it(self) -> None:
        if len(self.limiter.running) < self.limiter.cap:
            assert not any(self.is_open(entry.group) for entry in self.waiting)

    @invariant()
    def waiting_lists_all_in_the_order_of_admission(self) -> None:
        assert sorted(self.limiter.waiting) == sorted(entry.key for entry in self.waiting)
        entry = self.next_entry()
        if entry is not None and all(cap is None for cap in self.group_caps.values()):
            assert self.limiter.waiting[0] == entry.key


Turns.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestTurns = Turns.TestCase


@given(
    cap=st.integers(1, 4),
    counts=st.lists(st.integers(1, 30), min_size=2, max_size=4),
    data=st.data(),
)
@settings(max_examples=100, deadline=None)
def test_a_group_waits_for_at_most_one_turn_of_each_other_group(
    cap: int, counts: list[int], data: st.DataObject
) -> None:
    limiter: Limiter[tuple[int, int]] = Limiter(cap)
    for group, number in enumerate(counts):
        for n in range(number):
            limiter.request((group, n), (1, n), group=group)
    admitted: list[int] = []
    while limiter.running:
        waiting = {group for group, _ in limiter.waiting}
        leaving = data.draw(st.sampled_from(sorted(limiter.running)))
        (*new,) = limiter.remove(leaving)
        for group, _ in new:
            admitted.append(group)
            recent = admitted[-len(waiting) :]
            if len(waiting) == len(counts) and len(recent) == len(waiting):
                assert set(recent) == waiting, "a group was served twice before another one"
    assert not limiter.waiting


def test_a_new_group_does_not_go_before_groups_that_have_waited() -> None:
    limiter: Limiter[str] = Limiter(1)
    limiter.request("old 1", (1,), group="old")
    limiter.request("old 2", (1,), group="old")
    assert limiter.remove("old 1") == ["old 2"]
    limiter.request("old 3", (1,), group="old")
    limiter.request("new", (1,), group="new")
    assert limiter.waiting == ["old 3", "new"]


def test_a_better_rank_of_any_group_goes_first() -> None:
    limiter: Limiter[str] = Limiter(0)
    limiter.request("new build", (1, 0), group="a")
    limiter.request("resumed build", (0, 0), group="b")
    assert limiter.waiting == ["resumed build", "new build"]


def test_an_entry_of_a_full_group_does_not_block_other_groups() -> None:
    limiter: Limiter[str] = Limiter(2)
    limiter.resize_group("a", 1)
    assert limiter.request("a1", (0,), group="a") == ["a1"]
    assert limiter.request("a2", (0,), group="a") == []
    assert limiter.request("b1", (5,), group="b") == ["b1"]
    assert limiter.resize_group("a", None) == []
    assert limiter.remove("b1") == ["a2"]


def test_an_exclusive_entry_runs_alone_among_all_groups() -> None:
    limiter: Limiter[str] = Limiter(4)
    limiter.request("a1", (0,), group="a")
    limiter.request("alone", (0,), group="b", exclusive=True)
    assert limiter.request("c1", (1,), group="c") == []
    assert limiter.remove("a1") == ["alone"]
    assert limiter.remove("alone") == ["c1"]


@given(st.lists(st.integers(1, 6), min_size=20, max_size=40))
@settings(max_examples=50, deadline=None)
def test_an_entry_that_does_not_fit_is_overtaken_a_few_times_by_other_groups(
    sizes: list[int],
) -> None:
    ledger: MemoryLedger[str] = MemoryLedger(10)
    limiter: Limiter[str] = Limiter(4, ledger)
    ledger.add("runs", 4)
    limiter.request("runs", (1,), group="a")
    ledger.add("large", 10)
    limiter.request("large", (1,), group="a")
    overtakes = 0
    for n, size in enumerate(sizes):
        key, group = f"small {n}", ("b", "c")[n % 2]
        ledger.add(key, size)
        admitted = limiter.request(key, (1,), group=group)
        for one in [*admitted]:
            overtakes += "large" not in limiter.running
            ledger.remove(one, peak=1, succeeded=True)
            overtakes += sum(1 for other in limiter.remove(one) if other != "large")
    assert "large" in limiter.waiting, "the first entry never ended"
    assert overtakes <= MAX_OVERTAKES


def test_removing_an_unknown_group_is_harmless() -> None:
    Limiter[str](1).remove_group("never seen")
