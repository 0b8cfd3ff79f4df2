"""The router: events of a build reach its run alone, events of the pool all runs."""

from __future__ import annotations

from pool.common.model import RunId
from pool.events import types as v
from pool.events.bus import EventBus
from pool.events.router import EventRouter
from tests.support.fakes import ManualClock


def test_events_reach_their_runs_until_a_run_is_removed() -> None:
    one, other = RunId("one"), RunId("other")
    events: dict[RunId, list[v.KnownEvent]] = {one: [], other: []}
    router = EventRouter()
    for run, received in events.items():
        router.add(run, EventBus(ManualClock(), None, received.append))
    router.emit(one, v.Note(text="mine"))
    router.broadcast(v.Note(text="for all"))
    router.remove(one)
    router.emit(one, v.Note(text="too late"))
    router.broadcast(v.Note(text="for the others"))
    texts = {
        run: [event.text for event in received if isinstance(event, v.Note)]
        for run, received in events.items()
    }
    assert texts == {one: ["mine", "for all"], other: ["for all", "for the others"]}
