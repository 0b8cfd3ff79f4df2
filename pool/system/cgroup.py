"""The memory cgroup that we are in, version 2 or 1: its limit, its use, and whom it had killed.

Reads a few small files each time it is asked; writes none. Where there is no such cgroup, or it
cannot be read (macOS, odd containers), it says so instead of failing. A parent's limit counts as
well, with what all below it use; what is above the root of our namespace nobody can see.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Cgroup", "KillCount", "Level", "count_kills", "own_cgroup"]

_NO_LIMIT = 1 << 60
"""Version 1 writes "no limit" as the largest number of whole pages."""
_DROPPED = {
    1: ("total_inactive_file", "total_active_file"),
    2: ("inactive_file", "active_file", "slab_reclaimable"),
}
"""What the kernel takes back before it kills anybody, by its names in memory.stat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A cgroup around us that has a limit; bytes."""

    limit: int
    used: int
    """Less the files and the like that are only kept while there is room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup:
    """A memory cgroup as a folder of files."""

    version: Literal[1, 2]
    path: Path
    top: Path
    """Where the hierarchy is mounted: the highest parent that can be seen."""

    def limit(self) -> int | None:
        """Return the bytes it and its parents allow, the least of them; None for no limit."""
        return min((level.limit for level in self.levels()), default=None)

    def levels(self) -> Iterator[Level]:
        """Yield it and its parents, as far as they have a limit."""
        name = "memory.max" if self.version == 2 else "memory.limit_in_bytes"
        for folder in self._upwards():
            limit = _number(folder / name)
            if limit is not None and limit < _NO_LIMIT:
                used = (self._used(folder) or 0) - self._dropped(folder)
                yield Level(limit=limit, used=max(0, used))

    def used(self) -> int | None:
        """Return the bytes that count against the limit, files that are kept in memory included."""
        return self._used(self.path)

    def _used(self, folder: Path) -> int | None:
        name = "memory.current" if self.version == 2 else "memory.usage_in_bytes"
        return _number(folder / name)

    def _dropped(self, folder: Path) -> int:
        names = _DROPPED[self.version]
        return sum(_field(folder / "memory.stat", name) or 0 for name in names)

    def kills(self) -> int | None:
        """Return how many of its processes the kernel has ever killed for want of memory."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return _field(self.path / name, "oom_kill")

    def _upwards(self) -> Iterator[Path]:
        yield self.path
        for folder in self.path.parents:
            if not folder.is_relative_to(self.top):
                return
            yield folder


def own_cgroup(root: Path = Path("/")) -> Cgroup | None:
    """Return the memory cgroup of this process, or None; ``root`` is where proc and sys are."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    found: dict[str, str] = {}
    for line in lines:
        number, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            found[controller if number != "0" else "unified"] = path.lstrip("/")
    mounts = root / "sys/fs/cgroup"
    if "memory" in found:
        return _placed(1, mounts / "memory", found["memory"], "memory.limit_in_bytes")
    if "unified" in found:
        return _placed(2, mounts, found["unified"], "memory.current")
    return None


def _placed(version: Literal[1, 2], top: Path, path: str, has: str) -> Cgroup | None:
    """Find the folder; in a container the path may be the host's, and the folder the top."""
    for folder in (top / path, top):
        if (folder / has).exists():
            return Cgroup(version=version, path=folder, top=top)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class KillCount:
    """How many processes the kernel has killed for want of memory; None where it does not tell."""

    machine: int | None
    cgroup: int | None

    def since(self, before: KillCount) -> tuple[int, int]:
        """Return by how much the machine's and the cgroup's number rose."""
        return _rise(before.machine, self.machine), _rise(before.cgroup, self.cgroup)


def count_kills(root: Path = Path("/")) -> KillCount:
    """Read the counters (proc_vmstat(5), ``oom_kill``; the cgroup's own)."""
    cgroup = own_cgroup(root)
    return KillCount(
        machine=_field(root / "proc/vmstat", "oom_kill"),
        cgroup=cgroup.kills() if cgroup else None,
    )


def _rise(before: int | None, after: int | None) -> int:
    return max(0, after - before) if before is not None and after is not None else 0


def _number(file: Path) -> int | None:
    """Return the number in a file; None for ``max`` and where there is none to read."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _field(file: Path, name: str) -> int | None:
    """Return the number beside a name in a file of such lines."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), None)
