"""Properties of the fold: complete in what it reports as changed, and the same however it is fed."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pool.common.model import BuildId, Holder, LimitName, Outcome, Phase, WaitFor
from pool.events.reducer import apply, apply_all
from pool.events.state import RunState, Status
from pool.events.types import (
    BuildFinished,
    BuildOutput,
    BuildPhase,
    BuildQueued,
    BuildSample,
    BuildStarted,
    BuildWaiting,
    DownloadFinished,
    DownloadProgress,
    DownloadStarted,
    EnvironmentChange,
    EnvironmentChanged,
    EnvironmentFailed,
    InstallFinished,
    InstallStarted,
    KnownEvent,
    LimitChanged,
    LockAcquired,
    LockReleased,
    LockWaiting,
    MachineMemory,
    Note,
    ResolveFailed,
    ResolveFinished,
    ResolveProgress,
    ResolveStarted,
    RunStarted,
    Sample,
    SelectedVersion,
)


@st.composite
def journals(draw: st.DrawFn) -> list[KnownEvent]:
    """Runs that could have happened: slots are held by one, ended builds stay ended."""
    count = draw(st.integers(1, 5))
    builds = [BuildId(f"b{number}") for number in range(1, count + 1)]
    events: list[Any] = [
        RunStarted(
            limits={LimitName.BUILDS: 2},
            targets=count,
            out_dir="out",
            logs="logs",
            environment=draw(st.sampled_from(["", "/env"])),
        ),
        *[BuildQueued(build=build, name=build, target=build, log=build) for build in builds],
    ]
    open_builds, slots = set(builds), dict[BuildId, int]()
    loading = set[BuildId | None]()
    for _ in range(draw(st.integers(0, 40))):
        if not open_builds:
            break
        build = draw(st.sampled_from(sorted(open_builds)))
        about = draw(st.sampled_from([build, None]))
        steps = [*_steps(build, slots), *_around(about), *_loading(about, loading)]
        event = draw(st.sampled_from(steps))
        events.append(event)
        if isinstance(event, DownloadStarted):
            loading.add(event.build)
        if isinstance(event, DownloadFinished):
            loading.discard(event.build)
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
        Sample(builds=(tree,), machine=machine),
        LimitChanged(limit=LimitName.BUILDS, old=2, new=0, why="pause"),
        LimitChanged(limit=LimitName.BUILDS, old=2, new=3, why="user"),
    ]


def _around(about: BuildId | None) -> list[KnownEvent]:
    """What can happen whatever the builds do, and whether it is for one of them or for none."""
    picked = SelectedVersion(name="a", version="1", kind="wheel")
    change = EnvironmentChange(name="a", old="1", new="2")
    return [
        LockWaiting(build=about, lock="/t", holder=Holder(pid=7, command="uv build")),
        LockAcquired(build=about, lock="/t"),
        LockReleased(build=about, lock="/t"),
        InstallStarted(build=about, distribution="w", environment="/env"),
        InstallFinished(build=about, distribution="w", environment="/env"),
        Note(build=about, text="by the way"),
        ResolveStarted(requirements=("a",)),
        ResolveProgress(pages=3),
        ResolveFinished(picked=(picked,)),
        ResolveFailed(reference="x", message="no such set"),
        EnvironmentChanged(environment="/env", changes=(change,)),
        EnvironmentFailed(environment="/env", reference="x", message="full"),
    ]


def _loading(about: BuildId | None, loading: set[BuildId | None]) -> list[KnownEvent]:
    if about not in loading:
        return [DownloadStarted(build=about, file="f", total=9)]
    return [
        DownloadProgress(build=about, file="f", bytes=5, total=9),
        DownloadFinished(build=about, file="f", bytes=9),
        DownloadFinished(build=about, file="f", bytes=7, ok=False),
    ]


@given(journals())
def test_what_changed_is_reported(journal: list[KnownEvent]) -> None:
    state = RunState()
    for event in journal:
        before = copy.deepcopy(state.builds)
        dirty = apply(state, event)
        changed = {key for key, build in state.builds.items() if before.get(key) != build}
        assert changed <= dirty


@given(journals(), st.data())
def test_a_prefix_and_the_rest_are_the_whole(
    journal: list[KnownEvent], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(journal)))
    whole, parts = RunState(), RunState()
    apply_all(whole, journal)
    apply_all(parts, journal[:cut])
    apply_all(parts, journal[cut:])
    assert whole == parts


@given(journals())
def test_slots_and_builds_agree(journal: list[KnownEvent]) -> None:
    state = RunState()
    for event in journal:
        apply(state, event)
        holding = {b.slot: b.id for b in state.builds.values() if b.slot is not None}
        assert holding == state.slots
        for build in state.builds.values():
            assert (build.status is Status.BUILDING) == (build.slot is not None)
            assert (build.status is Status.DONE) == (build.outcome is not None)


@given(journals())
def test_a_pause_remembers_the_cap(journal: list[KnownEvent]) -> None:
    state = RunState()
    for event in journal:
        apply(state, event)
        if limit := state.limits.get(LimitName.BUILDS):
            assert limit.before_pause > 0
            assert limit.cap in (0, limit.before_pause)


def test_memory_without_a_budget_is_no_pause() -> None:
    state = RunState()
    apply(state, LimitChanged(limit=LimitName.MEMORY, old=8, new=0, why="user"))
    assert state.limits[LimitName.MEMORY].before_pause == 0


@given(journals())
def test_traffic_is_what_has_come(journal: list[KnownEvent]) -> None:
    state = RunState()
    apply_all(state, journal)
    whole = [event.bytes for event in journal if isinstance(event, DownloadFinished) and event.ok]
    assert state.traffic.bytes == sum(whole)
    assert 0.0 <= state.traffic.rate(state.now + 60.0) <= state.traffic.rate(state.now)
