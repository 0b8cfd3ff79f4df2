"""A run as Chrome trace events, which Perfetto, chrome://tracing and speedscope open.

Each slot is a thread of the process ``slots``: a slice for each build that held it, with a nested
slice for each phase. Waits and downloads of a build, which need no slot, are a thread of the
process ``without a slot``. Memory, limits, running builds, job tokens and downloads are counters;
failures and changed limits are instants. Pure.

"Trace Event Format" (Google) describes the format. Only complete events (``X``), counters (``C``),
instants (``i``) and metadata (``M``) are used, as they cannot be unbalanced.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Literal

import msgspec

from app.format import format_size
from app.model.timeline import Span
from app.text.rows import build_title
from app.text.spans import SPAN_NAMES, landmark_text, span_detail
from pool import WaitFor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pool
    from app.model.series import Measure
    from app.runs.record import RunRecord

__all__ = ["render_trace"]


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One trace event; times are in microseconds since the start of the run."""

    ph: Literal["X", "C", "i", "M"]
    name: str
    cat: str = ""
    pid: int
    tid: int
    ts: int
    dur: int | None = None
    """The duration of a slice; a slice of 0 is shown, too."""
    s: Literal["", "g"] = ""
    """The scope of an instant; ``g`` is a line through all tracks."""
    args: dict[str, str | int] = {}


_RUN, _SLOTS, _WAITS = 1, 2, 3
"""The processes; that of the run has one thread, for spans of the run itself."""
_COUNTERS: dict[Measure, tuple[str, str]] = {
    "used": ("memory used", "bytes"),
    "reserved": ("memory reserved", "bytes"),
    "budget": ("memory budget", "bytes"),
    "available": ("memory available", "bytes"),
    "running": ("running", "builds"),
    "cap": ("cap of", "builds"),
    "tokens": ("job", "tokens"),
    "working": ("working", "jobs"),
    "jobs": ("cap of all", "jobs"),
    "downloads": ("open", "downloads"),
    "stall": ("stalled for lack of memory", "percent"),
}
"""The names of a counter and of its value; Perfetto shows both: ``running builds``."""


def render_trace(record: RunRecord) -> str:
    """Return the trace as JSON, one event a line."""
    events = sorted(chain(_run(record), _slots(record), _waits(record)), key=_order)
    lines = (_json(event) for event in [*_names(record), *events])
    header = record.header
    about = {
        "run": header.run,
        "started": header.started,
        "command": " ".join(header.argv),
        "wheelpool": header.wheelpool,
        "python": header.python,
        "finished": record.finished,
    }
    head = f'{{"displayTimeUnit":"ms","otherData":{_json(about)},"traceEvents":[\n'
    return head + ",\n".join(lines) + "\n]}\n"


def _order(event: _Event) -> tuple[int, int]:
    """Sort by time, and enclosing slices first."""
    return event.ts, -(event.dur or 0)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _names(record: RunRecord) -> Iterator[_Event]:
    processes = {_RUN: "run", _SLOTS: "slots", _WAITS: "without a slot"}
    for pid, name in processes.items():
        yield _meta("process_name", pid, 0, {"name": name})
        yield _meta("process_sort_index", pid, 0, {"sort_index": pid})
    yield _meta("thread_name", _RUN, _RUN, {"name": "run"})
    for slot in record.timeline.slots:
        yield from _thread(_SLOTS, slot, f"slot {slot}")
    for tid, build in enumerate(record.state.builds.values(), 1):
        if _without_slot(record, build):
            yield from _thread(_WAITS, tid, build_title(build))


def _thread(pid: int, tid: int, name: str) -> Iterator[_Event]:
    # For Chrome, the number of a thread is unique in the whole system.
    yield _meta("thread_name", pid, _tid(pid, tid), {"name": name})
    yield _meta("thread_sort_index", pid, _tid(pid, tid), {"sort_index": tid})


def _tid(pid: int, number: int) -> int:
    return number * 4 + pid


def _run(record: RunRecord) -> Iterator[_Event]:
    """Yield slices, counters and instants of the run itself."""
    for span in _without_overlap(record.timeline.run_spans, record.state.now):
        yield _slice(_RUN, _RUN, SPAN_NAMES[span.kind], span, record)
    for measure, (name, unit) in _COUNTERS.items():
        if (series := record.timeline.series.get(measure)) is not None:
            for t, value in zip(series.times, series.values, strict=True):
                at = _micros(t)
                yield _Event(ph="C", name=name, pid=_RUN, tid=_RUN, ts=at, args={unit: value})
    for mark in record.timeline.landmarks:
        yield _Event(
            ph="i",
            name=mark.kind,
            cat=mark.kind,
            pid=_RUN,
            tid=_RUN,
            ts=_micros(mark.t),
            s="g",
            args={"what": landmark_text(mark, record.state.builds)},
        )


def _slots(record: RunRecord) -> Iterator[_Event]:
    for slot, spans in record.timeline.slots.items():
        tid = _tid(_SLOTS, slot)
        for held in _split_by_holder(_without_overlap(spans, record.state.now)):
            build, until = held[0].build, held[-1].until
            whole = Span(build=build, kind="work", since=held[0].since, until=until)
            name = build_title(record.state.builds[build]) if build is not None else ""
            yield _slice(_SLOTS, tid, name, whole, record, cat="build")
            for span in held:
                if span.kind != "work":
                    yield _slice(_SLOTS, tid, SPAN_NAMES[span.kind], span, record, cat="phase")


def _split_by_holder(spans: Iterable[Span]) -> Iterator[list[Span]]:
    """Split a slot's spans wherever it was released, even if the same build acquired it again."""
    held: list[Span] = []
    for span in spans:
        if held and (span.build != held[-1].build or span.since != held[-1].until):
            yield held
            held = []
        held.append(span)
    if held:
        yield held


def _waits(record: RunRecord) -> Iterator[_Event]:
    for tid, build in enumerate(record.state.builds.values(), 1):
        for span in _without_overlap(_without_slot(record, build), record.state.now):
            track = _tid(_WAITS, tid)
            cat = "wait" if isinstance(span.kind, WaitFor) else "phase"
            yield _slice(_WAITS, track, SPAN_NAMES[span.kind], span, record, cat=cat)


def _without_slot(record: RunRecord, build: pool.BuildState) -> list[Span]:
    return [span for span in record.timeline.builds.get(build.id, []) if span.slot is None]


def _without_overlap(spans: Iterable[Span], now: float) -> Iterator[Span]:
    """Yield closed spans that do not overlap."""
    free = 0.0
    for span in spans:
        since, until = max(span.since, free), span.end(now)
        if until > since:
            free = until
            yield Span(
                build=span.build,
                kind=span.kind,
                since=since,
                until=until,
                slot=span.slot,
                cause=span.cause,
            )


def _slice(
    pid: int, tid: int, name: str, span: Span, record: RunRecord, *, cat: str = "run"
) -> _Event:
    args: dict[str, str | int] = {"on": detail} if (detail := span_detail(span)) else {}
    if span.build is not None:
        args |= _facts(record.state.builds[span.build])
    since, until = _micros(span.since), _micros(span.end(record.state.now))
    return _Event(
        ph="X", name=name, cat=cat, pid=pid, tid=tid, ts=since, dur=until - since, args=args
    )


def _facts(build: pool.BuildState) -> dict[str, str]:
    """Return the details of a build that a selected slice shows."""
    facts = {
        "build": f"{build_title(build)} ({build.id})",
        "outcome": build.outcome or "unfinished",
        "peak": format_size(build.peak) if build.peak else "",
        "expected peak": format_size(build.expected_peak) if build.expected_peak else "",
        "message": build.message,
        "hint": build.hint,
        "needed by": ", ".join(build.needed_by),
        "retry of": build.retry_of or "",
        "wheel": build.wheel or "",
        "log": build.log,
    }
    return {key: value for key, value in facts.items() if value}


def _meta(name: str, pid: int, tid: int, args: dict[str, str | int]) -> _Event:
    return _Event(ph="M", name=name, pid=pid, tid=tid, ts=0, args=args)


def _micros(t: float) -> int:
    return round(max(t, 0.0) * 1e6)
