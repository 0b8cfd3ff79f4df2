"""Properties of timings: each moment counts once, and the critical path has no gaps."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.timings.activity import Activity, Interval, attribute, flatten
from pool import events
from tests.support.event_strategies import journals
from tests.support.stories import measure_journal

MOMENTS = st.floats(0, 100, allow_nan=False)
INTERVALS = st.lists(st.builds(Interval, MOMENTS, MOMENTS, st.sampled_from(Activity)))


@st.composite
def disordered(draw: st.DrawFn) -> list[events.KnownEvent]:
    """Draw a run whose times may go back."""
    journal = draw(journals())
    times = draw(st.lists(MOMENTS, min_size=len(journal), max_size=len(journal)))
    return [msgspec.structs.replace(event, t=t) for event, t in zip(journal, times, strict=True)]


@st.composite
def ended(draw: st.DrawFn) -> list[events.KnownEvent]:
    """Draw a run that may have ended, with a start of its process and retries."""
    journal = draw(journals())
    first = msgspec.structs.replace(
        journal[0],
        startup=draw(st.floats(-1, 9)),
    )
    journal[0] = first
    queued = [n for n, event in enumerate(journal) if isinstance(event, events.BuildQueued)]
    for number, before in zip(queued[1:], queued, strict=False):
        parent = journal[before]
        assert isinstance(parent, events.BuildQueued)
        match draw(st.sampled_from(["target", "nested", "retry"])):
            case "nested":
                needed_by = (parent.build,)
                journal[number] = msgspec.structs.replace(journal[number], needed_by=needed_by)
            case "retry":
                journal[number] = msgspec.structs.replace(journal[number], retry_of=parent.build)
    if draw(st.booleans()):
        end = events.RunFinished(exit_code=0, totals={}, t=journal[-1].t + draw(MOMENTS))
        journal.append(end)
    return journal


@given(INTERVALS, MOMENTS, MOMENTS)
def test_flatten_intervals_covers_the_whole_length(
    intervals: list[Interval], one: float, other: float
) -> None:
    since, until = sorted((one, other))
    flat = list(flatten(intervals, since, until))
    moments = [since, *(part.until for part in flat)]
    if since < until:
        assert [part.since for part in flat] == moments[:-1]
        assert moments[-1] == until
    for part in flat:
        middle = (part.since + part.until) / 2
        active = [i.activity for i in intervals if i.since <= middle < i.until]
        order = list(Activity)
        assert part.activity is min(active, key=order.index, default=Activity.OTHER)
    assert sum(attribute(intervals, since, until).values()) == pytest.approx(until - since)


@given(journals() | ended() | disordered())
def test_measure_any_journal_sums_and_path_are_the_run(journal: list[events.KnownEvent]) -> None:
    timings = measure_journal(journal)
    assert sum(timings.wall.values()) == pytest.approx(timings.seconds)
    assert sum(step.seconds for step in timings.path) == pytest.approx(timings.seconds)
    t = timings.since
    for step in timings.path:
        assert step.since == t < step.until
        t = step.until
        assert sum(step.activities.values()) == pytest.approx(step.seconds)
    assert t == timings.until
    for build in timings.builds:
        assert sum(build.activities.values()) == pytest.approx(build.until - build.since)
