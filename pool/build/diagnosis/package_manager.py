"""The package manager of this machine's distribution, and the command that installs with it.

It is found by the ID of os-release(5). Deliberately without running the manager: the command is
shown to the user, never executed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from pool.common.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MANAGERS", "ManagerName", "PackageManager", "detect_package_manager", "manager_of"]

ManagerName: TypeAlias = Literal["apt", "dnf", "apk", "pacman", "zypper", "brew"]
MANAGERS: tuple[ManagerName, ...] = ("apt", "dnf", "apk", "pacman", "zypper", "brew")

_COMMANDS: dict[ManagerName, str] = {
    "apt": "apt-get install",
    "dnf": "dnf install",
    "apk": "apk add",
    "pacman": "pacman -S",
    "zypper": "zypper install",
    "brew": "brew install",
}
_DISTRIBUTIONS: dict[str, ManagerName] = {
    "debian": "apt", "ubuntu": "apt", "linuxmint": "apt", "raspbian": "apt",
    "fedora": "dnf", "rhel": "dnf", "centos": "dnf", "rocky": "dnf", "almalinux": "dnf",
    "amzn": "dnf", "ol": "dnf", "alpine": "apk", "arch": "pacman", "manjaro": "pacman",
    "suse": "zypper", "opensuse": "zypper", "opensuse-leap": "zypper", "sles": "zypper",
    "opensuse-tumbleweed": "zypper",
}  # fmt: skip
_OS_RELEASE = (Path("/etc/os-release"), Path("/usr/lib/os-release"))


class PackageManager(Record, frozen=True, kw_only=True):
    """A package manager, and whether this user needs sudo for it."""

    name: ManagerName
    sudo: bool = False

    def install_command(self, packages: str) -> str:
        """Return the command line that installs packages, separated by spaces."""
        command = f"{_COMMANDS[self.name]} {packages}"
        return f"sudo {command}" if self.sudo else command


def manager_of(os_release: str) -> ManagerName | None:
    """Return the package manager for the text of an os-release file; None if it is unknown."""
    values = dict(_assignments(os_release))
    for name in (values.get("ID", ""), *values.get("ID_LIKE", "").split()):
        if manager := _DISTRIBUTIONS.get(name):
            return manager
    return None


def _assignments(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals:
            yield key.strip(), value.strip().strip("\"'").lower()


def detect_package_manager() -> PackageManager | None:
    """Return this machine's package manager; None if it is unknown. Blocks: it reads a file."""
    if sys.platform == "darwin":
        return PackageManager(name="brew")
    for path in _OS_RELEASE:
        try:
            name = manager_of(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        return PackageManager(name=name, sudo=os.geteuid() != 0) if name else None
    return None
