"""Properties of snapshots: each is the state of its events, and later events do not change it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.model.memory_history import MemoryHistory
from app.model.timeline import Timeline
from app.source.snapshots import Snapshot, SnapshotLog
from pool import RunState
from tests.support.event_strategies import journals
from tests.support.home import HEADER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pool import events


def content(snapshot: Snapshot) -> tuple[object, ...]:
    """Return the comparable content of a snapshot."""
    timeline = snapshot.timeline
    return (
        snapshot.count,
        snapshot.state,
        list(snapshot.state.builds),
        timeline.builds,
        timeline.slots,
        timeline.run_spans,
        {name: series for name, series in timeline.series.items() if series.times},
        timeline.landmarks,
        dict(snapshot.memory.builds),
        snapshot.memory._processes,
    )


def snapshot_after(applied: Sequence[events.KnownEvent]) -> Snapshot:
    snapshot = Snapshot(state=RunState(header=HEADER), timeline=Timeline(), memory=MemoryHistory())
    for event in applied:
        snapshot.apply(event)
    return snapshot


@given(journals(), st.integers(1, 7), st.data())
def test_events_applied_to_any_snapshot_give_the_same_state(
    journal: list[events.KnownEvent], interval: int, data: st.DataObject
) -> None:
    journal = [
        msgspec.structs.replace(event, seq=n, t=event.t or float(n))
        for n, event in enumerate(journal, 1)
    ]
    snapshots = SnapshotLog(HEADER, interval=interval)
    for event in journal:
        snapshots.record(event)
    for _ in range(3):
        count = data.draw(st.integers(0, len(journal)))
        found = snapshots.find_snapshot(count)
        assert 0 <= count - found.count < 2 * interval or len(journal) > 32 * interval
        before = copy.deepcopy(content(found))
        snapshot = found.copy()
        assert content(snapshot) == content(snapshot_after(journal[: found.count]))
        for event in journal[found.count : count]:
            snapshot.apply(event)
        assert content(snapshot) == content(snapshot_after(journal[:count]))
        assert content(found) == before, (
            "events that are applied to a copy do not change the snapshot"
        )


@given(journals())
def test_a_copied_span_is_one_object_in_its_slot_and_its_build(
    journal: list[events.KnownEvent],
) -> None:
    twin = snapshot_after(journal).copy().timeline
    for spans in twin.slots.values():
        for span in spans:
            assert span.build is not None
            assert any(span is one for one in twin.builds[span.build])
