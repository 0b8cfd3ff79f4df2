"""The memory budget as text, and the available memory of a machine made of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pool.common.errors import SettingsError
from pool.scheduling.memory_budget import MemoryBudget
from pool.system.memory import AvailableMemory, parse_budget, read_available

GIB = 1 << 30


class Machine:
    """A folder with the files of the kernel."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.file("proc/meminfo", f"MemTotal: {16 << 20} kB\nMemAvailable: {12 << 20} kB\n")

    def file(self, path: str, text: str | int) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(f"{text}\n")

    def v2(self, path: str, most: str | int, used: int, files: int = 0) -> None:
        folder = f"sys/fs/cgroup/{path}"
        self.file(f"{folder}/memory.max", most)
        self.file(f"{folder}/memory.current", used)
        self.file(f"{folder}/memory.stat", f"anon 1\ninactive_file {files}")

    def v1(self, path: str, most: int, used: int, files: int = 0) -> None:
        folder = f"sys/fs/cgroup/memory/{path}"
        self.file(f"{folder}/memory.limit_in_bytes", most)
        self.file(f"{folder}/memory.usage_in_bytes", used)
        self.file(f"{folder}/memory.stat", f"cache 1\ntotal_inactive_file {files}")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("text", "size"),
    [("8G", 8 * GIB), ("1200M", 1200 << 20), ("512MiB", 512 << 20), ("1.5 gib", 3 * GIB // 2),
     ("1000000", 1_000_000), ("50%", 8 * GIB), ("12.5 %", 2 * GIB), ("off", None), (" OFF ", None)],
)  # fmt: skip
def test_parse_budget_accepts_sizes_and_percentages(
    machine: Machine, text: str, size: int | None
) -> None:
    assert parse_budget(text, machine.root) == size


@pytest.mark.parametrize("text", ["", "0", "much", "-1G", "0%", "101%", "8X", "1e9", "G"])
def test_parse_budget_rejects_other_text_with_a_hint(machine: Machine, text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_budget(text, machine.root)
    assert repr(text) in str(refused.value)
    assert "auto" in refused.value.hint


def test_without_cgroups_the_available_memory_of_the_machine_counts(machine: Machine) -> None:
    assert read_available(machine.root) == AvailableMemory(free=12 * GIB)
    assert parse_budget("auto", machine.root) == 16 * GIB


@pytest.mark.parametrize(("swap", "scarce"), [(0, True), (4 << 20, False)])
def test_memory_is_scarce_if_little_is_free(machine: Machine, swap: int, scarce: bool) -> None:
    meminfo = f"MemTotal: {16 << 20} kB\nMemAvailable: {GIB >> 11} kB\nSwapFree: {swap} kB\n"
    machine.file("proc/meminfo", meminfo)
    assert read_available(machine.root) == AvailableMemory(free=GIB // 2, scarce=scarce)


def test_the_lowest_limit_of_all_cgroups_counts(machine: Machine) -> None:
    machine.file("proc/self/cgroup", "0::/user/build")
    machine.v2("user/build", "max", 1 * GIB)
    machine.v2("user", 4 * GIB, 2 * GIB, files=GIB)
    machine.v2("", 8 * GIB, 2 * GIB)
    assert read_available(machine.root).free == 3 * GIB
    assert parse_budget("50%", machine.root) == 2 * GIB
    assert parse_budget("auto", machine.root) == 4 * GIB


def test_a_cgroup_of_version_1_counts_unless_it_has_no_limit(machine: Machine) -> None:
    machine.file("proc/self/cgroup", "4:cpu,memory:/box\n2:cpu:/other\n0::/")
    machine.v1("box", 2 * GIB, GIB)
    machine.v1("", 9223372036854771712, 5 * GIB)
    assert read_available(machine.root) == AvailableMemory(free=1 * GIB)


def test_in_a_container_a_path_of_the_host_means_the_mount_point(machine: Machine) -> None:
    machine.file("proc/self/cgroup", "0::/host/docker/abc")
    machine.v2("", 3 * GIB, GIB)
    assert read_available(machine.root).free == 2 * GIB


def test_a_full_cgroup_leaves_a_minimal_budget(machine: Machine) -> None:
    machine.file("proc/self/cgroup", "0::/")
    machine.v2("", 1 * GIB, 2 * GIB)
    assert read_available(machine.root) == AvailableMemory(free=0, scarce=True)
    assert MemoryBudget(GIB, free=0).current == 64 << 20


def test_reclaimable_memory_counts_as_free(machine: Machine) -> None:
    machine.file("proc/self/cgroup", "0::/")
    machine.v2("", GIB, GIB)
    stat = f"inactive_file {GIB // 4}\nactive_file {GIB // 4}\nslab_reclaimable {GIB // 8}"
    machine.file("sys/fs/cgroup/memory.stat", stat)
    assert read_available(machine.root) == AvailableMemory(free=5 * GIB // 8)


def test_pressure_is_read_if_the_kernel_has_it(machine: Machine) -> None:
    assert read_available(machine.root).stall == 0.0
    machine.file("proc/pressure/memory", "some avg10=12.50 avg60=1.00 avg300=0.00 total=9")
    assert read_available(machine.root).stall == 12.5


def test_a_kernel_without_memavailable_uses_psutil(machine: Machine) -> None:
    machine.file("proc/meminfo", "MemTotal: 100 kB\nMemFree: 10 kB")
    assert read_available(machine.root).free > 1 << 20
