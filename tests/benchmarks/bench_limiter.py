"""How long it takes from giving a slot back until the next build goes on, with 10,000 waiting.

Prints the figures for builds that take their turns, and for the first of those left after
nearly all have been cancelled, which is when the limiter has the most to clear away.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from pool.scheduling.gate import Gate

AIM_MS = 5.0


async def in_turns(waiting: int, slots: int) -> list[float]:
    """Seconds of each hand-over while all take their turns."""
    gate, released, taken = Gate(slots), 0.0, []

    async def build(number: int) -> None:
        nonlocal released
        async with gate.slot(number, (number % 3, -float(number % 7), number)):
            if released:
                taken.append(time.perf_counter() - released)
            await asyncio.sleep(0)
            released = time.perf_counter()

    async with asyncio.TaskGroup() as group:
        for number in range(waiting):
            group.create_task(build(number))
    return taken


async def after_cancelling(waiting: int) -> float:
    """Seconds of the one hand-over after all but the last in line were cancelled."""
    gate = Gate(1)
    await gate.acquire("first", (0,))
    tasks = [asyncio.ensure_future(gate.acquire(number, (1,))) for number in range(waiting)]
    await asyncio.sleep(0)
    for task in tasks[:-1]:
        task.cancel()
    await asyncio.gather(*tasks[:-1], return_exceptions=True)
    released = time.perf_counter()
    gate.release("first")
    await tasks[-1]
    return time.perf_counter() - released


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--waiting", type=int, default=10_000)
    arguments.add_argument("--slots", type=int, default=4)
    given = arguments.parse_args()
    taken = sorted(1000 * each for each in asyncio.run(in_turns(given.waiting, given.slots)))
    p50, p99 = taken[len(taken) // 2], taken[len(taken) * 99 // 100]
    cancelled = 1000 * asyncio.run(after_cancelling(given.waiting))
    print(f"limiter: {given.waiting:,} waiting for {given.slots} slots, {len(taken):,} hand-overs")
    print(f"  in turns          p50 {p50:.3f} ms   p99 {p99:.3f} ms   longest {taken[-1]:.3f} ms")
    print(f"  after cancelling  {cancelled:.3f} ms for the one that is left")
    print(f"  aim: p99 under {AIM_MS:g} ms: {'met' if p99 < AIM_MS else 'missed'}")


if __name__ == "__main__":
    main()
