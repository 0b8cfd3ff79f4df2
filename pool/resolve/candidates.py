"""Which file of a project to use: a pure choice among the files that an index lists."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from pool.common.pep508 import lenient_specifiers
from pool.common.text import clean_text
from pool.sources.index.simple_api import IndexFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from packaging.tags import Tag
    from packaging.utils import BuildTag

    from pool.requirements.target_python import TargetPython

__all__ = [
    "IndexFile",
    "best_file",
    "explain_absence",
    "group_by_version",
    "parse_version",
    "supports_python",
]

_MAX_NAMED = 5
"""The most versions or files that a message names."""
# Pages repeat versions, and are read again and again: each version is parsed once.
parse_version = lru_cache(maxsize=1 << 16)(Version)


def group_by_version(
    specifier: SpecifierSet, files: Iterable[IndexFile], *, pre: bool = False
) -> dict[Version, list[IndexFile]]:
    """Group the files that a specifier allows by version, the newest first.

    Pre-releases are allowed if no final release matches or the specifier names one (PEP 440), or
    always with ``pre``. Yanked files are allowed only if the version is pinned (PEP 592).
    """
    pinned = any(one.operator in ("==", "===") and "*" not in one.version for one in specifier)
    groups: dict[Version, list[IndexFile]] = {}
    for file in files:
        if pinned or not file.yanked:
            groups.setdefault(parse_version(file.version), []).append(file)
    fitting = specifier.filter(groups, prereleases=pre or None)
    return {version: groups[version] for version in sorted(fitting, reverse=True)}


def best_file(
    files: Iterable[IndexFile],
    target: TargetPython,
    ranks: dict[Tag, int],
    *,
    wheels: bool = True,
    sdists: bool = True,
) -> IndexFile | None:
    """Return the best file of one version for an interpreter: a compatible wheel, or the sdist."""
    supported = [file for file in files if supports_python(file, target.python_version)]
    ranked = [(rank, file) for file in supported if (rank := _rank(file, ranks)) is not None]
    if ranked and wheels:
        return min(ranked, key=lambda pair: pair[0])[1]
    archives = (file for file in supported if file.kind == "sdist" and sdists)
    return min(archives, key=_sdist_rank, default=None)


def _sdist_rank(file: IndexFile) -> tuple[bool, bool]:
    return file.yanked, not file.filename.endswith(".tar.gz")


def explain_absence(
    specifier: SpecifierSet, files: Sequence[IndexFile], target: TargetPython
) -> str:
    """Return why none of a project's files can be used, as words that follow "but"."""
    if not files:
        return "no project of that name was found"
    fitting = [file for group in group_by_version(specifier, files).values() for file in group]
    if not fitting:
        return _explain_no_version(specifier, files)
    if not any(supports_python(file, target.python_version) for file in fitting):
        return _explain_python(fitting[0], target.python_version)
    named = _join([file.filename for file in fitting])
    return f"there are only wheels for other platforms or interpreters: {named}"


# Yanked files last; then as in pip: the best tag, then the highest build number.
_Rank: TypeAlias = tuple[bool, int, tuple[int, str]]


def _rank(file: IndexFile, ranks: dict[Tag, int]) -> _Rank | None:
    if file.kind != "wheel" or (parsed := _parse_wheel(file.filename)) is None:
        return None
    build, tags = parsed
    best = min((ranks[tag] for tag in tags if tag in ranks), default=None)
    return (
        None if best is None else (file.yanked, best, (-build[0], build[1]) if build else (0, ""))
    )


@lru_cache(maxsize=1 << 14)
def _parse_wheel(filename: str) -> tuple[BuildTag, frozenset[Tag]] | None:
    try:
        return parse_wheel_filename(filename)[2:]
    except ValueError:
        return None


def supports_python(file: IndexFile, python_version: str) -> bool:
    """Return whether a file's Requires-Python can be read and allows an interpreter."""
    return not file.requires_python or _allows(file.requires_python, python_version)


@lru_cache(maxsize=1 << 12)
def _allows(requires_python: str, python_version: str) -> bool:
    try:
        specifier = lenient_specifiers(requires_python)
    except InvalidSpecifier:
        return False
    return specifier.contains(python_version, prereleases=True)


def _explain_python(file: IndexFile, python_version: str) -> str:
    needs = clean_text(file.requires_python or "")
    try:
        lenient_specifiers(needs)
    except InvalidSpecifier:
        return f"version {file.version} has a Requires-Python that cannot be read: {needs!r}"
    return f"version {file.version} needs Python {needs}, this is {python_version}"


def _explain_no_version(specifier: SpecifierSet, files: Iterable[IndexFile]) -> str:
    versions = sorted({parse_version(file.version) for file in files}, reverse=True)
    if yanked := [str(version) for version in specifier.filter(versions)]:
        return f"all such versions were yanked: {_join(yanked)}; only == takes one"
    return f"no such version; there are {_join([str(version) for version in versions])}"


def _join(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more
