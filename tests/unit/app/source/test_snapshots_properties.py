"""Properties of moments: each is what the events before it come to, and nobody else changes it."""

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


def seen(moment: Snapshot) -> tuple[object, ...]:
    """Return all that can be seen of a moment."""
    timeline = moment.timeline
    return (
        moment.count,
        moment.state,
        list(moment.state.builds),
        timeline.builds,
        timeline.slots,
        timeline.run_spans,
        {name: series for name, series in timeline.series.items() if series.times},
        timeline.landmarks,
        dict(moment.memory.builds),
        moment.memory._processes,
    )


def after(happened: Sequence[events.KnownEvent]) -> Snapshot:
    moment = Snapshot(state=RunState(header=HEADER), timeline=Timeline(), memory=MemoryHistory())
    for event in happened:
        moment.apply(event)
    return moment


@given(journals(), st.integers(1, 7), st.data())
def test_from_any_moment_on_it_all_comes_to_the_same(
    journal: list[events.KnownEvent], apart: int, data: st.DataObject
) -> None:
    journal = [
        msgspec.structs.replace(event, seq=n, t=event.t or float(n))
        for n, event in enumerate(journal, 1)
    ]
    moments = SnapshotLog(HEADER, apart=apart)
    for event in journal:
        moments.record(event)
    for _ in range(3):
        count = data.draw(st.integers(0, len(journal)))
        kept = moments.find_snapshot(count)
        assert 0 <= count - kept.count < 2 * apart or len(journal) > 32 * apart
        before = copy.deepcopy(seen(kept))
        moment = kept.copy()
        assert seen(moment) == seen(after(journal[: kept.count]))
        for event in journal[kept.count : count]:
            moment.apply(event)
        assert seen(moment) == seen(after(journal[:count]))
        assert seen(kept) == before, "who goes on from a moment leaves it as it was"


@given(journals())
def test_a_bar_is_one_in_its_slot_and_its_build(journal: list[events.KnownEvent]) -> None:
    twin = after(journal).copy().timeline
    for spans in twin.slots.values():
        for span in spans:
            assert span.build is not None
            assert any(span is one for one in twin.builds[span.build])
