"""The caps of a run in words: how much goes on under each, and what downloads bring.

Pure, as `app.text.rows` is. Deliberately without a word on what a cap does: the engine decides that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.format import format_size, format_size_of
from pool import LimitName

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pool

__all__ = [
    "SLOT_LIMITS",
    "budget_step",
    "count_excess",
    "fit_limits",
    "format_limits",
    "format_traffic",
    "memory_budget",
    "next_limit",
    "step_budget",
]

SLOT_LIMITS = (LimitName.BUILDS, LimitName.DOWNLOADS, LimitName.INSTALLS, LimitName.JOBS)
"""In the order of the header, which has memory after them."""
_STEPS = 16
"""So many steps of the memory budget make up the machine's memory, more or less."""
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
"""For a screen, a narrow one, and one of a few cells."""


def format_limits(state: pool.RunState) -> dict[LimitName, str]:
    """Say each cap with what runs under it: ``builds 3/4``, ``builds 4 -> 2``."""
    return {name: _said(f"{name.value} ", name, state) for name in _known(state)}


def fit_limits(state: pool.RunState, width: int) -> dict[LimitName, str]:
    """Say each cap so that all of them, with a cell to each side, are no wider than ``width``.

    Each is padded to what it needs while all of its cap is in use, so that its neighbours stay
    where they are.
    """
    said: dict[LimitName, str] = {}
    for words in _NAMES:
        said = {name: _padded(words[name], name, state) for name in _known(state)}
        if sum(len(text) + 2 for text in said.values()) <= width:
            break
    return said


def memory_budget(state: pool.RunState) -> tuple[int, int, int] | None:
    """Return what builds use, have set aside, and may have, in bytes; None without a budget.

    Who uses more than was set aside has that much set aside.
    """
    limit = state.limits.get(LimitName.MEMORY)
    if limit is None or not limit.cap:
        return None
    builds = [state.builds[build] for build in state.slots.values()]
    reserved = sum(max(build.reserved, build.rss) for build in builds)
    return sum(build.rss for build in builds), reserved, limit.cap


def next_limit(state: pool.RunState, after: LimitName) -> LimitName:
    """Return the cap that follows one, around in a circle; the last one is memory."""
    known = [*_known(state), LimitName.MEMORY]
    at = known.index(after) if after in known else -1
    return known[(at + 1) % len(known)]


def budget_step(state: pool.RunState) -> int:
    """Return by how many bytes a key changes the memory budget: a power of two."""
    whole = _machine(state)
    return max(_LEAST_STEP, 1 << (whole // _STEPS).bit_length() - 1) if whole else _LEAST_STEP


def step_budget(state: pool.RunState, steps: int) -> int | None:
    """Return the budget after some steps, in whole steps; None where it is not to change.

    Where there is none, the first step down is to all of the machine's memory. It is never less
    than a step, for that would end it.
    """
    limit, step, whole = state.limits.get(LimitName.MEMORY), budget_step(state), _machine(state)
    if limit is None or not limit.cap:
        return whole if steps < 0 and whole else None
    # What was set to an odd figure comes to an even one, and to the next in that direction.
    at = limit.cap // step if steps > 0 else -(-limit.cap // step)
    wanted = max(step, (at + steps) * step)
    if whole and wanted > max(whole, limit.cap):
        wanted = max(whole, limit.cap)
    return None if wanted == limit.cap else wanted


def count_excess(state: pool.RunState, name: LimitName) -> int:
    """Return how many have to end before no more run than a cap allows."""
    limit = state.limits.get(name)
    return 0 if limit is None else max(0, _running(state, name) - limit.cap)


def format_traffic(state: pool.RunState, now: float) -> str:
    """Say what downloads bring: ``12 of 40 MiB  4.1 MiB/s``; empty while there are none.

    What has come is that of the whole run; what is to come, that of the files on their way.
    """
    if not state.downloads:
        return ""
    going = state.downloads.values()
    come = state.traffic.bytes + sum(download.bytes for download in going)
    totals = [download.total for download in going]
    known = [total for total in totals if total is not None]
    if len(known) == len(totals):
        amount = format_size_of(come, max(come, state.traffic.bytes + sum(known)))
    else:
        amount = format_size(come)
    return f"{amount}  {format_size(state.traffic.rate(now), fine=True)}/s"


def _machine(state: pool.RunState) -> int:
    """Return the machine's bytes; 0 while they are unknown."""
    if state.machine is not None:
        return state.machine.total
    return state.header.host.memory if state.header is not None else 0


def _known(state: pool.RunState) -> Sequence[LimitName]:
    return [name for name in SLOT_LIMITS if name in state.limits]


def _running(state: pool.RunState, name: LimitName) -> int:
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
    """Yield the builds whose processes run."""
    for build in state.slots.values():
        if state.builds[build].processes:
            yield state.builds[build]


def _said(word: str, name: LimitName, state: pool.RunState) -> str:
    running, cap = _running(state, name), state.limits[name].cap
    why = "" if state.limits[name].lowered_from is None else " memory"
    if cap == 0:
        return f"{word}paused ({running} finishing)" if running else f"{word}paused"
    return f"{word}{running} -> {cap}{why}" if running > cap else f"{word}{running}/{cap}{why}"


def _padded(word: str, name: LimitName, state: pool.RunState) -> str:
    digits = len(str(state.limits[name].cap))
    return _said(word, name, state).ljust(len(word) + 1 + 2 * digits)
