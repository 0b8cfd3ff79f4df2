"""Which file of a project to take: pure choosing among what an index lists."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from pool.errors import RequirementError
from pool.sources.page import IndexFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.requirements import Requirement
    from packaging.tags import Tag

__all__ = ["IndexFile", "TargetPython", "best_sdist", "by_version", "usable"]

_NAMED = 5
"""So many versions are named in a message."""


class TargetPython(Protocol):
    """What choosing needs to know of the interpreter."""

    @property
    def python_version(self) -> str:
        """All of it: ``3.11.7``."""
        ...

    @property
    def environment(self) -> dict[str, str]:
        """The values of environment markers."""
        ...

    @property
    def tags(self) -> Sequence[Tag]:
        """The wheels it takes, best first."""
        ...


def best_sdist(
    requirement: Requirement, files: Iterable[IndexFile], python_version: str, where: str
) -> IndexFile:
    """Return the sdist of the newest version that a requirement allows.

    Raises:
        RequirementError: there is none; the message says what there is instead.
    """
    files = tuple(files)
    if not files:
        raise RequirementError(
            f"{requirement}: no project of that name was found", hint=f"looked at {where}"
        )
    fitting = by_version(requirement.specifier, files)
    if not fitting:
        raise RequirementError(f"{requirement}: no such version; there are {_named(files)}")
    for version, its_files in fitting.items():
        sdists = [file for file in its_files if file.kind == "sdist"]
        if good := [file for file in sdists if runs_on(file, python_version)]:
            return min(good, key=lambda file: not file.filename.endswith(".tar.gz"))
        if sdists:
            needs = sdists[0].requires_python
            raise RequirementError(
                f"{requirement}: version {version} needs Python {needs}, this is {python_version}"
            )
    raise RequirementError(
        f"{requirement}: has no sdist, only wheels", hint="there is nothing to build; install it"
    )


def by_version(
    specifier: SpecifierSet, files: Iterable[IndexFile]
) -> dict[Version, list[IndexFile]]:
    """Group the files that a specifier allows by version, the newest first.

    Pre-releases count where nothing else fits or the specifier names one (PEP 440); yanked files
    only where the version is pinned (PEP 592).
    """
    pinned = any(one.operator in ("==", "===") and "*" not in one.version for one in specifier)
    groups: dict[Version, list[IndexFile]] = {}
    for file in files:
        if pinned or not file.yanked:
            groups.setdefault(_version(file.version), []).append(file)
    return {version: groups[version] for version in sorted(specifier.filter(groups), reverse=True)}


def usable(
    files: Iterable[IndexFile], target: TargetPython, ranks: dict[Tag, int]
) -> IndexFile | None:
    """Return the best file of one version for an interpreter: a wheel that fits, or the sdist."""
    running = [file for file in files if runs_on(file, target.python_version)]
    ranked = [(rank, file) for file in running if (rank := _rank(file, ranks)) is not None]
    if ranked:
        return min(ranked, key=lambda pair: pair[0])[1]
    return next((file for file in running if file.kind == "sdist"), None)


def _rank(file: IndexFile, ranks: dict[Tag, int]) -> int | None:
    if file.kind != "wheel":
        return None
    tags = parse_wheel_filename(file.filename)[3]
    return min((ranks[tag] for tag in tags if tag in ranks), default=None)


def runs_on(file: IndexFile, python_version: str) -> bool:
    """Tell whether a file's Requires-Python allows an interpreter; nonsense allows all."""
    return file.requires_python is None or _allows(file.requires_python, python_version)


@lru_cache(maxsize=4096)
def _allows(requires_python: str, python_version: str) -> bool:
    # The thousands of files of a project have a dozen different values.
    try:
        return SpecifierSet(requires_python).contains(python_version, prereleases=True)
    except InvalidSpecifier:
        return True


_version = lru_cache(maxsize=65536)(Version)


def _named(files: Iterable[IndexFile]) -> str:
    versions = sorted({Version(file.version) for file in files}, reverse=True)
    shown = ", ".join(str(version) for version in versions[:_NAMED])
    return shown + (f" and {len(versions) - _NAMED} older ones" if len(versions) > _NAMED else "")
