"""The gate: waiting, changing the cap, and cancelling at the worst of moments."""

from __future__ import annotations

import asyncio

import pytest

from pool.scheduling.gate import Gate

FIRST = (0,)


async def settle() -> None:
    """Let everybody who can go on do so."""
    for _ in range(4):
        await asyncio.sleep(0)


def enter(gate: Gate, who: str) -> asyncio.Task[int]:
    return asyncio.ensure_future(gate.acquire(who, FIRST))


async def full(cap: int = 1) -> tuple[Gate, asyncio.Task[int], asyncio.Task[int]]:
    """A gate where "in1".. hold all slots, and "b" and "c" wait."""
    gate = Gate(cap)
    for number in range(cap):
        await gate.acquire(f"in{number + 1}", FIRST)
    waiters = enter(gate, "b"), enter(gate, "c")
    await settle()
    return gate, *waiters


async def test_a_free_slot_is_acquired_without_yielding() -> None:
    gate = Gate(2)
    assert await gate.acquire("a", FIRST) == 1
    assert await gate.acquire("b", FIRST) == 2
    assert gate.running == ("a", "b")


async def test_a_slot_is_given_back_however_the_block_ends() -> None:
    gate = Gate(1)

    async def fail() -> None:
        async with gate.slot("a", FIRST) as number:
            assert (number, gate.running) == (1, ("a",))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert gate.running == ()


async def test_a_slot_can_be_left_and_entered_again() -> None:
    gate, b, c = await full()
    gate.release("in1")
    again = enter(gate, "in1")
    assert await b == 1
    gate.release("b")
    assert await c == 1
    gate.release("c")
    assert await again == 1


async def test_a_cancelled_waiter_leaves_the_line() -> None:
    gate, b, c = await full()
    b.cancel()
    await settle()
    assert b.cancelled()
    assert gate.waiting == ["c"]
    gate.release("in1")
    assert await c == 1


async def test_cancelled_after_being_let_in_passes_the_slot_on() -> None:
    gate, b, c = await full()
    gate.release("in1")
    assert gate.running == ("b",)
    b.cancel()
    assert await c == 1
    assert b.cancelled()
    assert gate.running == ("c",)


async def test_let_in_after_being_cancelled_passes_the_slot_on() -> None:
    gate, b, c = await full()
    b.cancel()
    gate.release("in1")
    assert gate.running == ("b",)
    assert await c == 1
    assert b.cancelled()
    assert gate.running == ("c",)


async def test_admitted_waiters_cancelled_at_once_leave_all_slots_free() -> None:
    gate, b, c = await full(cap=2)
    gate.release("in1")
    gate.release("in2")
    b.cancel()
    c.cancel()
    await settle()
    assert (gate.running, gate.waiting) == ((), [])
    assert await gate.acquire("d", FIRST) == 1


async def test_a_timeout_in_the_moment_of_being_let_in_holds_no_slot() -> None:
    gate, b, c = await full()
    b.cancel()

    async def hasty() -> None:
        async with asyncio.timeout(None) as patience:
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_soon(gate.release, "in1")
            patience.reschedule(asyncio.get_running_loop().time())
            await gate.acquire("hasty", (-1,))

    with pytest.raises(TimeoutError):
        await hasty()
    assert await c == 1
    assert gate.running == ("c",)


async def test_growing_lets_in_and_shrinking_drains() -> None:
    gate, b, c = await full()
    gate.resize(2)
    assert await b == 2
    gate.resize(1)
    assert gate.running == ("in1", "b")
    gate.release("b")
    await settle()
    assert not c.done()
    gate.release("in1")
    assert await c == 1


async def test_pause_admits_no_waiter_and_resume_restores_the_cap() -> None:
    gate, b, c = await full(cap=2)
    gate.pause()
    gate.release("in1")
    await settle()
    assert gate.paused
    assert not b.done()
    gate.resume()
    assert await b == 1
    gate.release("in2")
    assert await c == 2


async def test_the_cap_set_while_paused_counts_when_resumed() -> None:
    gate, b, c = await full()
    gate.pause()
    gate.resize(3)
    await settle()
    assert gate.cap == 3
    assert not b.done()
    gate.resume()
    assert (await b, await c) == (2, 3)


async def test_admission_calls_back_before_any_later_control() -> None:
    gate, calls = Gate(1), list[tuple[int, int]]()
    await gate.acquire("a", FIRST)
    waiting = asyncio.ensure_future(
        gate.acquire("b", FIRST, on_admit=lambda slot: calls.append((slot, gate.cap)))
    )
    await settle()
    gate.release("a")
    gate.pause()
    assert calls == [(1, 1)], "the callback does not wait for the task"
    assert await waiting == 1


async def test_entry_with_a_callback_that_is_cancelled_after_admission_keeps_its_slot() -> None:
    gate, calls = Gate(1), list[int]()
    await gate.acquire("a", FIRST)
    waiting = asyncio.ensure_future(gate.acquire("b", FIRST, on_admit=calls.append))
    await settle()
    gate.release("a")
    waiting.cancel()
    await settle()
    assert (calls, gate.running) == ([1], ("b",)), "its holder emits the end before the release"


async def test_entry_that_is_cancelled_before_admission_is_not_called_back() -> None:
    gate, calls = Gate(1), list[int]()
    await gate.acquire("a", FIRST)
    waiting = asyncio.ensure_future(gate.acquire("b", FIRST, on_admit=calls.append))
    await settle()
    waiting.cancel()
    gate.release("a")
    await settle()
    assert (calls, gate.running) == ([], ())
