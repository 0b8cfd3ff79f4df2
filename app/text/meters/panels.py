"""The framed gauges above the table: what limits a run, each with its use and its recent past.

Pure: facts and words for one moment. `app.tui.widgets.gauges` draws the frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.format import format_size, format_size_of
from app.text.limits import count_use, format_traffic, format_use, memory_use
from pool import LimitName, Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pool
    from app.model.series import Measure
    from app.model.status import BuildKind
    from app.model.timeline import Timeline

__all__ = ["Panel", "list_panels"]


class Panel(Record, frozen=True, kw_only=True):
    """One gauge."""

    limits: tuple[LimitName, ...]
    """The limits that it shows; the first one has the bar and the graph."""
    title: str
    values: tuple[str, ...]
    """The use of the limits, beside the title; in decreasing lengths."""
    weight: int
    """Its share of the width."""
    used: float
    """The part of the limit that is in use, 0.0 to 1.0."""
    reserved: float = 0.0
    """The part that is reserved, and more than what is used."""
    text: str = ""
    """Between the bar and the graph."""
    measure: Measure
    scale: float
    """The value of a full graph."""
    remark: str = ""
    """After the graph."""


def list_panels(
    state: pool.RunState, timeline: Timeline, counts: Mapping[BuildKind, int], now: float
) -> list[Panel]:
    """Return the gauges of a run, from left to right."""
    return [
        *_builds(state, counts),
        *_jobs(state),
        *_memory(state, timeline),
        *_downloads(state, now),
    ]


def _builds(state: pool.RunState, counts: Mapping[BuildKind, int]) -> Iterator[Panel]:
    if (limit := state.limits.get(LimitName.BUILDS)) is None:
        return
    waiting = sum(counts.get(kind, 0) for kind in ("waiting", "queued"))
    running = count_use(LimitName.BUILDS, state)
    yield Panel(
        limits=(LimitName.BUILDS,),
        title="builds",
        values=(format_use(LimitName.BUILDS, state),),
        weight=26,
        used=_part(LimitName.BUILDS, state),
        text=f"{running} run" + (f" · {waiting} wait" if waiting else ""),
        measure="running",
        scale=limit.value,
    )


def _part(name: LimitName, state: pool.RunState) -> float:
    """Return the part of a limit that is in use; more than a lowered limit is all of it."""
    return min(1.0, count_use(name, state) / max(1, state.limits[name].cap))


def _jobs(state: pool.RunState) -> Iterator[Panel]:
    if (limit := state.limits.get(LimitName.JOBS)) is None:
        return
    yield Panel(
        limits=(LimitName.JOBS,),
        title="jobs",
        values=(format_use(LimitName.JOBS, state),),
        weight=20,
        used=_part(LimitName.JOBS, state),
        measure="working",
        scale=limit.value,
    )


def _memory(state: pool.RunState, timeline: Timeline) -> Iterator[Panel]:
    stall = timeline.series["stall"].values
    remark = f"pressure {stall[-1]} %" if stall else ""
    if (use := memory_use(state)) is not None:
        amount = format_size_of(use.used, use.budget)
        reserved = f"{amount} · {_short_size(use.reserved, amount)} reserved"
        used, planned, scale = use.used / use.budget, use.reserved / use.budget, use.budget
        values: tuple[str, ...] = (reserved, amount)
    elif state.machine is not None:
        scale = state.machine.total
        taken = scale - state.machine.available
        amount = format_size_of(taken, scale)
        used, planned, values = taken / scale, 0.0, (f"{amount} · no budget", amount)
    else:
        return
    yield Panel(
        limits=(LimitName.MEMORY,),
        title="memory",
        values=values,
        weight=44,
        used=min(1.0, used),
        reserved=min(1.0, planned),
        measure="used",
        scale=scale,
        remark=remark,
    )


def _short_size(size: int, beside: str) -> str:
    """Return a size, without its unit if a text beside it ends with that."""
    text = format_size(size)
    number, _, unit = text.partition(" ")
    return number if beside.endswith(f" {unit}") else text


def _downloads(state: pool.RunState, now: float) -> Iterator[Panel]:
    if (limit := state.limits.get(LimitName.DOWNLOADS)) is None:
        return
    names = [name for name in (LimitName.DOWNLOADS, LimitName.INSTALLS) if name in state.limits]
    use = format_use(LimitName.DOWNLOADS, state)
    both = f"{use} · installs {format_use(LimitName.INSTALLS, state)}" if len(names) > 1 else use
    yield Panel(
        limits=tuple(names),
        title="downloads",
        values=(both, use),
        weight=26,
        used=_part(LimitName.DOWNLOADS, state),
        text=format_traffic(state, now).rpartition("  ")[2],
        measure="downloads",
        scale=limit.value,
    )
