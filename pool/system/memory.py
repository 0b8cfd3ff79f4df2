"""How much memory builds may have together: what was said, and what the machine offers now.

Pure readings of files; nothing is changed, and no cgroup is made. What is offered is the least of
what the machine has available and of what each cgroup around us leaves. How the budget of a run
follows from both is `MemoryBudget`'s.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pool.common.errors import SettingsError
from pool.common.units import parse_size
from pool.system.cgroup import own_cgroup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pool.system.cgroup import Level

__all__ = ["AvailableMemory", "budget_of", "read_available", "read_pressure"]

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")
_SCARCE = 0.05
"""So small a part left is nearly nothing; earlyoom asks processes to end at 10 %, kills at 5 %."""
_ROOT = Path("/")


def budget_of(text: str, root: Path = _ROOT) -> int | None:
    """Return the bytes that ``auto``, ``off``, a size or a percentage stands for.

    Args:
        text: as typed: ``8G``, ``1200M`` and ``512MiB`` are powers of 1024; a percentage is of the
            machine's memory, or of what our cgroups may have, where that is less. ``auto`` is all
            of that: a run never takes more than is offered anyway.
        root: where ``proc`` and ``sys`` are.

    Returns:
        None where there is to be no budget.

    Raises:
        SettingsError: it is none of these.
    """
    match text.strip().lower():
        case "off":
            return None
        case "auto":
            return _whole(root)
    if share := _PERCENT.fullmatch(text.strip()):
        part = float(share[1])
        if 0 < part <= 100:
            return int(_whole(root) * part / 100)
    elif size := parse_size(text):
        return size
    raise SettingsError(
        f"{text!r} is no amount of memory", hint="such as 8G, 1200M, 50%, auto or off"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableMemory:
    """What memory there is for builds at one moment."""

    free: int
    """Bytes that could be used now."""
    scarce: bool = False
    """Whether so little is left that the kernel may soon kill."""
    stall: float = 0.0
    """Percent of the last ten seconds in which some process waited for memory."""


def read_available(root: Path = _ROOT) -> AvailableMemory:
    """Look at the machine and the cgroups around us: a few small files."""
    machine = _meminfo(root)
    available, total = machine["MemAvailable"], machine["MemTotal"]
    # With swap it gets slow first: the kernel tells of that as pressure.
    scarce = available + machine.get("SwapFree", 0) < _SCARCE * total
    left = [available]
    for level in _levels(root):
        left.append(max(0, level.limit - level.used))
        scarce = scarce or left[-1] < _SCARCE * level.limit
    return AvailableMemory(free=min(left), scarce=scarce, stall=read_pressure(root) or 0.0)


def _whole(root: Path) -> int:
    return min([_meminfo(root)["MemTotal"], *(level.limit for level in _levels(root))])


def _levels(root: Path) -> Iterable[Level]:
    cgroup = own_cgroup(root)
    return cgroup.levels() if cgroup else ()


def _meminfo(root: Path) -> dict[str, int]:
    """Return the machine's figures in bytes, at least ``MemTotal`` and ``MemAvailable``."""
    with suppress(OSError):
        lines = (line.split() for line in (root / "proc/meminfo").read_text().splitlines())
        return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) > 1}
    memory = psutil.virtual_memory()
    return {"MemTotal": int(memory.total), "MemAvailable": int(memory.available)}


def read_pressure(root: Path = _ROOT) -> float | None:
    """Return in how many percent of the last ten seconds some process waited for memory.

    None where the kernel does not tell (``some avg10``, Documentation/accounting/psi).
    """
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/pressure/memory").read_text().splitlines():
            if line.startswith("some "):
                return float(line.split()[1].partition("=")[2])
    return None
