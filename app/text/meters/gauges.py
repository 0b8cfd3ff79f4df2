"""The graphs above the table: limits, memory and pressure in the last minutes.

Pure: series come from the timeline, words from the state. Each graph has a fixed scale: the limit,
the budget, or 100 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.format import format_size
from app.text.limits import memory_use
from pool import LimitName, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pool
    from app.model.series import Measure
    from app.model.timeline import Timeline

__all__ = ["GAUGE_SECONDS", "Gauge", "gauge_values", "list_gauges", "recent_values"]

GAUGE_SECONDS = 180.0
"""The length of time that a graph of the line of graphs shows."""
CELL_SECONDS = 2.0
"""The length of time of one cell of a framed graph."""


class Gauge(Record, frozen=True, kw_only=True):
    """One graph."""

    name: str
    measure: Measure
    scale: float
    """The value of a full graph."""
    now: str = ""
    """The current value as text; empty if the header has it already."""


def list_gauges(state: pool.RunState, timeline: Timeline) -> list[Gauge]:
    """Return the graphs of a run, the most important first."""
    return [*_limits(state), *_memory(state), *_pressure(timeline), *_reserved(state)]


def gauge_values(
    timeline: Timeline, measure: Measure, now: float, cells: int
) -> list[float | None]:
    """Return the highest value in each of ``cells`` equal parts of the last minutes.

    The parts start at multiples of their length, so bars keep their heights as they move.
    """
    known = _recent(timeline, measure, now, cells, GAUGE_SECONDS / cells)
    return [None] * (cells - len(known)) + known


def recent_values(
    timeline: Timeline, measure: Measure, now: float, cells: int
) -> list[float | None]:
    """Return the highest value in each `CELL_SECONDS` of the run, at most the last ``cells``.

    The first ones are the start of the run, so a graph fills from the left.
    """
    return _recent(timeline, measure, now, cells, CELL_SECONDS)


def _recent(
    timeline: Timeline, measure: Measure, now: float, cells: int, step: float
) -> list[float | None]:
    """Return the highest value in each ``step`` seconds of the run, at most the last ``cells``."""
    series, last = timeline.series[measure], int(now / step)
    return [
        series.highest(cell * step, min((cell + 1) * step, now + step))
        for cell in range(max(0, last - cells + 1), last + 1)
    ]


def _limits(state: pool.RunState) -> Iterator[Gauge]:
    measures: dict[LimitName, Measure] = {
        LimitName.BUILDS: "running",
        LimitName.JOBS: "working",
    }
    for name, measure in measures.items():
        if (limit := state.limits.get(name)) is not None:
            # A paused limit keeps its scale.
            yield Gauge(name=name, measure=measure, scale=limit.value)


def _memory(state: pool.RunState) -> Iterator[Gauge]:
    if (use := memory_use(state)) is not None:
        yield Gauge(name="memory", measure="used", scale=use.budget)
    elif state.machine is not None:
        yield Gauge(name="memory", measure="used", scale=state.machine.total)


def _reserved(state: pool.RunState) -> Iterator[Gauge]:
    if (use := memory_use(state)) is not None:
        reserved = format_size(use.reserved)
        yield Gauge(name="reserved", measure="reserved", scale=use.budget, now=reserved)


def _pressure(timeline: Timeline) -> Iterator[Gauge]:
    stall = timeline.series["stall"]
    if stall.values:
        yield Gauge(name="pressure", measure="stall", scale=100, now=f"{stall.values[-1]} %")
