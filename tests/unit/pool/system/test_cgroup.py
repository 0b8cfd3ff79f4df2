"""The memory cgroup of this process, read from files of both versions."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pool.system.cgroup import KillCount, count_kills, own_cgroup


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


TWO = {
    "proc/self/cgroup": "0::/user.slice/shell\n",
    "sys/fs/cgroup/user.slice/memory.max": "1000000\n",
    "sys/fs/cgroup/user.slice/shell/memory.max": "max\n",
    "sys/fs/cgroup/user.slice/shell/memory.current": "4096\n",
    "sys/fs/cgroup/user.slice/shell/memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 1\n",
}
ONE = {
    "proc/self/cgroup": "4:memory:/a\n3:cpu,cpuacct:/x\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "2000000\n",
    "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "8192\n",
    "sys/fs/cgroup/memory/a/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n",
}


@pytest.mark.parametrize(
    ("files", "facts"), [(TWO, (2, 1_000_000, 4096, 2)), (ONE, (1, 2_000_000, 8192, 5))]
)
def test_limit_use_and_kills_are_read(
    tmp_path: Path, files: dict[str, str], facts: tuple[int, int, int, int]
) -> None:
    cgroup = own_cgroup(machine(tmp_path, files))
    assert cgroup is not None
    assert facts == (cgroup.version, cgroup.limit(), cgroup.used(), cgroup.kills())


def test_a_cgroup_without_a_limit_has_none(tmp_path: Path) -> None:
    top = "sys/fs/cgroup/memory/"
    root = machine(tmp_path, {**ONE, f"{top}a/memory.limit_in_bytes": "9223372036854771712\n"})
    cgroup = own_cgroup(root)
    assert cgroup is not None
    assert cgroup.limit() is None


def test_in_a_container_the_top_is_the_own_cgroup(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/../../on/the/host\n",
        "sys/fs/cgroup/memory.current": "1\n",
        "sys/fs/cgroup/memory.max": "77\n",
    }
    cgroup = own_cgroup(machine(tmp_path, files))
    assert cgroup is not None
    assert (cgroup.limit(), cgroup.kills()) == (77, None)


@pytest.mark.parametrize("files", [{}, {"proc/self/cgroup": "0::/\n"}])
def test_a_machine_without_a_cgroup_has_no_values(tmp_path: Path, files: dict[str, str]) -> None:
    root = machine(tmp_path, files)
    assert own_cgroup(root) is None
    assert count_kills(root) == KillCount(machine=None, cgroup=None)


def test_kills_are_the_increase_of_the_counters(tmp_path: Path) -> None:
    before = count_kills(machine(tmp_path, {**ONE, "proc/vmstat": "nr_x 1\noom_kill 7\n"}))
    machine(tmp_path, {"proc/vmstat": "oom_kill 9\n"})
    assert count_kills(tmp_path).since(before) == (2, 0)
    assert count_kills(tmp_path).since(KillCount(machine=None, cgroup=4)) == (0, 1)


def test_a_cgroup_that_cannot_be_examined_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = machine(tmp_path, TWO)

    def refuse(_: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    assert own_cgroup(root) is None
