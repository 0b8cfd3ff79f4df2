"""The memory of a run: a budget that goes with the machine, and why a build has to end."""

from __future__ import annotations

from typing import Any

import pytest

from pool.common.model import LimitName
from pool.events import types as v
from pool.events.bus import EventBus
from pool.events.router import EventRouter
from pool.scheduling.gate import Gate
from pool.scheduling.memory_policy import MemoryPolicy
from pool.system.memory import AvailableMemory
from tests.support.build_keys import build_key
from tests.support.fakes import ManualClock

GIB = 1 << 30
ONE, TWO = build_key("b1"), build_key("b2")


class Machine:
    """A run with two builds on a machine that offers what it is told to."""

    def __init__(self, asked: int | None, **offer: Any) -> None:
        self.clock = ManualClock()
        self.told: list[v.KnownEvent] = []
        self.offers(**offer)
        router = EventRouter()
        router.add(ONE.run, EventBus(self.clock, None, self.told.append))
        self.memory = MemoryPolicy(asked, router, self.clock, lambda: self.offer)
        self.gate = Gate(8, self.memory)
        for build in (ONE, TWO):
            self.memory.ledger.add(build, GIB)

    def offers(self, free: float = 64, *, scarce: bool = False, stall: float = 0.0) -> None:
        self.offer = AvailableMemory(free=int(free * GIB), scarce=scarce, stall=stall)

    def look(self, *uses: float) -> str:
        """Take a sample, a second after the one before; return why a build has to end."""
        self.clock.seconds += 1
        builds = zip((ONE, TWO), uses, strict=False)
        self.memory.on_sample({build: int(size * GIB) for build, size in builds})
        return self.memory.eviction_reason()

    @property
    def changes(self) -> list[tuple[int, str]]:
        """The budgets that were told, in MiB, with the reason."""
        changes = [event for event in self.told if isinstance(event, v.LimitChanged)]
        assert all(change.limit is LimitName.MEMORY for change in changes)
        return [(change.new >> 20, change.why) for change in changes]


@pytest.mark.parametrize(
    ("uses", "offer", "words", "seconds"),
    [
        ((6, 4), {}, "memory 10.0 GiB of 8.0 GiB", 3),
        ((6, 2.1), {}, "memory 8.1 GiB of 8.0 GiB", 6),
        ((2, 1), {"free": 0.5, "scarce": True}, "512 MiB of memory left", 1),
        ((2, 1), {"stall": 45.0}, "processes waited for memory 45 % of the time", 6),
    ],
)
def test_eviction_has_a_reason(
    uses: tuple[float, ...], offer: dict[str, float], words: str, seconds: int
) -> None:
    machine = Machine(8 * GIB, **offer)
    assert [machine.look(*uses) for _ in range(seconds)] == [""] * (seconds - 1) + [words]


def test_where_soon_nothing_is_left_one_ends_before_that() -> None:
    machine = Machine(64 * GIB, free=10)
    ends = []
    for second in range(8):
        machine.offers(free=10 - 1.2 * second)
        if machine.look(0.6 * second, 0.6 * second):
            ends.append(second)
    assert ends == [], "it is not above the budget"
    machine.offers(free=0.8)
    assert machine.look(5, 4.2) == "819 MiB of memory left"


def test_fast_growth_within_the_budget_ends_no_build() -> None:
    machine = Machine(64 * GIB, free=10)
    machine.offers(free=3)
    assert not machine.look(4, 3)


def test_without_a_budget_no_build_is_ended() -> None:
    machine = Machine(None, free=0.1, scarce=True, stall=90.0)
    assert not any(machine.look(50, 50) for _ in range(20))
    assert machine.memory.recommend_cap(machine.gate) > machine.gate.cap
    assert not machine.told


def test_memory_of_other_processes_lowers_the_budget_and_ends_no_build() -> None:
    machine = Machine(8 * GIB)
    assert not machine.look(3, 3)
    machine.offers(free=0.5)
    assert not any(machine.look(3, 3) for _ in range(20))
    machine.offers()
    assert not any(machine.look(3, 3) for _ in range(10))
    assert machine.changes == [(5990, "machine"), (8192, "machine")]


def test_a_budget_is_never_more_than_the_machine_offers() -> None:
    machine = Machine(99 * GIB, free=10)
    assert machine.memory.budget == 9 * GIB
    machine.offers(free=7)
    machine.look(1, 2)
    machine.memory.resize(50 * GIB)
    machine.memory.resize(4 * GIB)
    machine.memory.resize(4 * GIB)
    machine.memory.resize(None)
    assert machine.changes == [(4096, "user"), (0, "user")], "50 GiB are 9, as they were"
