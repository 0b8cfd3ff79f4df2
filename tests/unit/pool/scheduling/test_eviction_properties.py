"""Eviction for lack of memory; all builds succeed despite growth, waits and changed limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pool.build.job import RetryAttempt
from pool.common.errors import OutOfMemoryError
from pool.run.outcome import EVICTED
from pool.run.retry import next_retry
from pool.scheduling.eviction import EvictionCandidate, choose_victim
from pool.scheduling.limiter import Limiter
from pool.scheduling.memory_ledger import MemoryLedger
from pool.scheduling.memory_pressure import Pressure, PressureReading
from pool.scheduling.slot import RANK_LAST, RANK_NEW, RANK_RESUMED

JOBS, TRIES = 8, 2

at_work = st.builds(
    EvictionCandidate,
    key=st.integers(),
    active_seconds=st.floats(0, 100),
    usage=st.integers(0, 100),
    nested=st.booleans(),
    awaited=st.booleans(),
)


@given(st.lists(at_work, unique_by=lambda one: one.key, max_size=8))
def test_the_longest_running_build_and_an_exclusive_build_continue(
    all_: list[EvictionCandidate[int]],
) -> None:
    who = choose_victim(all_)
    assert (who is None) is (len(all_) < 2)
    if who is not None:
        chosen = next(one for one in all_ if one.key == who)
        others = [one for one in all_ if one.key != who]
        assert any(other.active_seconds >= chosen.active_seconds for other in others)
        may = sorted(all_, key=lambda one: one.active_seconds)[:-1]
        assert chosen.usage * 2 * len(may) >= sum(one.usage for one in may)
        for one in may:
            if one.usage >= chosen.usage and not one.awaited and not one.nested:
                assert not chosen.awaited
                assert not chosen.nested
                assert one.active_seconds >= chosen.active_seconds


@dataclass(kw_only=True)
class Build:
    """A simulated build: its properties before the start, and its progress."""

    name: str
    peak: int
    known: int | None
    seconds: int
    ramp: int
    """Seconds until it has come to its peak."""
    needs: list[str]
    """Nested builds, one after the other, a second into the work each."""
    dies: int
    """How often it runs out of memory, in its last second."""
    nested: bool = False
    attempt: RetryAttempt | None = None
    worked: int = 0
    ended: int = 0
    """How often it was ended to make room."""
    waits_on: str | None = None
    had: list[str] = field(default_factory=list)


builds: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "peak": st.sampled_from([2, 20, 60]),
        "known": st.sampled_from([1, 1, 20, None]),
        "seconds": st.integers(1, 60),
        "ramp": st.integers(1, 60),
        "needs": st.lists(st.sampled_from(["n0", "n1", "n2"]), unique=True, max_size=2),
        "dies": st.sampled_from([0, 0, 0, 1]),
    }
)
commands = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.one_of(
            st.tuples(st.just("cap"), st.integers(1, 6)),
            st.tuples(st.just("budget"), st.integers(1, 40)),
            st.tuples(st.just("scarce"), st.integers(0, 1)),
        ),
    ),
    max_size=6,
)


class Run:
    """A run without processes: a second at a time."""

    def __init__(self, given_: list[Build], nested: list[Build]) -> None:
        self.ledger: MemoryLedger[str] = MemoryLedger(12)
        self.limiter: Limiter[str] = Limiter(4, self.ledger)
        self.pressure = Pressure()
        self.cap, self.scarce = 4, False
        self.builds = {build.name: build for build in [*given_, *nested]}
        self.begun: set[str] = set()
        self.built: set[str] = set()
        for number, build in enumerate(given_):
            self.come(build, RANK_NEW, number)

    def come(self, build: Build, rank: int, number: int = 0, seen: int = 0) -> None:
        if build.name not in self.begun or seen:
            self.ledger.add(build.name, build.known, seen)
        self.begun.add(build.name)
        alone = build.attempt is not None and build.attempt.exclusive
        self.limiter.request(build.name, (rank, number), exclusive=alone)

    def uses(self, build: Build) -> int:
        return max(1, build.peak * min(build.worked, build.ramp) // build.ramp)

    def second(self, now: int) -> None:
        for name in list(self.limiter.running):
            self.work(self.builds[name])
        running = [self.builds[name] for name in self.limiter.running]
        self.ledger.record_sample({build.name: self.uses(build) for build in running})
        over = self.ledger.total_usage / (self.ledger.budget or 1)
        strain = PressureReading(load=over, overuse=over, scarce=self.scarce)
        cap = self.pressure.recommend_cap(now, strain, running=len(running), cap=self.limiter.cap)
        self.limiter.resize(min(cap, self.cap))
        if self.pressure.must_evict(now, strain):
            self.make_room()

    def work(self, build: Build) -> None:
        if left := [name for name in build.needs if name not in build.had]:
            self.wait(build, left[0])
            return
        build.worked += 1
        if build.worked < build.seconds:
            return
        if build.dies:
            build.dies -= 1
            self.again(build, OutOfMemoryError.reference)
            return
        self.built.add(build.name)
        self.ledger.remove(build.name, peak=self.uses(build), succeeded=True)
        self.limiter.remove(build.name)
        for other in self.builds.values():
            if other.waits_on == build.name:
                other.waits_on = None
                self.come(other, RANK_RESUMED)

    def wait(self, build: Build, name: str) -> None:
        build.had.append(name)
        if name in self.built:
            return
        build.waits_on = name
        self.limiter.remove(build.name)
        if name not in self.begun:
            self.come(self.builds[name], RANK_RESUMED)

    def make_room(self) -> None:
        awaited = {build.waits_on for build in self.builds.values()}
        one = choose_victim(
            [
                EvictionCandidate(
                    key=name,
                    active_seconds=self.builds[name].worked,
                    usage=self.uses(self.builds[name]),
                    nested=self.builds[name].nested,
                    awaited=name in awaited,
                )
                for name in self.limiter.running
            ]
        )
        if one is not None:
            assert len(self.limiter.running) > 1
            self.builds[one].ended += 1
            self.again(self.builds[one], EVICTED)

    def again(self, build: Build, reference: str) -> None:
        attempt = next_retry(reference, build.attempt, JOBS, TRIES)
        assert attempt is not None
        peak = self.uses(build)
        build.attempt, build.worked, build.had = attempt, 0, []
        self.ledger.remove(build.name, peak=peak, succeeded=False)
        self.limiter.remove(build.name)
        self.come(build, RANK_RESUMED if build.nested else RANK_LAST, seen=peak)

    def command(self, what: str, value: int) -> None:
        match what:
            case "cap":
                self.cap = value
                self.limiter.resize(value)
            case "budget":
                self.ledger.budget = value
                self.limiter.reconsider()
            case _:
                self.scarce = bool(value)


@settings(max_examples=150, deadline=None)
@given(st.lists(builds, min_size=2, max_size=9), st.lists(builds, min_size=3, max_size=3), commands)
def test_all_are_built_despite_growth_deaths_and_changes(
    given_: list[dict[str, Any]],
    nested: list[dict[str, Any]],
    told: list[tuple[int, tuple[str, int]]],
) -> None:
    inner = [
        Build(**{**one, "name": f"n{n}", "nested": True, "needs": [f"n{m}" for m in range(n)][:1]})
        for n, one in enumerate(nested)
    ]
    run = Run([Build(**one, name=f"b{n}") for n, one in enumerate(given_)], inner)
    wanted = {build.name for build in run.builds.values() if not build.nested}
    # At least one build always works, and no build starts more than four times.
    longest = 4 * sum(build.seconds + len(build.needs) + 2 for build in run.builds.values())
    for now in range(61 + longest):
        for at, (what, value) in told:
            if at == now:
                run.command(what, value)
        run.second(now)
        assert run.limiter.running or not run.limiter.waiting, "somebody waits for nobody"
        alone = [name for name in run.limiter.running if lonely(run.builds[name])]
        assert not alone or len(run.limiter.running) == 1
        assert all(build.ended <= 2 for build in run.builds.values())
    assert wanted <= run.built


def lonely(build: Build) -> bool:
    return build.attempt is not None and build.attempt.exclusive
