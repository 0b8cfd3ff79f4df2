"""The usable processors, with CPU quotas of cgroups in files of both versions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pool.system.processors import Processors, count_processors

TOP = "sys/fs/cgroup"
UNIFIED = {"proc/self/cgroup": "0::/a/b\n", f"{TOP}/a/b/cpu.max": "max 100000\n"}
SPLIT = {"proc/self/cgroup": "4:memory:/m\n3:cpu,cpuacct:/a/b\n0::/\n"}


def write_tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        (UNIFIED, None),
        ({**UNIFIED, f"{TOP}/a/b/cpu.max": "200000 100000\n"}, 2.0),
        ({**UNIFIED, f"{TOP}/a/cpu.max": "150000 100000\n"}, 1.5),
        ({**UNIFIED, f"{TOP}/a/cpu.max": "3 1\n", f"{TOP}/a/b/cpu.max": "9 1\n"}, 3.0),
        ({"proc/self/cgroup": "0::/\n", f"{TOP}/cpu.max": "50000 100000\n"}, 0.5),
        ({"proc/self/cgroup": "0::/../../host\n", f"{TOP}/cpu.max": "7 2\n"}, 3.5),
        ({**UNIFIED, f"{TOP}/a/b/cpu.max": "rubbish\n"}, None),
        ({**UNIFIED, f"{TOP}/a/b/cpu.max": "1 0\n"}, None),
        (
            {
                **SPLIT,
                f"{TOP}/cpu,cpuacct/a/b/cpu.cfs_quota_us": "-1\n",
                f"{TOP}/cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n",
                f"{TOP}/cpu,cpuacct/a/cpu.cfs_quota_us": "400000\n",
                f"{TOP}/cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
            },
            4.0,
        ),
        (
            {
                **SPLIT,
                f"{TOP}/cpu/cpu.cfs_quota_us": "250000\n",
                f"{TOP}/cpu/cpu.cfs_period_us": "100000\n",
            },
            2.5,
        ),
    ],
)
def test_lowest_quota_of_the_cgroup_and_its_parents_is_read(
    tmp_path: Path, files: dict[str, str], quota: float | None
) -> None:
    assert count_processors(write_tree(tmp_path, files)).quota == quota


@pytest.mark.parametrize(
    ("quota", "usable", "reason"),
    [
        (None, 8, "the CPU affinity allows 8"),
        (64.0, 8, "the CPU affinity allows 8"),
        (2.0, 2, "the CPU quota of the cgroup is 2"),
        (1.5, 2, "the CPU quota of the cgroup is 1.5"),
        (0.1, 1, "the CPU quota of the cgroup is 0.1"),
    ],
)
def test_affinity_and_quota_bound_the_number(quota: float | None, usable: int, reason: str) -> None:
    found = Processors(machine=64, affinity=8, quota=quota)
    assert (found.usable, found.reason) == (usable, reason)


def test_all_processors_need_no_reason(tmp_path: Path) -> None:
    found = count_processors(tmp_path)
    assert found.usable == len(os.sched_getaffinity(0))
    assert Processors(machine=4, affinity=4, quota=None).reason == ""
