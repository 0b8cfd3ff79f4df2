"""The rules of the limiter, against a model that sorts everything anew each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pool.scheduling.limiter import Limiter

if TYPE_CHECKING:
    from collections.abc import Iterable

# Few, so that those who withdrew come back while their old place is still remembered.
EVERYBODY = range(6)
PRIORITY = st.tuples(st.integers(0, 1), st.sampled_from([-1.5, 0.0]))
CAP = st.integers(0, 3)


class Requests(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.cap = 2
        self.limiter: Limiter[int] = Limiter(self.cap)
        self.line: list[tuple[tuple[int, float], int, int]] = []
        self.slots: dict[int, int] = {}
        self.arrivals = 0
        self.most_allowed = self.cap

    def expect(self, let_in: Iterable[int]) -> None:
        """Check whom the limiter let in: in order, into the lowest free slots, and all it could."""
        self.most_allowed = max(self.cap, len(self.slots))
        expected = []
        for entry in sorted(self.line)[: max(0, self.cap - len(self.slots))]:
            self.line.remove(entry)
            who = entry[2]
            self.slots[who] = min(set(range(1, 20)) - set(self.slots.values()))
            expected.append(who)
        assert list(let_in) == expected

    @property
    def away(self) -> list[int]:
        return sorted(set(EVERYBODY) - set(self.slots) - {entry[2] for entry in self.line})

    @precondition(lambda self: self.away)
    @rule(data=st.data(), priority=PRIORITY)
    def request(self, data: st.DataObject, priority: tuple[int, float]) -> None:
        who = data.draw(st.sampled_from(self.away))
        self.arrivals += 1
        self.line.append((priority, self.arrivals, who))
        self.expect(self.limiter.request(who, priority))

    @precondition(lambda self: self.slots)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.slots)))
        del self.slots[who]
        self.expect(self.limiter.remove(who))

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(sorted(self.line)))
        self.line.remove(entry)
        self.expect(self.limiter.remove(entry[2]))

    @rule(cap=CAP)
    def resize(self, cap: int) -> None:
        before = dict(self.limiter.running)
        self.cap = cap
        self.expect(self.limiter.resize(cap))
        assert before.items() <= self.limiter.running.items(), "somebody was put out"

    @invariant()
    def agrees_with_the_model(self) -> None:
        assert self.limiter.running == self.slots
        assert list(self.limiter.waiting) == [entry[2] for entry in sorted(self.line)]

    @invariant()
    def never_above_the_cap_but_for_those_who_were_in(self) -> None:
        assert len(self.limiter.running) <= self.most_allowed

    @invariant()
    def no_slot_idles_while_somebody_waits(self) -> None:
        assert not self.limiter.waiting or len(self.limiter.running) >= self.limiter.cap

    @invariant()
    def nobody_shares_a_slot(self) -> None:
        slots = list(self.limiter.running.values())
        assert len(slots) == len(set(slots))


Requests.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestRequests = Requests.TestCase
