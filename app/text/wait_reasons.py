"""Why a build waits, in whole sentences; and why the next one in the queue is the next one.

Pure, and from the state alone, so that a replay gives the same reasons as the run did. The rules it
puts into words are those of `pool.scheduling.slot`, `pool.scheduling.limiter` and `pool.scheduling.memory_policy`; it decides
nothing itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from app.format import format_clock, format_count, format_duration, format_estimate, format_size
from app.model.sorting import priority_of
from app.text.rows import build_title, describe, status_word
from pool import LimitName, Status, WaitFor

if TYPE_CHECKING:
    import pool
    from app.model.queue import SlotQueue

__all__ = ["queue_position", "wait_reason"]


def wait_reason(build: pool.BuildState, state: pool.RunState, now: float, line: SlotQueue) -> str:
    """Return one sentence on what keeps a build from going on; empty where nothing does."""
    if build.status is Status.QUEUED:
        return _why_queued(build, state, line)
    if build.status is not Status.WAITING:
        return ""
    since = f"for {format_clock(now - build.since)}"
    match build.waiting_for:
        case WaitFor.LOCK:
            return f"waits {since} for the lock of {build.waiting_on}: {_holder(build, state, now)}"
        case WaitFor.DEPENDENCY:
            return f"waits {since} for what it needs: {_needs(build, state, now)}"
        case WaitFor.MEMORY:
            return f"waits {since} for memory: {_memory(build, state)}"
        case _:
            doing = describe(build, state, now)
            return f"waits {since}: {doing.word} {doing.detail}"


def queue_position(build: pool.BuildState, state: pool.RunState, line: SlotQueue) -> str:
    """Say in short where a build stands: ``next: has begun``, ``3rd in line``; or nothing."""
    place = line.position(build.id)
    if place is None or build.status is not Status.QUEUED:
        return ""
    if place == 0:
        return f"next: {_why_first(build, line, state)[0]}"
    return f"{_ordinal(place + 1)} in line"


# Locks, needs, memory


def _holder(build: pool.BuildState, state: pool.RunState, now: float) -> str:
    holder = build.holder
    if holder is None or holder.pid is None:
        return "another process has it, the system does not tell which"
    command = f' "{holder.command}"' if holder.command else ""
    return f"pid {holder.pid}{command} has it{_age(holder, state, now)}"


def _age(holder: pool.Holder, state: pool.RunState, now: float) -> str:
    if holder.since is None or state.header is None:
        return ""
    began = datetime.fromisoformat(state.header.started).timestamp()
    return f", a process that runs for {format_duration(max(0.0, began + now - holder.since))}"


def _needs(build: pool.BuildState, state: pool.RunState, now: float) -> str:
    nested = [state.builds[one] for one in build.waiting_builds if one in state.builds]
    told = [f"{build_title(one)}, which {_does(one, state, now)}" for one in nested]
    return "; ".join(told) or build.waiting_on


def _does(build: pool.BuildState, state: pool.RunState, now: float) -> str:
    """Say what a nested build is doing, in the words of its own row."""
    if build.status is Status.DONE:
        return f"is {status_word(build)}"
    doing = describe(build, state, now)
    if build.status is Status.BUILDING:
        began = build.since if build.started_at is None else build.started_at
        return f"is building ({doing.detail}) for {format_clock(now - began)}"
    if build.status is Status.QUEUED:
        return "waits for a slot"
    return f"waits itself: {doing.word} {doing.detail}"


def _memory(build: pool.BuildState, state: pool.RunState) -> str:
    if not build.needs:
        return build.waiting_on
    budget = state.limits.get(LimitName.MEMORY)
    of = f" of {format_size(budget.cap)}" if budget is not None and budget.cap else ""
    missing = format_size(max(0, build.needs - build.free))
    running = len(state.slots)
    until = "the one that runs ends" if running == 1 else f"one of the {running} that run ends"
    return f"needs {format_size(build.needs)}, {format_size(build.free)}{of} free: {missing} missing until {until}"


# The queue


def _why_queued(build: pool.BuildState, state: pool.RunState, line: SlotQueue) -> str:
    limit = state.limits.get(LimitName.BUILDS)
    if limit is not None and limit.cap == 0:
        return "waits for a slot: builds are paused"
    place = line.position(build.id)
    if place is None:
        return "waits for a slot"
    if place:
        before = "1 is before it" if place == 1 else f"{place} are before it"
        return f"waits for a slot: {before} in the queue{_held_back(build, state, line)}"
    short, long = _why_first(build, line, state)
    return f"waits for a slot, and is the next to get one: {long or short}"


def _held_back(build: pool.BuildState, state: pool.RunState, line: SlotQueue) -> str:
    """Say why slots may be free and are not given."""
    first = state.builds[line[0]]
    free = _free_slots(state)
    running = (state.builds[one] for one in state.slots.values())
    loner = next((one for one in running if one.exclusive), None)
    if loner is not None:
        return f"; {build_title(loner)} runs alone, as it ran out of memory before"
    if free and first.exclusive and build is not first:
        return f"; {build_title(first)} must run alone first, and waits for those that run to end"
    if free and first.waiting_for is WaitFor.MEMORY:
        return f"; {build_title(first)} was passed often enough, and goes first as soon as it fits"
    return ""


def _why_first(build: pool.BuildState, line: SlotQueue, state: pool.RunState) -> tuple[str, str]:
    """Return why a build is the next one, in short and, where there is more to say, in long."""
    if build.exclusive and state.slots:
        running = format_count(len(state.slots), "build")
        return "alone", f"it ran out of memory, so it runs alone, when {running} more have ended"
    if build.started_at is not None:
        return "has begun", "it has begun already, and what has begun goes before what has not"
    if build.needed_by:
        others = ", ".join(build_title(state.builds[one]) for one in build.needed_by)
        return "others need it", f"{others} cannot go on without it"
    if build.nested:
        return "versions need it", "versions cannot be chosen without what it tells"
    return _by_length(build, line, state)


def _by_length(build: pool.BuildState, line: SlotQueue, state: pool.RunState) -> tuple[str, str]:
    behind = state.builds[line[1]] if len(line) > 1 else None
    if behind is None or behind.exclusive:
        return "the last one", "nobody else waits who could run beside it"
    weight = -priority_of(build)[1]
    if weight == -priority_of(behind)[1]:
        return "as given", "nothing tells it from those behind it but the order in which they came"
    known = "" if build.expected is not None else ", though nothing is known of it"
    return "the longest", f"it is expected to take the longest, {format_estimate(weight)}{known}"


def _free_slots(state: pool.RunState) -> int:
    limit = state.limits.get(LimitName.BUILDS)
    return 0 if limit is None else max(0, limit.cap - len(state.slots))


def _ordinal(number: int) -> str:
    ending = (
        "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    )
    return f"{number}{ending}"
