"""Why a build waits, in whole sentences, and why the first build of the queue is the first.

Pure, and from the state alone: a replay gives the same reasons as the run did. The rules that it
explains are those of `pool.scheduling.slot`, `pool.scheduling.limiter` and
`pool.scheduling.memory_policy`; it decides nothing itself.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from app.format import format_clock, format_count, format_estimate, format_size
from app.model.sorting import priority_of
from app.text.holder import format_holder
from app.text.rows import build_title, describe, status_word
from pool import LimitName, Status, WaitFor

if TYPE_CHECKING:
    import pool
    from app.model.queue import SlotQueue

__all__ = ["queue_position", "wait_reason"]


def wait_reason(build: pool.BuildState, state: pool.RunState, now: float, queue: SlotQueue) -> str:
    """Return one sentence on why a build waits; empty if it does not wait."""
    if build.status is Status.QUEUED:
        return _queue_reason(build, state, queue)
    if build.status is not Status.WAITING:
        return ""
    waiting = f"waiting {format_clock(now - build.since)}"
    match build.waiting_for:
        case WaitFor.LOCK:
            return f"{waiting} for the lock on {build.waiting_on}, {_holder(build, state, now)}"
        case WaitFor.DEPENDENCY:
            return f"{waiting} for {_dependencies(build, state, now)}"
        case WaitFor.MEMORY:
            return f"{waiting} for memory: {_memory(build, state)}"
        case _:
            text = describe(build, state, now)
            return f"{waiting}: {text.word} {text.detail}"


def queue_position(build: pool.BuildState, queue: SlotQueue) -> str:
    """Return a build's place in the queue: ``next in queue``, ``3rd in queue``; or nothing."""
    position = queue.position(build.id)
    if position is None or build.status is not Status.QUEUED:
        return ""
    return f"{_ordinal(position + 1)} in queue" if position else "next in queue"


# Locks, dependencies, memory


def _holder(build: pool.BuildState, state: pool.RunState, now: float) -> str:
    holder = build.holder
    if holder is None or holder.since is None or state.header is None:
        return format_holder(holder)
    started = datetime.fromisoformat(state.header.started).timestamp()
    return format_holder(holder, format_clock(started + now - holder.since))


def _dependencies(build: pool.BuildState, state: pool.RunState, now: float) -> str:
    builds = [state.builds[one] for one in build.waiting_builds if one in state.builds]
    parts = [f"{build_title(one)} ({_progress(one, state, now)})" for one in builds]
    return ", ".join(parts) or build.waiting_on


def _progress(build: pool.BuildState, state: pool.RunState, now: float) -> str:
    """Return the status of a dependency in the words of its own row."""
    if build.status is Status.DONE:
        return status_word(build)
    text = describe(build, state, now)
    if build.status is Status.BUILDING:
        started = build.since if build.started_at is None else build.started_at
        return f"building {format_clock(now - started)}: {text.detail}"
    if build.status is Status.QUEUED:
        return "waiting for a slot"
    return f"waiting: {text.word} {text.detail}"


def _memory(build: pool.BuildState, state: pool.RunState) -> str:
    if not build.needs:
        return build.waiting_on
    limit = state.limits.get(LimitName.MEMORY)
    budget = f" of {format_size(limit.cap)}" if limit is not None and limit.cap else ""
    reason = f"needs {format_size(build.needs)}, {format_size(build.free)}{budget} free"
    match [state.builds[one] for one in state.slots.values()]:
        case []:
            return reason
        case [one]:
            return f"{reason}; starts when {build_title(one)} finishes"
        case several:
            return f"{reason}; starts when one of {len(several)} running builds finishes"


# The queue


def _queue_reason(build: pool.BuildState, state: pool.RunState, queue: SlotQueue) -> str:
    limit = state.limits.get(LimitName.BUILDS)
    if limit is not None and limit.cap == 0:
        return "waiting for a slot: builds are paused"
    position = queue.position(build.id)
    if position is None:
        return "waiting for a slot"
    if position:
        before = format_count(position, "build")
        return f"waiting for a slot: {before} before it{_delay(build, state, queue)}"
    return f"waiting for a slot, next in queue: {_why_first(build, queue, state)}"


def _delay(build: pool.BuildState, state: pool.RunState, queue: SlotQueue) -> str:
    """Return why free slots stay empty; or nothing."""
    first = state.builds[queue[0]]
    free = _free_slots(state)
    running = (state.builds[one] for one in state.slots.values())
    exclusive = next((one for one in running if one.exclusive), None)
    if exclusive is not None:
        return f"; {build_title(exclusive)} runs on its own, as it ran out of memory before"
    if free and first.exclusive and build is not first:
        return f"; {build_title(first)} runs on its own first, once running builds have finished"
    if free and first.waiting_for is WaitFor.MEMORY:
        return f"; {build_title(first)} was overtaken often enough, and goes first once it fits"
    return ""


def _why_first(build: pool.BuildState, queue: SlotQueue, state: pool.RunState) -> str:
    """Return why a build is the first of the queue."""
    if build.exclusive and state.slots:
        running = format_count(len(state.slots), "build")
        return f"it ran out of memory, so it runs on its own once {running} have finished"
    if build.started_at is not None:
        return "it has started before, and started builds go before new ones"
    if build.needed_by:
        names = ", ".join(build_title(state.builds[one]) for one in build.needed_by)
        return f"needed by {names}"
    if build.nested:
        return "version resolution needs its metadata"
    return _why_first_by_duration(build, queue, state)


def _why_first_by_duration(build: pool.BuildState, queue: SlotQueue, state: pool.RunState) -> str:
    second = state.builds[queue[1]] if len(queue) > 1 else None
    if second is None or second.exclusive:
        return "no other build waits that can run beside others"
    seconds = -priority_of(build)[1]
    if seconds == -priority_of(second)[1]:
        return "builds with equal estimates start in the order given"
    unknown = "" if build.expected is not None else ", though it has no recorded duration"
    return f"it is expected to take the longest, {format_estimate(seconds)}{unknown}"


def _free_slots(state: pool.RunState) -> int:
    limit = state.limits.get(LimitName.BUILDS)
    return 0 if limit is None else max(0, limit.cap - len(state.slots))


def _ordinal(number: int) -> str:
    endings = {} if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{endings.get(number % 10, 'th')}"
