"""In which order builds are listed: sections that never mix, and what sorts within them.

Pure, as `app.text.rows` is. What runs is the first section whatever else is sorted by, so that nothing
that has ended, however much of it, ever pushes running builds off a screen.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from pool import Outcome, Status

if TYPE_CHECKING:
    from pool import BuildId, BuildState, RunState

__all__ = [
    "ORDERS",
    "Order",
    "Section",
    "SortKey",
    "assign_numbers",
    "priority_of",
    "section_of",
    "sort_key",
]

Order: TypeAlias = Literal["state", "time", "memory", "name"]
"""What is sorted by."""
ORDERS: tuple[Order, ...] = get_args(Order)
SortKey = tuple["Section", tuple[Any, ...]]
"""What builds are sorted by: the section first; keys compare within one section and one order."""
_GOES_ON, _FRESH = 0, 1
"""The ranks at the gate of what has begun, or others wait for, and of what has not (pool.scheduling.slot)."""


class Section(IntEnum):
    """The parts of a list of builds, from the top."""

    RUNNING = 0
    """Has a slot."""
    FAILED = 1
    WAITING = 2
    """Waits, for a slot or for something else."""
    NOT_BUILT = 3
    """Skipped, cancelled, or tried again by another build."""
    FINISHED = 4


def section_of(build: BuildState) -> Section:
    """Return the part of the list that a build is in."""
    if build.status is not Status.DONE:
        return Section.WAITING if build.slot is None else Section.RUNNING
    if build.superseded_by is not None:
        return Section.NOT_BUILT
    if build.outcome is not None and build.outcome.good:
        return Section.FINISHED
    skipped = build.outcome in (Outcome.SKIPPED, Outcome.CANCELLED)
    return Section.NOT_BUILT if skipped else Section.FAILED


def sort_key(build: BuildState, by: Order = "state", *, newest_first: bool = True) -> SortKey:
    """Return what a build is sorted by.

    Args:
        build: one of a run.
        by: the order that was asked for.
        newest_first: whether failed builds are in the order of their end whatever was asked for.
    """
    section = section_of(build)
    if section is Section.FAILED and newest_first:
        by = "state"
    match by:
        case "state":
            return section, _by_state(build, section)
        case "time":
            return section, (_by_time(build),)
        case "memory":
            return section, (-(build.peak if build.status is Status.DONE else build.rss),)
        case "name":
            return section, (build.label.casefold(),)


def _by_state(build: BuildState, section: Section) -> tuple[Any, ...]:
    match section:
        case Section.RUNNING:
            return (build.started_at,)
        case Section.WAITING if build.status is Status.QUEUED:
            return (1, *priority_of(build))
        case Section.WAITING:
            return (0, build.queued_at)
        case _:
            # What has just ended is what one looks for.
            return (-(build.finished_at or 0.0),)


def _by_time(build: BuildState) -> float:
    """Sort the longest first."""
    if build.status is Status.DONE:
        return -build.seconds
    if build.started_at is not None:
        return build.started_at
    return build.since if build.status is Status.WAITING else float("inf")


def priority_of(build: BuildState) -> tuple[int, float, int]:
    """Return who goes first at the gate, as `pool.scheduling.slot` has it: lower does."""
    rank, weight, number = build.priority or (
        _GOES_ON if build.nested else _FRESH,
        -(build.expected or 0.0),
        0,
    )
    return (rank if build.started_at is None else _GOES_ON), weight, number


def assign_numbers(numbers: dict[BuildId, int], state: RunState) -> None:
    """Give those that are new the next numbers, in the order of announcement."""
    if len(numbers) < len(state.builds):
        for build in islice(state.builds, len(numbers), None):
            numbers[build] = len(numbers)
