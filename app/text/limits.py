"""The limits of a run in words, with their current use; memory budget and download speed.

Pure. The engine decides the effect of a limit; it is not described here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from app.format import format_size, format_size_of
from pool import LimitName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pool

__all__ = [
    "SLOT_LIMITS",
    "MemoryUse",
    "budget_step",
    "count_excess",
    "count_use",
    "fit_limits",
    "format_limits",
    "format_traffic",
    "format_use",
    "memory_use",
    "next_limit",
    "step_budget",
]

SLOT_LIMITS = (LimitName.BUILDS, LimitName.DOWNLOADS, LimitName.INSTALLS, LimitName.JOBS)
"""The limits in the order of the header, which has memory after them."""
_STEPS = 16
"""About this many steps of the memory budget make up the machine's memory."""
_LEAST_STEP = 128 << 20
_NAMES = (
    {name: f"{name.value} " for name in SLOT_LIMITS},
    {
        LimitName.BUILDS: "bld ",
        LimitName.DOWNLOADS: "dl ",
        LimitName.INSTALLS: "inst ",
        LimitName.JOBS: "jobs ",
    },
    {
        LimitName.BUILDS: "b",
        LimitName.DOWNLOADS: "d",
        LimitName.INSTALLS: "i",
        LimitName.JOBS: "j",
    },
)
"""Names for a wide screen, a narrow one, and one of a few cells."""


class MemoryUse(NamedTuple):
    """The use of the memory budget, in bytes."""

    used: int
    """The memory of all builds that hold a slot."""
    reserved: int
    budget: int


def format_limits(state: pool.RunState) -> dict[LimitName, str]:
    """Return each limit with its use: ``builds 3/4``; ``builds 4 -> 2`` while more run."""
    return {name: _limit_text(f"{name.value} ", name, state) for name in _limits_of(state)}


def format_use(name: LimitName, state: pool.RunState) -> str:
    """Return the use of one limit: ``3/4``, ``4 -> 2``, ``paused``."""
    return _limit_text("", name, state)


def fit_limits(state: pool.RunState, width: int) -> dict[LimitName, str]:
    """Return each limit so that all of them, with a blank on each side, fit into ``width`` cells.

    Each text is padded to its width at full use, so its neighbours do not move.
    """
    texts: dict[LimitName, str] = {}
    for names in _NAMES:
        texts = {name: _padded(names[name], name, state) for name in _limits_of(state)}
        if sum(len(text) + 2 for text in texts.values()) <= width:
            break
    return texts


def memory_use(state: pool.RunState) -> MemoryUse | None:
    """Return the use of the memory budget; None without a budget.

    A build that uses more than its reservation counts as reserving what it uses.
    """
    limit = state.limits.get(LimitName.MEMORY)
    if limit is None or not limit.cap:
        return None
    builds = [state.builds[build] for build in state.slots.values()]
    reserved = sum(max(build.reserved, build.rss) for build in builds)
    return MemoryUse(sum(build.rss for build in builds), reserved, limit.cap)


def next_limit(state: pool.RunState, after: LimitName) -> LimitName:
    """Return the limit after another one; memory is the last, then the first follows."""
    names = [*_limits_of(state), LimitName.MEMORY]
    index = names.index(after) if after in names else -1
    return names[(index + 1) % len(names)]


def budget_step(state: pool.RunState) -> int:
    """Return the number of bytes by which a key changes the memory budget: a power of two."""
    whole = _machine(state)
    return max(_LEAST_STEP, 1 << (whole // _STEPS).bit_length() - 1) if whole else _LEAST_STEP


def step_budget(state: pool.RunState, steps: int) -> int | None:
    """Return the memory budget after some steps, as a multiple of the step; None if unchanged.

    Without a budget, the first step down leads to all of the machine's memory. The budget is at
    least one step, as a budget of 0 is none.
    """
    limit, step, whole = state.limits.get(LimitName.MEMORY), budget_step(state), _machine(state)
    if limit is None or not limit.cap:
        return whole if steps < 0 and whole else None
    # A budget between two multiples of the step goes to the next multiple in its direction.
    at = limit.cap // step if steps > 0 else -(-limit.cap // step)
    wanted = max(step, (at + steps) * step)
    if whole and wanted > max(whole, limit.cap):
        wanted = max(whole, limit.cap)
    return None if wanted == limit.cap else wanted


def count_excess(state: pool.RunState, name: LimitName) -> int:
    """Return how many have to finish before no more run than a limit allows."""
    limit = state.limits.get(name)
    return 0 if limit is None else max(0, count_use(name, state) - limit.cap)


def format_traffic(state: pool.RunState, now: float) -> str:
    """Return the progress of downloads: ``12 of 40 MiB  4.1 MiB/s``; empty while there are none.

    The first number counts the whole run; the total adds the rest of the current files.
    """
    if not state.downloads:
        return ""
    current = state.downloads.values()
    received = state.traffic.bytes + sum(download.bytes for download in current)
    totals = [download.total for download in current]
    known = [total for total in totals if total is not None]
    if len(known) == len(totals):
        amount = format_size_of(received, max(received, state.traffic.bytes + sum(known)))
    else:
        amount = format_size(received)
    return f"{amount}  {format_size(state.traffic.rate(now), fine=True)}/s"


def _machine(state: pool.RunState) -> int:
    """Return the machine's memory in bytes; 0 while it is unknown."""
    if state.machine is not None:
        return state.machine.total
    return state.header.host.memory if state.header is not None else 0


def _limits_of(state: pool.RunState) -> Sequence[LimitName]:
    return [name for name in SLOT_LIMITS if name in state.limits]


def count_use(name: LimitName, state: pool.RunState) -> int:
    """Return how many places of a limit are in use."""
    match name:
        case LimitName.BUILDS:
            return len(state.slots)
        case LimitName.DOWNLOADS:
            return len(state.downloads)
        case LimitName.JOBS:
            return sum(1 + build.tokens for build in _with_processes(state))
        case _:
            return len(state.installs)


def _with_processes(state: pool.RunState) -> Iterator[pool.BuildState]:
    """Yield the builds that have processes."""
    for build in state.slots.values():
        if state.builds[build].processes:
            yield state.builds[build]


def _limit_text(word: str, name: LimitName, state: pool.RunState) -> str:
    running, cap = count_use(name, state), state.limits[name].cap
    why = "" if state.limits[name].lowered_from is None else " memory"
    if cap == 0:
        return f"{word}paused ({running} finishing)" if running else f"{word}paused"
    return f"{word}{running} -> {cap}{why}" if running > cap else f"{word}{running}/{cap}{why}"


def _padded(word: str, name: LimitName, state: pool.RunState) -> str:
    digits = len(str(state.limits[name].cap))
    return _limit_text(word, name, state).ljust(len(word) + 1 + 2 * digits)
