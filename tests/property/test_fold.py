"""Properties of the fold: complete in what it reports as changed, and the same however it is fed."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pool.events.state import State, Status, fold, fold_all
from pool.events.vocabulary import (
    BuildFinished,
    BuildOutput,
    BuildPhase,
    BuildQueued,
    BuildSample,
    BuildStarted,
    BuildWaiting,
    DownloadFinished,
    DownloadStarted,
    KnownEvent,
    LimitChanged,
    LockAcquired,
    LockReleased,
    LockWaiting,
    MachineMemory,
    RunStarted,
    Sample,
)
from pool.model import BuildId, Holder, LimitName, Outcome, Phase, WaitFor


@st.composite
def journals(draw: st.DrawFn) -> list[KnownEvent]:
    """Runs that could have happened: slots are held by one, ended builds stay ended."""
    count = draw(st.integers(1, 5))
    builds = [BuildId(f"b{number}") for number in range(1, count + 1)]
    events: list[Any] = [
        RunStarted(limits={LimitName.BUILDS: 2}, targets=count, out_dir="out", logs="logs"),
        *[BuildQueued(build=build, name=build, target=build, log=build) for build in builds],
    ]
    open_builds, slots = set(builds), dict[BuildId, int]()
    for _ in range(draw(st.integers(0, 40))):
        if not open_builds:
            break
        build = draw(st.sampled_from(sorted(open_builds)))
        event = draw(st.sampled_from(_steps(build, slots)))
        events.append(event)
        if isinstance(event, BuildStarted):
            slots[build] = event.slot
        if isinstance(event, BuildWaiting | BuildFinished):
            slots.pop(build, None)
        if isinstance(event, BuildFinished):
            open_builds.discard(build)
    return [
        msgspec.structs.replace(event, seq=number, t=number / 8)
        for number, event in enumerate(events, start=1)
    ]


def _steps(build: BuildId, slots: dict[BuildId, int]) -> list[KnownEvent]:
    free = next(slot for slot in range(1, 10) if slot not in slots.values())
    holder = Holder(pid=7, command="uv build")
    machine = MachineMemory(total=100, available=50)
    tree = BuildSample(build=build, processes=(), rss=5, peak=9)
    started = [] if build in slots else [BuildStarted(build=build, slot=free)]
    return [
        *started,
        *[BuildWaiting(build=build, for_=reason, on="x", holder=holder) for reason in WaitFor],
        *[BuildPhase(build=build, phase=phase) for phase in Phase],
        *[BuildFinished(build=build, outcome=outcome, peak=7) for outcome in Outcome],
        BuildOutput(build=build, lines=3, bytes=30, last="hello"),
        LockWaiting(build=build, lock="/t", holder=holder),
        LockAcquired(build=build, lock="/t"),
        LockReleased(build=build, lock="/t"),
        DownloadStarted(build=build, file="f"),
        DownloadFinished(build=build, file="f", bytes=1),
        Sample(builds=(tree,), machine=machine),
        LimitChanged(limit=LimitName.BUILDS, old=2, new=0, why="pause"),
        LimitChanged(limit=LimitName.BUILDS, old=2, new=3, why="user"),
    ]


@given(journals())
def test_what_changed_is_reported(journal: list[KnownEvent]) -> None:
    state = State()
    for event in journal:
        before = copy.deepcopy(state.builds)
        dirty = fold(state, event)
        changed = {key for key, build in state.builds.items() if before.get(key) != build}
        assert changed <= dirty


@given(journals(), st.data())
def test_a_prefix_and_the_rest_are_the_whole(
    journal: list[KnownEvent], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(journal)))
    whole, parts = State(), State()
    fold_all(whole, journal)
    fold_all(parts, journal[:cut])
    fold_all(parts, journal[cut:])
    assert whole == parts


@given(journals())
def test_slots_and_builds_agree(journal: list[KnownEvent]) -> None:
    state = State()
    for event in journal:
        fold(state, event)
        holding = {b.slot: b.id for b in state.builds.values() if b.slot is not None}
        assert holding == state.slots
        for build in state.builds.values():
            assert (build.status is Status.BUILDING) == (build.slot is not None)
            assert (build.status is Status.DONE) == (build.outcome is not None)


@given(journals())
def test_a_pause_remembers_the_cap(journal: list[KnownEvent]) -> None:
    state = State()
    for event in journal:
        fold(state, event)
        if limit := state.limits.get(LimitName.BUILDS):
            assert limit.before_pause > 0
            assert limit.cap in (0, limit.before_pause)
