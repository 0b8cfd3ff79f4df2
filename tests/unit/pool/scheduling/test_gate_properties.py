"""Cancelling, releasing and resizing in one turn of the loop neither lose nor double a slot."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from pool.scheduling.gate import Gate

BUILDS = 6
STEP = st.one_of(
    st.tuples(st.sampled_from(["cancel", "release"]), st.integers(0, BUILDS - 1)),
    st.tuples(st.just("resize"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["pause", "resume", "turn"]), st.just(0)),
)


class Crowd:
    """Builds at one gate; each knows by itself whether it holds a slot."""

    def __init__(self) -> None:
        self.gate = Gate(2)
        self.inside: set[int] = set()
        self.leave = [asyncio.Event() for _ in range(BUILDS)]
        self.tasks = [asyncio.ensure_future(self.visit(number)) for number in range(BUILDS)]

    async def visit(self, number: int) -> None:
        # A build enters its slot again after having waited for something else.
        for _ in range(2):
            async with self.gate.slot(number, (number % 2,)):
                self.inside.add(number)
                try:
                    await self.leave[number].wait()
                finally:
                    self.inside.discard(number)
            self.leave[number].clear()

    async def step(self, what: str, number: int) -> None:
        match what:
            case "cancel":
                self.tasks[number].cancel()
            case "release":
                self.leave[number].set()
            case "resize":
                self.gate.resize(number)
            case "turn":
                await asyncio.sleep(0)
            case _:
                getattr(self.gate, what)()

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    def check(self) -> None:
        assert self.inside == set(self.gate.running)
        assert self.gate.paused or not self.gate.waiting or len(self.inside) >= self.gate.cap


async def play(steps: list[tuple[str, int]]) -> None:
    crowd = Crowd()
    for step in steps:
        before = len(crowd.gate.running)
        await crowd.step(*step)
        assert len(crowd.gate.running) <= max(crowd.gate.cap, before)
    await crowd.settle()
    crowd.check()
    crowd.gate.resume()
    for _ in range(2 * BUILDS):
        for number in range(BUILDS):
            await crowd.step("release", number)
        await crowd.settle()
        crowd.check()
    for task in crowd.tasks:
        assert task.done(), "somebody waits for ever"
        with suppress(asyncio.CancelledError):
            task.result()
    assert (crowd.gate.running, crowd.gate.waiting) == ((), [])


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=40))
def test_no_slot_is_lost_or_doubled(steps: list[tuple[str, int]]) -> None:
    asyncio.run(play(steps))
