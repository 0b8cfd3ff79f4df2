"""Slots and memory given in one decision: the rules, whatever comes in whatever order."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pool.scheduling.limiter import MAX_OVERTAKES, Limiter
from pool.scheduling.memory_ledger import MemoryLedger

SIZE = st.integers(1, 12)


class Admissions(RuleBasedStateMachine):
    """Builds of known size under a cap and a budget of 12."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger: MemoryLedger[int] = MemoryLedger(12)
        self.limiter: Limiter[int] = Limiter(3, self.ledger)
        self.number = 0
        self.passed: dict[int, set[int]] = {}

    def entered(self, let_in: list[int], line: list[int]) -> None:
        """An admitted entry has overtaken all entries that waited before it and still wait."""
        for who in let_in:
            for other in line[: line.index(who)]:
                if other not in self.limiter.running:
                    self.passed[other].add(who)
        for who in let_in:
            self.passed.pop(who, None)

    @rule(size=SIZE, rank=st.integers(0, 1))
    def come(self, size: int, rank: int) -> None:
        self.number += 1
        self.ledger.add(self.number, size)
        self.passed[self.number] = set()
        # The place is behind or before the waiters: a later waiter with a better rank does not overtake.
        line = [*self.limiter.waiting, self.number]
        let_in = self.limiter.request(self.number, (rank, self.number))
        assert let_in in ([], [self.number])
        if rank == 1:
            self.entered(let_in, line)
        else:
            for who in let_in:
                self.passed.pop(who)

    @precondition(lambda self: self.limiter.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.limiter.running)))
        line = list(self.limiter.waiting)
        self.ledger.remove(who, peak=1, succeeded=True)
        self.entered(self.limiter.remove(who), line)

    @precondition(lambda self: self.limiter.waiting)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.limiter.waiting)))
        line = list(self.limiter.waiting)
        let_in = self.limiter.remove(who)
        self.ledger.remove(who, peak=0, succeeded=False)
        self.passed.pop(who)
        self.entered(let_in, [one for one in line if one != who])

    @rule(data=st.data())
    def sample(self, data: st.DataObject) -> None:
        uses = {who: data.draw(SIZE) for who in self.limiter.running}
        self.ledger.record_sample(uses)
        line = list(self.limiter.waiting)
        self.entered(self.limiter.reconsider(), line)

    @rule(budget=st.integers(1, 20))
    def resize(self, budget: int) -> None:
        self.ledger.budget = budget
        line = list(self.limiter.waiting)
        self.entered(self.limiter.reconsider(), line)

    @invariant()
    def the_cap_holds(self) -> None:
        assert len(self.limiter.running) <= 3

    @invariant()
    def somebody_runs_while_somebody_waits(self) -> None:
        assert self.limiter.running or not self.limiter.waiting

    @invariant()
    def a_free_slot_idles_only_if_nobody_may_have_it(self) -> None:
        running = self.limiter.running
        if len(running) < self.limiter.cap:
            for who in self.limiter.waiting:
                assert not self.ledger.fits(who, running)
                if self.limiter._overtakes.get(who, 0) >= MAX_OVERTAKES:
                    break

    @invariant()
    def nobody_is_passed_for_ever(self) -> None:
        assert all(len(passed) <= MAX_OVERTAKES for passed in self.passed.values())


Admissions.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestAdmissions = Admissions.TestCase
