"""Finds the package of the distribution that has a header, a library or a program.

Pure: the package manager is part of the context. Without one, the names of two families of
distributions are given.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pool.build.diagnosis.package_manager import MANAGERS
from pool.build.diagnosis.package_names import LIBRARIES, PROGRAMS

if TYPE_CHECKING:
    from pool.build.diagnosis.fix_context import FixContext

__all__ = ["fix_for_header", "fix_for_library", "fix_for_pkgconfig", "fix_for_program"]

_HEADERS, _LIBRARIES, _PKGCONFIG = 1, 2, 3
"""The columns of `LIBRARIES`."""


def fix_for_header(header: str, context: FixContext) -> str:
    """Return how to install a C header; empty if no package is known to have it."""
    if header in ("Python.h", "pyconfig.h"):
        return _install(_python_packages(context.python), header, context)
    return _install(_find_library(header, _HEADERS), header, context)


def fix_for_library(library: str, context: FixContext) -> str:
    """Return how to install a library that the linker looked for with ``-l``."""
    if library.startswith("python3"):
        return _install(_python_packages(context.python), f"lib{library}", context)
    return _install(_find_library(library, _LIBRARIES), f"lib{library}", context)


def fix_for_pkgconfig(name: str, context: FixContext) -> str:
    """Return how to install a dependency of pkg-config, meson or CMake."""
    if name in ("python3", "python3-embed", "python"):
        return _install(_python_packages(context.python), name, context)
    packages = _find_library(name, _PKGCONFIG) or _find_library(name.lower(), _PKGCONFIG)
    return _install(packages, name, context)


def fix_for_program(program: str, context: FixContext) -> str:
    """Return how to install a program; a folder before its name is ignored."""
    name = program.rpartition("/")[2]
    # Debian's Python calls compilers by names with the platform: x86_64-linux-gnu-gcc.
    for wanted in (name, name.rpartition("-linux-gnu-")[2]):
        for names, packages in PROGRAMS:
            if wanted in names.split():
                return _install(packages, name, context)
    return ""


def _python_packages(python: str) -> str:
    """Return the packages with the headers of an interpreter; only apt has one for each version."""
    version = python or "3"
    return f"python{version}-dev python3-devel python3-dev python python3-devel python"


def _find_library(name: str, column: int) -> str:
    for row in LIBRARIES:
        if any(fnmatchcase(name, pattern) for pattern in row[column].split()):
            return row[0]
    return ""


def _install(packages: str, label: str, context: FixContext) -> str:
    """Return the command for this machine, or the names of the packages if it is unknown.

    Args:
        packages: the names for each package manager; empty for none.
        label: what is missing.
        context: names the package manager.
    """
    if not packages:
        return ""
    names = dict(zip(MANAGERS, packages.split(), strict=True))
    if context.manager is None:
        return f"{label} is in {names['apt']} (Debian, Ubuntu), {names['dnf']} (Fedora)"
    name = names[context.manager.name]
    return "" if name == "-" else context.manager.install_command(name)
