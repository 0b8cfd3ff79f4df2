"""The order of builds in a list: sections that never mix, and the sort key within a section.

Pure. Running builds are the first section in every order, so finished builds, however many, never
push them off the screen.
"""

from __future__ import annotations

from enum import IntEnum
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from pool import RANK_NEW, RANK_RESUMED, Outcome, Status

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
"""The sort keys of a list."""
ORDERS: tuple[Order, ...] = get_args(Order)
SortKey = tuple["Section", tuple[Any, ...]]
"""The section, then a key that compares within one section and one order."""


class Section(IntEnum):
    """The sections of a list of builds, from the top."""

    RUNNING = 0
    """Builds that hold a slot."""
    FAILED = 1
    WAITING = 2
    """Builds that wait for a slot or for something else."""
    NOT_BUILT = 3
    """Builds that were skipped, cancelled, or retried by another build."""
    FINISHED = 4


def section_of(build: BuildState) -> Section:
    """Return the section of a build."""
    if build.status is not Status.DONE:
        return Section.WAITING if build.slot is None else Section.RUNNING
    if build.superseded_by is not None:
        return Section.NOT_BUILT
    if build.outcome is not None and build.outcome.is_success:
        return Section.FINISHED
    skipped = build.outcome in (Outcome.SKIPPED, Outcome.CANCELLED)
    return Section.NOT_BUILT if skipped else Section.FAILED


def sort_key(build: BuildState, by: Order = "state", *, newest_first: bool = True) -> SortKey:
    """Return the sort key of a build.

    Args:
        build: one of a run.
        by: the selected order.
        newest_first: sort failed builds by their end in every order, the newest first.
    """
    section = section_of(build)
    if section is Section.FAILED and newest_first:
        by = "state"
    match by:
        case "state":
            return section, _state_key(build, section)
        case "time":
            return section, (_time_key(build),)
        case "memory":
            return section, (-(build.peak if build.status is Status.DONE else build.rss),)
        case "name":
            return section, (build.label.casefold(),)


def _state_key(build: BuildState, section: Section) -> tuple[Any, ...]:
    match section:
        case Section.RUNNING:
            return (build.started_at,)
        case Section.WAITING if build.status is Status.QUEUED:
            return (1, *priority_of(build))
        case Section.WAITING:
            return (0, build.queued_at)
        case _:
            # Users look for the builds that ended last.
            return (-(build.finished_at or 0.0),)


def _time_key(build: BuildState) -> float:
    """Return a key that sorts the longest time first."""
    if build.status is Status.DONE:
        return -build.seconds
    if build.started_at is not None:
        return build.started_at
    return build.since if build.status is Status.WAITING else float("inf")


def priority_of(build: BuildState) -> tuple[int, float, int]:
    """Return a build's priority at the gate, as `pool.scheduling.slot` computes it.

    Journals of older versions have no priority; it is derived from the build then. The lowest
    priority gets the next slot.
    """
    rank, weight, number = build.priority or (
        RANK_RESUMED if build.nested else RANK_NEW,
        -(build.expected or 0.0),
        0,
    )
    return (rank if build.started_at is None else RANK_RESUMED), weight, number


def assign_numbers(numbers: dict[BuildId, int], state: RunState) -> None:
    """Assign the next numbers to new builds, in the order of announcement."""
    if len(numbers) < len(state.builds):
        for build in islice(state.builds, len(numbers), None):
            numbers[build] = len(numbers)
