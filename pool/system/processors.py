"""The number of processors that builds may use, and why it is that number.

The affinity of the process counts (taskset, cpusets), and the CPU quota of its cgroup and of all
parents that can be seen: a container with ``--cpus=2`` has all processors of its machine, but the
time of two. A fraction is rounded up, as the Go and Java runtimes do. It reads a few small files.
"""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from pool.common.record import Record
from pool.system.cgroup import controller_folders

__all__ = ["Processors", "count_processors"]


class Processors(Record, frozen=True, kw_only=True):
    """The processors of the machine, and what of them this process may use."""

    machine: int
    affinity: int
    """The processors that the scheduler may run this process on."""
    quota: float | None
    """The lowest CPU quota of the cgroup and its parents, in processors; None for none."""

    @property
    def usable(self) -> int:
        """The number of processors that can work for this process at once, at least 1."""
        if self.quota is None:
            return self.affinity
        return max(1, min(self.affinity, math.ceil(self.quota)))

    @property
    def reason(self) -> str:
        """Why fewer than all processors are usable; empty if all are."""
        if self.quota is not None and self.usable < self.affinity:
            return f"the CPU quota of the cgroup is {self.quota:g}"
        if self.affinity < self.machine:
            return f"the CPU affinity allows {self.affinity}"
        return ""


def count_processors(root: Path = Path("/")) -> Processors:
    """Return the processors; ``root`` has proc and sys."""
    machine = os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if sys.platform == "linux" else machine
    return Processors(machine=machine, affinity=affinity, quota=_read_quota(root))


def _read_quota(root: Path) -> float | None:
    quotas = []
    for version, folder in controller_folders("cpu", root):
        quota = _quota_of_version_2(folder) if version == 2 else _quota_of_version_1(folder)
        if quota is not None:
            quotas.append(quota)
    return min(quotas, default=None)


def _quota_of_version_2(folder: Path) -> float | None:
    """Read ``cpu.max``: the quota or ``max``, then the period."""
    words = _read_words(folder / "cpu.max")
    return _divide(words[0], words[1]) if len(words) == 2 else None


def _quota_of_version_1(folder: Path) -> float | None:
    """Read ``cpu.cfs_quota_us``, -1 for no quota, and the period."""
    quota = _read_words(folder / "cpu.cfs_quota_us")
    period = _read_words(folder / "cpu.cfs_period_us")
    return _divide(quota[0], period[0]) if quota and period else None


def _divide(quota: str, period: str) -> float | None:
    try:
        number, length = int(quota), int(period)
    except ValueError:
        return None  # "max"
    return number / length if number > 0 and length > 0 else None


def _read_words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except (OSError, UnicodeDecodeError):
        return []
