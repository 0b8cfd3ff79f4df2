"""Which file of a project to take: pure choosing among what an index lists."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.tags import Tag
    from packaging.utils import BuildTag

    from pool.requirements.target_python import TargetPython

__all__ = [
    "IndexFile",
    "by_version",
    "runs_on",
    "usable",
    "version_of",
    "why_none",
]

_NAMED = 5
"""So many versions or files are named in a message."""
# One parse for each version that pages tell of, however often they are looked through.
version_of = lru_cache(maxsize=1 << 16)(Version)


def by_version(
    specifier: SpecifierSet, files: Iterable[IndexFile], *, pre: bool = False
) -> dict[Version, list[IndexFile]]:
    """Group the files that a specifier allows by version, the newest first.

    Pre-releases count where nothing else fits or the specifier names one (PEP 440), or always
    (``pre``); yanked files only where the version is pinned (PEP 592).
    """
    pinned = any(one.operator in ("==", "===") and "*" not in one.version for one in specifier)
    groups: dict[Version, list[IndexFile]] = {}
    for file in files:
        if pinned or not file.yanked:
            groups.setdefault(version_of(file.version), []).append(file)
    fitting = specifier.filter(groups, prereleases=pre or None)
    return {version: groups[version] for version in sorted(fitting, reverse=True)}


def usable(
    files: Iterable[IndexFile],
    target: TargetPython,
    ranks: dict[Tag, int],
    *,
    wheels: bool = True,
    sdists: bool = True,
) -> IndexFile | None:
    """Return the best file of one version for an interpreter: a wheel that fits, or the sdist."""
    running = [file for file in files if runs_on(file, target.python_version)]
    ranked = [(rank, file) for file in running if (rank := _rank(file, ranks)) is not None]
    if ranked and wheels:
        return min(ranked, key=lambda pair: pair[0])[1]
    archives = (file for file in running if file.kind == "sdist" and sdists)
    return min(archives, key=_worse_sdist, default=None)


def _worse_sdist(file: IndexFile) -> tuple[bool, bool]:
    return file.yanked, not file.filename.endswith(".tar.gz")


def why_none(specifier: SpecifierSet, files: Sequence[IndexFile], target: TargetPython) -> str:
    """Say why not one of a project's files can be used, in words that follow "but"."""
    if not files:
        return "no project of that name was found"
    fitting = [file for group in by_version(specifier, files).values() for file in group]
    if not fitting:
        return _no_version(specifier, files)
    if not any(runs_on(file, target.python_version) for file in fitting):
        return _other_python(fitting[0], target.python_version)
    named = _listed([file.filename for file in fitting])
    return f"there are only wheels for other platforms or interpreters: {named}"


# Yanked ones go last, then it is as with pip: the best tag, then the highest build number.
_Rank: TypeAlias = tuple[bool, int, tuple[int, str]]


def _rank(file: IndexFile, ranks: dict[Tag, int]) -> _Rank | None:
    if file.kind != "wheel" or (read := _wheel(file.filename)) is None:
        return None
    build, tags = read
    best = min((ranks[tag] for tag in tags if tag in ranks), default=None)
    return (
        None if best is None else (file.yanked, best, (-build[0], build[1]) if build else (0, ""))
    )


@lru_cache(maxsize=1 << 14)
def _wheel(filename: str) -> tuple[BuildTag, frozenset[Tag]] | None:
    try:
        return parse_wheel_filename(filename)[2:]
    except InvalidWheelFilename:
        return None


def runs_on(file: IndexFile, python_version: str) -> bool:
    """Tell whether a file's Requires-Python allows an interpreter; nonsense allows all."""
    return not file.requires_python or _allows(file.requires_python, python_version)


@lru_cache(maxsize=1 << 12)
def _allows(requires_python: str, python_version: str) -> bool:
    try:
        wanted = SpecifierSet(requires_python)
    except InvalidSpecifier:
        return True
    return wanted.contains(python_version, prereleases=True)


def _other_python(file: IndexFile, python_version: str) -> str:
    return f"version {file.version} needs Python {file.requires_python}, this is {python_version}"


def _no_version(specifier: SpecifierSet, files: Iterable[IndexFile]) -> str:
    versions = sorted({version_of(file.version) for file in files}, reverse=True)
    if yanked := [str(version) for version in specifier.filter(versions)]:
        return f"all such versions were yanked: {_listed(yanked)}; only == takes one"
    return f"no such version; there are {_listed([str(version) for version in versions])}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
