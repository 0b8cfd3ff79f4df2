"""Properties of the account of jobs, with builds that read, give back, are killed and leave."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pool.scheduling.job_tokens import COOLDOWN_LOOKS, IDLE_LOOKS, JobTokens


class Builds(RuleBasedStateMachine):
    """Pipes and processes as they would be, beside the account."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: JobTokens[int] = JobTokens(4)
        self.pipes: Counter[int] = Counter()
        self.working: Counter[int] = Counter()
        self.inside: dict[int, int] = {}
        """With the most it may have."""
        self.lowered_to: int | None = None
        self.arrivals = 0

    def turn(self) -> None:
        """Move tokens as the broker does in each poll."""
        waiting = self.jobs._waiting.copy()
        for who, count in self.jobs.find_surplus(
            {who: self.pipes[who] for who in self.inside}
        ).items():
            assert 0 < count <= self.pipes[who]
            self.pipes[who] -= count
            self.jobs.record_taken(who, count)
        for who in self.jobs.admit():
            self.inside[who] = waiting[who].max_jobs
        for who in self.jobs.grant():
            self.pipes[who] += 1
        assert self.jobs.expected_unread() == {who: self.pipes[who] for who in self.inside}

    @rule(most=st.integers(1, 6), lease=st.integers(0, 3))
    def comes(self, most: int, lease: int) -> None:
        self.arrivals += 1
        self.jobs.request(self.arrivals, max_jobs=most, lease=lease)
        self.turn()

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def reads(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.inside)))
        if self.pipes[who]:
            self.pipes[who] -= 1
            self.working[who] += 1

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def gives_back(self, data: st.DataObject) -> None:
        who = data.draw(st.sampled_from(sorted(self.inside)))
        if self.working[who]:
            self.working[who] -= 1
            self.pipes[who] += 1

    @precondition(lambda self: self.jobs.reclaimable())
    @rule(data=st.data())
    def gives_back_and_is_caught(self, data: st.DataObject) -> None:
        """A token that another build needs is taken from the pipe before its writer reads it again."""
        who = data.draw(st.sampled_from(sorted(self.jobs.reclaimable())))
        count, self.working[who] = self.pipes[who] + self.working[who], 0
        self.pipes[who] = 0
        self.jobs.record_taken(who, count)
        self.turn()

    @precondition(lambda self: self.inside)
    @rule(data=st.data())
    def is_killed(self, data: st.DataObject) -> None:
        """Nothing that it has read ever comes back through its pipe."""
        who = data.draw(st.sampled_from(sorted(self.inside)))
        self.jobs.remove(who)
        del self.inside[who], self.pipes[who], self.working[who]
        self.turn()

    @rule(cap=st.integers(1, 8))
    def resized(self, cap: int) -> None:
        if cap < self.jobs.used:
            self.lowered_to = self.jobs.used
        self.jobs.cap = cap

    @rule()
    def looked_at(self) -> None:
        self.turn()

    @invariant()
    def never_above_the_cap(self) -> None:
        used = self.jobs.used
        if used <= self.jobs.cap:
            self.lowered_to = None
        assert used <= (self.lowered_to or self.jobs.cap), "after lowering, it only gets less"
        if self.lowered_to:
            self.lowered_to = used

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        leased = sum(self.jobs.leased_to(who) for who in self.inside)
        tokens = sum(self.pipes.values()) + sum(self.working.values()) + leased
        assert self.jobs.used == len(self.inside) + tokens
        assert all(
            self.jobs.held(who) >= 0 and 1 + self.jobs.leased_to(who) + self.working[who] <= most
            for who, most in self.inside.items()
        )

    @invariant()
    def what_is_caught_goes_to_who_has_less(self) -> None:
        self.turn()
        for who in self.jobs.reclaimable():
            assert self.jobs.held(who) > self.jobs.leased_to(who) or self.pipes[who]
            if not self.jobs._waiting and self.jobs.free >= 0:
                poorest = min(one.jobs for one in self.jobs._shares.values() if one.wants)
                assert self.jobs.allowed(who) >= poorest + 2, "or it would go to and fro"

    @invariant()
    def nothing_is_free_while_somebody_waits(self) -> None:
        if self.jobs.cap <= self.jobs.used:
            return
        self.turn()
        assert self.jobs.free == 0 or not self.jobs.wanted


TestBuilds = Builds.TestCase
TestBuilds.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@given(cap=st.integers(1, 6), steps=st.lists(st.integers(-1, 5), max_size=20))
def test_unread_bytes_are_removed_and_lend_no_tokens(cap: int, steps: list[int]) -> None:
    jobs: JobTokens[str] = JobTokens(cap)
    jobs.request("forger", max_jobs=99)
    jobs.admit()
    pipe = 0
    for step in [*steps, 0]:
        pipe = max(0, pipe + step)
        taken = jobs.find_surplus({"forger": pipe}).get("forger", 0)
        pipe -= taken
        if taken:
            jobs.record_taken("forger", taken)
        pipe += len(jobs.grant())
        assert 1 + pipe <= jobs.used <= cap


@given(cap=st.integers(2, 12), builds=st.integers(2, 5))
def test_a_late_client_gets_a_fair_share_of_the_first(cap: int, builds: int) -> None:
    jobs: JobTokens[int] = JobTokens(cap)
    pipes: Counter[int] = Counter()
    working: Counter[int] = Counter()

    def turn() -> None:
        for who, count in jobs.find_surplus(
            {who: pipes[who] for who in jobs.expected_unread()}
        ).items():
            pipes[who] -= count
            jobs.record_taken(who, count)
        jobs.admit()
        pipes.update(jobs.grant())

    for late in range(min(builds, cap)):
        jobs.request(late, max_jobs=cap)
        for _ in range(3 * cap):
            turn()
            # All are makes that read what there is, and whose jobs end one by one.
            for who in jobs.expected_unread():
                working[who] += pipes.pop(who, 0)
            for who in jobs.reclaimable()[:1]:
                if working[who]:
                    working[who] -= 1
                    jobs.record_taken(who, 1)
    shares = [jobs.allowed(who) for who in jobs.expected_unread()]
    assert len(shares) == min(builds, cap)
    assert max(shares) - min(shares) <= 1
    assert sum(shares) == cap


@given(cap=st.integers(2, 8), idle=st.integers(1, 6))
def test_a_reader_gets_every_token_that_others_leave(cap: int, idle: int) -> None:
    jobs: JobTokens[int] = JobTokens(cap)
    pipes: Counter[int] = Counter()
    builds = range(min(idle + 1, cap))
    for who in builds:
        jobs.request(who, max_jobs=cap)
    jobs.admit()
    reader, got = builds[0], 0
    most = cap - len(builds)
    for _ in range(2 * (IDLE_LOOKS + COOLDOWN_LOOKS + 2) * (cap + 1) * len(builds)):
        for who, count in jobs.find_surplus({who: pipes[who] for who in builds}).items():
            pipes[who] -= count
            jobs.record_taken(who, count)
        pipes.update(jobs.grant())
        got += pipes.pop(reader, 0)
    assert got == most


def test_an_outer_jobserver_pays_for_all_but_the_first() -> None:
    jobs: JobTokens[str] = JobTokens(8)
    jobs.borrowed = 0
    jobs.request("a", max_jobs=8)
    jobs.request("b", max_jobs=8)
    assert jobs.admit() == ["a"]
    assert jobs.wanted == 2
    assert jobs.grant() == []
    jobs.borrowed = 1
    assert jobs.admit() == ["b"]
    jobs.borrowed = 2
    assert jobs.grant() == ["a"]
    for _ in range(IDLE_LOOKS + 1):
        surplus = jobs.find_surplus({"a": 1, "b": 0})
    assert surplus == {"a": 1}, "what was borrowed is not left lying idle"
