"""The cgroups of this process, version 2 or 1: memory limit, memory use, OOM kills, folders.

It reads a few small files at each call and writes none. Without such a cgroup, or if it cannot be
read (macOS, odd containers), the values are None and there is no error. The limits of parents count
as well, against the use of all their descendants; cgroups above the root of the namespace cannot be
seen.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pool.common.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Cgroup", "KillCount", "LimitedLevel", "controller_folders", "count_kills", "own_cgroup"]

_NO_LIMIT = 1 << 60
"""Version 1 writes "no limit" as the largest number of whole pages."""
_RECLAIMABLE = {
    1: ("total_inactive_file", "total_active_file"),
    2: ("inactive_file", "active_file", "slab_reclaimable"),
}
"""Memory that the kernel reclaims before it kills a process, by its names in memory.stat."""


class LimitedLevel(Record, frozen=True, kw_only=True):
    """A cgroup or a parent of it that has a limit; bytes."""

    limit: int
    used: int
    """Without the reclaimable memory, such as cached files."""


class Cgroup(Record, frozen=True, kw_only=True):
    """A memory cgroup: a folder of files."""

    version: Literal[1, 2]
    path: Path
    top: Path
    """The mount point of the hierarchy: the highest parent that can be seen."""

    def limit(self) -> int | None:
        """Return the lowest limit of the cgroup and its parents, in bytes; None for no limit."""
        return min((level.limit for level in self.levels()), default=None)

    def levels(self) -> Iterator[LimitedLevel]:
        """Yield the cgroup and its parents if they have a limit."""
        name = "memory.max" if self.version == 2 else "memory.limit_in_bytes"
        for folder in self.ancestry():
            limit = _read_number(folder / name)
            if limit is not None and limit < _NO_LIMIT:
                used = (self._used(folder) or 0) - self._reclaimable(folder)
                yield LimitedLevel(limit=limit, used=max(0, used))

    def used(self) -> int | None:
        """Return the bytes that count against the limit, cached files included."""
        return self._used(self.path)

    def _used(self, folder: Path) -> int | None:
        name = "memory.current" if self.version == 2 else "memory.usage_in_bytes"
        return _read_number(folder / name)

    def _reclaimable(self, folder: Path) -> int:
        names = _RECLAIMABLE[self.version]
        return sum(_read_field(folder / "memory.stat", name) or 0 for name in names)

    def kills(self) -> int | None:
        """Return how many of its processes the OOM killer has killed so far."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return _read_field(self.path / name, "oom_kill")

    def ancestry(self) -> Iterator[Path]:
        """Yield the folder and its parents up to the top."""
        yield self.path
        for folder in self.path.parents:
            if not folder.is_relative_to(self.top):
                return
            yield folder


def own_cgroup(root: Path = Path("/")) -> Cgroup | None:
    """Return the memory cgroup of this process, or None; ``root`` has proc and sys."""
    paths = _read_paths(root)
    mounts = root / "sys/fs/cgroup"
    if "memory" in paths:
        return _find_cgroup(1, mounts / "memory", paths["memory"], "memory.limit_in_bytes")
    if "unified" in paths:
        return _find_cgroup(2, mounts, paths["unified"], "memory.current")
    return None


def controller_folders(
    controller: str, root: Path = Path("/")
) -> Iterator[tuple[Literal[1, 2], Path]]:
    """Yield the version and the folder of this process's cgroup and of each parent to be seen.

    Args:
        controller: a controller that both versions have, such as ``cpu``.
        root: has proc and sys.
    """
    paths = _read_paths(root)
    version: Literal[1, 2] = 1 if controller in paths else 2
    path = paths.get(controller if version == 1 else "unified")
    if path is None:
        return
    mounts = root / "sys/fs/cgroup"
    # Version 1 can have several controllers in one hierarchy: cpu and cpuacct, in either order.
    names = [controller, f"{controller},{controller}acct", f"{controller}acct,{controller}"]
    tops = [mounts / name for name in names] if version == 1 else [mounts, mounts / "unified"]
    for top in tops:
        for folder in (top / path, top):
            # In a container the path may be the host's, and the top is the own cgroup.
            if folder.is_dir():
                cgroup = Cgroup(version=version, path=folder, top=top)
                yield from ((version, each) for each in cgroup.ancestry())
                break


def _read_paths(root: Path) -> dict[str, str]:
    """Return the paths in /proc/self/cgroup by controller; version 2 is ``unified``."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return {}
    paths: dict[str, str] = {}
    for line in lines:
        number, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller if number != "0" else "unified"] = path.lstrip("/")
    return paths


def _find_cgroup(version: Literal[1, 2], top: Path, path: str, file: str) -> Cgroup | None:
    """Find the folder; in a container the path may be the host's, and the folder the top."""
    for folder in (top / path, top):
        with suppress(OSError):
            if (folder / file).exists():
                return Cgroup(version=version, path=folder, top=top)
    return None


class KillCount(Record, frozen=True, kw_only=True):
    """The number of processes that the OOM killer has killed; None if the kernel does not tell."""

    machine: int | None
    cgroup: int | None

    def since(self, before: KillCount) -> tuple[int, int]:
        """Return the increase of the machine's and of the cgroup's number."""
        return _increase(before.machine, self.machine), _increase(before.cgroup, self.cgroup)


def count_kills(root: Path = Path("/")) -> KillCount:
    """Read the counters (proc_vmstat(5), ``oom_kill``; the cgroup's own)."""
    cgroup = own_cgroup(root)
    return KillCount(
        machine=_read_field(root / "proc/vmstat", "oom_kill"),
        cgroup=cgroup.kills() if cgroup else None,
    )


def _increase(before: int | None, after: int | None) -> int:
    return max(0, after - before) if before is not None and after is not None else 0


def _read_number(file: Path) -> int | None:
    """Return the number in a file; None for ``max`` and for a file that cannot be read."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _read_field(file: Path, name: str) -> int | None:
    """Return the number after a name in a file of such lines."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), None)
