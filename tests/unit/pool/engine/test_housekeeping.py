"""Background tasks of a pool: a failure is a note in each run, and ends nothing."""

from __future__ import annotations

import asyncio
import errno

import pytest

from pool.common.model import RunId
from pool.engine import housekeeping as housekeeping_module
from pool.engine.housekeeping import Housekeeping
from pool.events import types as v
from pool.events.bus import EventBus
from pool.events.router import EventRouter
from tests.support.fakes import ManualClock


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping_module, "RESTART_SECONDS", 0)


def router_of(*runs: list[v.KnownEvent]) -> EventRouter:
    router = EventRouter()
    for number, events in enumerate(runs):
        router.add(RunId(f"run-{number}"), EventBus(ManualClock(), None, events.append))
    return router


def notes(events: list[v.KnownEvent]) -> list[str]:
    return [event.text for event in events if isinstance(event, v.Note)]


async def test_a_failure_is_a_note_in_each_run_and_the_work_starts_again() -> None:
    first: list[v.KnownEvent] = []
    second: list[v.KnownEvent] = []
    problems: list[Exception] = [OSError(errno.EMFILE, "Too many open files"), ValueError("odd")]
    finished = asyncio.Event()

    async def work() -> None:
        if problems:
            raise problems.pop(0)
        finished.set()

    housekeeping = Housekeeping(router_of(first, second))
    housekeeping.start("sweeping", work)
    async with asyncio.timeout(10):
        await finished.wait()
    await housekeeping.aclose()
    assert notes(first) == notes(second)
    assert notes(first) == [
        "sweeping failed: too many open files",
        "sweeping failed: ValueError: odd",
    ]


async def test_work_that_always_fails_is_given_up() -> None:
    events: list[v.KnownEvent] = []
    calls, third = 0, asyncio.Event()

    async def work() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            third.set()
        raise ValueError("odd")

    housekeeping = Housekeeping(router_of(events))
    housekeeping.start("sweeping", work)
    async with asyncio.timeout(10):
        await third.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    await housekeeping.aclose()
    assert calls == len(notes(events)) == 3


async def test_closing_cancels_work_that_never_ends() -> None:
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            cancelled.set()

    housekeeping = Housekeeping(router_of())
    housekeeping.start("sweeping", work)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await housekeeping.aclose()
    assert cancelled.is_set()
