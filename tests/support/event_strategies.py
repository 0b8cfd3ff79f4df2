"""Hypothesis strategies: `events`, any single event, and `journals`, runs that are consistent."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from pool.common.model import BuildId, Holder, LimitName, Outcome, Phase, WaitFor
from pool.events.process_delta import ProcessDelta
from pool.events.types import (
    BuildFinished,
    BuildOutput,
    BuildPhase,
    BuildQueued,
    BuildRequirementsResolved,
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
    RunStopping,
    Sample,
    SelectedVersion,
)

__all__ = ["EVENT_TYPES", "events", "journals"]

EVENT_TYPES: tuple[type[Any], ...] = KnownEvent.__args__


def _values(kind: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for the values of one annotated type."""
    match kind:
        case msgspec.inspect.StrType():
            return st.text()
        case msgspec.inspect.IntType():
            return st.integers(-(2**53), 2**53)
        case msgspec.inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.EnumType(cls=cls):
            return st.sampled_from(list(cls))
        case msgspec.inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case msgspec.inspect.UnionType(types=types):
            return st.one_of([_values(each) for each in types])
        case msgspec.inspect.VarTupleType(item_type=item):
            return st.lists(_values(item), max_size=3).map(tuple)
        case msgspec.inspect.TupleType(item_types=items):
            return st.tuples(*map(_values, items))
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(_values(key), _values(value), max_size=3)
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            return st.builds(cls, **{field.name: _values(field.type) for field in fields})
    raise AssertionError(kind)


events = st.one_of([_values(msgspec.inspect.type_info(kind)) for kind in EVENT_TYPES])


@st.composite
def journals(draw: st.DrawFn) -> list[KnownEvent]:
    """Draw the events of a run: a slot has one build, and a finished build gets no more events."""
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
    downloading = set[BuildId | None]()
    for _ in range(draw(st.integers(0, 40))):
        if not open_builds:
            break
        build = draw(st.sampled_from(sorted(open_builds)))
        about = draw(st.sampled_from([build, None]))
        steps = [
            *_build_events(build, slots),
            *_other_events(about),
            *_download_events(about, downloading),
        ]
        event = draw(st.sampled_from(steps))
        events.append(event)
        if isinstance(event, DownloadStarted):
            downloading.add(event.build)
        if isinstance(event, DownloadFinished):
            downloading.discard(event.build)
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


def _build_events(build: BuildId, slots: dict[BuildId, int]) -> list[KnownEvent]:
    free = next(slot for slot in range(1, 10) if slot not in slots.values())
    holder = Holder(pid=7, command="uv build")
    machine = MachineMemory(total=100, available=50)
    process = ProcessDelta(pid=7, ppid=1, name="cc", command="cc -c a.c", rss=5, cpu=99.0)
    tree = BuildSample(build=build, processes=(), rss=5, peak=9)
    busy = BuildSample(build=build, processes=(process,), rss=5, peak=9, pss=4)
    started = [] if build in slots else [BuildStarted(build=build, slot=free)]
    return [
        *started,
        *[BuildWaiting(build=build, for_=reason, on="x", holder=holder) for reason in WaitFor],
        *[BuildPhase(build=build, phase=phase) for phase in Phase],
        *[BuildFinished(build=build, outcome=outcome, peak=7) for outcome in Outcome],
        BuildOutput(build=build, lines=3, bytes=30, last="hello"),
        BuildRequirementsResolved(build=build, requirements=("setuptools 80.0",)),
        Sample(builds=(tree,), machine=machine),
        Sample(builds=(busy,), machine=machine),
        LimitChanged(limit=LimitName.BUILDS, old=2, new=0, why="pause"),
        LimitChanged(limit=LimitName.BUILDS, old=2, new=3, why="user"),
    ]


def _other_events(about: BuildId | None) -> list[KnownEvent]:
    """Return events that are possible at any time, for one build or for none."""
    picked = SelectedVersion(name="a", version="1", kind="wheel")
    change = EnvironmentChange(name="a", old="1", new="2")
    return [
        LockWaiting(build=about, lock="/t", holder=Holder(pid=7, command="uv build")),
        LockAcquired(build=about, lock="/t"),
        LockReleased(build=about, lock="/t"),
        InstallStarted(build=about, distribution="w", environment="/env"),
        InstallFinished(build=about, distribution="w", environment="/env"),
        RunStopping(why="interrupted"),
        Note(build=about, text="by the way"),
        ResolveStarted(requirements=("a",)),
        ResolveProgress(pages=3),
        ResolveFinished(picked=(picked,)),
        ResolveFailed(reference="x", message="no such set"),
        EnvironmentChanged(environment="/env", changes=(change,)),
        EnvironmentFailed(environment="/env", reference="x", message="full"),
    ]


def _download_events(about: BuildId | None, downloading: set[BuildId | None]) -> list[KnownEvent]:
    if about not in downloading:
        return [DownloadStarted(build=about, file="f", total=9)]
    return [
        DownloadProgress(build=about, file="f", bytes=5, total=9),
        DownloadFinished(build=about, file="f", bytes=9),
        DownloadFinished(build=about, file="f", bytes=7, ok=False),
    ]
