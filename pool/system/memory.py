"""The memory that builds may use: the user's budget as text, and the machine's memory now.

It only reads files, and makes no cgroup. Available is the least of the machine's available memory
and the free part of each cgroup that this process is in. `MemoryBudget` combines both into the
budget of a run.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pool.common.errors import SettingsError
from pool.common.lazy_pattern import LazyPattern
from pool.common.record import Record
from pool.common.units import parse_size
from pool.system.cgroup import own_cgroup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pool.system.cgroup import LimitedLevel

__all__ = ["AvailableMemory", "machine_memory", "parse_budget", "read_available", "read_pressure"]

_PERCENT = LazyPattern(r"(\d{1,3}(?:\.\d+)?)\s*%")
_SCARCE = 0.05
"""The free share below which memory is scarce; earlyoom sends SIGTERM at 10 %, SIGKILL at 5 %."""
_ROOT = Path("/")


def parse_budget(text: str, root: Path = _ROOT) -> int | None:
    """Return the bytes of a budget given as ``auto``, ``off``, a size or a percentage.

    Args:
        text: ``8G``, ``1200M`` and ``512MiB`` are powers of 1024. A percentage is of the machine's
            memory, or of the lowest limit of the cgroups if that is less. ``auto`` is all of it:
            a run never uses more than is available anyway.
        root: the folder that has ``proc`` and ``sys``.

    Returns:
        None for no budget.

    Raises:
        SettingsError: the text is none of these.
    """
    match text.strip().lower():
        case "off":
            return None
        case "auto":
            return _total(root)
    if match := _PERCENT.fullmatch(text.strip()):
        percent = float(match[1])
        if 0 < percent <= 100:
            return int(_total(root) * percent / 100)
    elif size := parse_size(text):
        return size
    raise SettingsError(
        f"{text!r} is not an amount of memory", hint="use for example 8G, 1200M, 50%, auto or off"
    )


class AvailableMemory(Record, frozen=True, kw_only=True):
    """The memory that builds can use at one moment."""

    free: int
    """Bytes."""
    scarce: bool = False
    """Whether so little is free that the OOM killer may act soon."""
    stall: float = 0.0
    """Percent of the last ten seconds in which some process waited for memory."""


def read_available(root: Path = _ROOT) -> AvailableMemory:
    """Read the memory of the machine and of the cgroups from a few small files.

    Raises:
        OSError: the files cannot be read now, for example with too many open files.
    """
    machine = _meminfo(root)
    available, total = machine["MemAvailable"], machine["MemTotal"]
    # With swap the machine becomes slow first, which shows as pressure.
    scarce = available + machine.get("SwapFree", 0) < _SCARCE * total
    free = [available]
    for level in _levels(root):
        free.append(max(0, level.limit - level.used))
        scarce = scarce or free[-1] < _SCARCE * level.limit
    return AvailableMemory(free=min(free), scarce=scarce, stall=read_pressure(root) or 0.0)


def machine_memory() -> int:
    """Return the bytes of memory that the machine has."""
    return _meminfo(_ROOT)["MemTotal"]


def _total(root: Path) -> int:
    return min([_meminfo(root)["MemTotal"], *(level.limit for level in _levels(root))])


def _levels(root: Path) -> Iterable[LimitedLevel]:
    cgroup = own_cgroup(root)
    return cgroup.levels() if cgroup else ()


def _meminfo(root: Path) -> dict[str, int]:
    """Return the machine's numbers in bytes, at least ``MemTotal`` and ``MemAvailable``."""
    with suppress(OSError):
        lines = (line.split() for line in (root / "proc/meminfo").read_text().splitlines())
        numbers = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) > 1}
        if {"MemTotal", "MemAvailable"} <= numbers.keys():
            return numbers
    import psutil

    memory = psutil.virtual_memory()  # Other systems, and Linux before 3.14.
    return {"MemTotal": int(memory.total), "MemAvailable": int(memory.available)}


def read_pressure(root: Path = _ROOT) -> float | None:
    """Return the percentage of the last ten seconds in which some process waited for memory.

    None if the kernel has no pressure stall information (``some avg10``,
    Documentation/accounting/psi).
    """
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/pressure/memory").read_text().splitlines():
            if line.startswith("some "):
                return float(line.split()[1].partition("=")[2])
    return None
