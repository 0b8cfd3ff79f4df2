"""The package manager by the text of os-release, and the command that a user can paste."""

from __future__ import annotations

import pytest

from pool.build.diagnosis.fix_context import FixContext
from pool.build.diagnosis.package_manager import (
    MANAGERS,
    PackageManager,
    detect_package_manager,
    manager_of,
)
from pool.build.diagnosis.package_names import LIBRARIES, PROGRAMS
from pool.build.diagnosis.system_packages import fix_for_header, fix_for_program


@pytest.mark.parametrize(
    ("os_release", "name"),
    [
        ('PRETTY_NAME="Debian GNU/Linux 12"\nID=debian\n', "apt"),
        ("ID=pop\nID_LIKE='ubuntu debian'\n", "apt"),
        ("ID=fedora\n", "dnf"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "dnf"),
        ("ID=alpine\n", "apk"),
        ("ID=arch\n", "pacman"),
        ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', "zypper"),
        ("ID=nixos\n", None),
        ("", None),
    ],
)
def test_manager_is_found_by_the_id_of_the_distribution(os_release: str, name: str | None) -> None:
    assert manager_of(os_release) == name


@pytest.mark.parametrize(
    ("manager", "command"),
    [
        (PackageManager(name="apt"), "apt-get install libpq-dev"),
        (PackageManager(name="apt", sudo=True), "sudo apt-get install libpq-dev"),
        (PackageManager(name="dnf", sudo=True), "sudo dnf install libpq-devel"),
        (PackageManager(name="apk"), "apk add libpq-dev"),
        (PackageManager(name="pacman"), "pacman -S postgresql-libs"),
        (PackageManager(name="zypper"), "zypper install postgresql-devel"),
        (PackageManager(name="brew"), "brew install libpq"),
        (None, "libpq-fe.h is in libpq-dev (Debian, Ubuntu), libpq-devel (Fedora)"),
    ],
)
def test_fix_for_a_header_is_the_command_of_this_machine(
    manager: PackageManager | None, command: str
) -> None:
    assert fix_for_header("libpq-fe.h", FixContext(manager=manager)) == command


def test_headers_of_python_are_those_of_the_interpreter_that_builds() -> None:
    apt = FixContext(manager=PackageManager(name="apt"), python="3.12")
    assert fix_for_header("Python.h", apt) == "apt-get install python3.12-dev"
    assert fix_for_program("x86_64-linux-gnu-gcc", apt) == "apt-get install gcc"
    assert fix_for_program("/opt/bin/unknown", apt) == ""


def test_packages_are_listed_for_each_manager() -> None:
    assert {len(row[0].split()) for row in LIBRARIES} == {len(MANAGERS)}
    assert {len(packages.split()) for _, packages in PROGRAMS} == {len(MANAGERS)}


def test_package_manager_of_this_machine_is_detected_without_an_error() -> None:
    found = detect_package_manager()
    assert found is None or found.install_command("x").endswith(" x")
