"""How much memory builds may have together: what was said, or what the machine offers now.

Pure readings of files; nothing is changed, and no cgroup is made. ``auto`` is the smallest of what
the machine has available and of what each cgroup around us leaves (v2 ``memory.max``, v1
``memory.limit_in_bytes``, less what is used that the kernel cannot take back), less a margin.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pool.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["budget_of", "margin", "offered", "size_of"]

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"(\d{1,15}(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*%")
_MOST_MARGIN = 2 << 30
_LEAST = 64 << 20
_ROOT = Path("/")


def budget_of(text: str, root: Path = _ROOT) -> int | None:
    """Return the bytes that ``auto``, ``off``, a size or a percentage stands for.

    Args:
        text: as typed: ``8G``, ``1200M`` and ``512MiB`` are powers of 1024; a percentage is of the
            machine's memory, or of what our cgroup may have, where that is less.
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
            free = offered(root)
            return max(_LEAST, free - margin(free))
    if share := _PERCENT.fullmatch(text.strip()):
        part = float(share[1])
        if 0 < part <= 100:
            return int(_whole(root) * part / 100)
    elif size := size_of(text):
        return size
    raise SettingsError(
        f"{text!r} is no amount of memory", hint="such as 8G, 1200M, 50%, auto or off"
    )


def size_of(text: str) -> int | None:
    """Return the bytes of a size as people type it; None for what is none."""
    if not (match := _SIZE.fullmatch(text.strip())):
        return None
    return int(float(match[1]) * _UNITS[match[2].upper()])


def margin(free: int) -> int:
    """Return what of the free memory is left alone: a tenth, at most 2 GiB.

    Builds read and write files through the page cache, other programs grow, we take some
    ourselves, and what a tree has is seen once a second only.
    """
    return min(free // 10, _MOST_MARGIN)


def offered(root: Path = _ROOT) -> int:
    """Return the bytes that could be used now."""
    left = (max(0, limit - used) for limit, used in _cgroups(root))
    return min([_machine(root, "MemAvailable"), *left])


def _whole(root: Path) -> int:
    return min([_machine(root, "MemTotal"), *(limit for limit, _ in _cgroups(root))])


def _machine(root: Path, key: str) -> int:
    with suppress(OSError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
    memory = psutil.virtual_memory()
    return int(memory.total if key == "MemTotal" else memory.available)


def _cgroups(root: Path) -> Iterator[tuple[int, int]]:
    """Yield limit and use of each cgroup around us that has a limit, ours first."""
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            if number == "0":
                for mount in ("sys/fs/cgroup", "sys/fs/cgroup/unified"):
                    yield from _upward(root / mount, path, "memory.max", "memory.current")
            elif "memory" in controllers.split(","):
                names = "memory.limit_in_bytes", "memory.usage_in_bytes"
                yield from _upward(root / "sys/fs/cgroup/memory", path, *names)


def _upward(mount: Path, path: str, limit: str, used: str) -> Iterator[tuple[int, int]]:
    """Yield limit and use from a cgroup up to the mount.

    In a container the path may be one of the host's, which is not there: the mount is ours then.
    """
    place = mount / path.lstrip("/")
    for folder in (place, *place.parents):
        with suppress(OSError, ValueError):
            # "max", and v1's number that is more than any machine has, are no limits.
            most = int((folder / limit).read_text())
            if most < 1 << 60:
                yield most, int((folder / used).read_text()) - _reclaimable(folder)
        if folder == mount:
            return


def _reclaimable(folder: Path) -> int:
    """Return what of a cgroup's use is files that the kernel drops before anything else."""
    with suppress(OSError):
        for line in (folder / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                return int(value)
    return 0
