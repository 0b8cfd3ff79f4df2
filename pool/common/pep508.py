"""Requirements, specifiers, versions and markers as text: strict, and as old metadata has them.

`packaging` recurses into parentheses, and converts numbers of any length to integers. So text is
bounded first, and each reader raises only the error of its kind. The lenient readers are for
metadata that other people have published: its authors cannot be reached, and pip and uv install it.
They accept what can have only one meaning (PEP 440, PEP 508); they never drop a part.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version  # noqa: TID251 - raises it for all errors

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "MAX_LENGTH",
    "lenient_requirement",
    "lenient_specifiers",
    "strict_marker",
    "strict_requirement",
    "strict_version",
]

MAX_LENGTH = 4000
"""Characters of a requirement or version. Python refuses integers of more than 4,300 digits."""

T = TypeVar("T")


def strict_requirement(text: str) -> Requirement:
    """Parse a requirement (PEP 508).

    Raises:
        InvalidRequirement: it is not valid, or too long or nested too deeply.
    """
    return _parse(text, Requirement, InvalidRequirement)


def strict_marker(text: str) -> Marker:
    """Parse a marker; raises InvalidMarker as `strict_requirement` raises its error."""
    return _parse(text, Marker, InvalidMarker)


def strict_version(text: str) -> Version:
    """Parse a version (PEP 440); raises InvalidVersion as `strict_requirement` its error."""
    return _parse(text, Version, InvalidVersion)


def _parse(text: str, parse: Callable[[str], T], error: type[ValueError]) -> T:
    if len(text) > MAX_LENGTH:
        raise error(f"it has {len(text):,} characters, more than {MAX_LENGTH:,}")
    try:
        return parse(text)
    except RecursionError as problem:
        raise error("it is nested too deeply") from problem
    except error:
        raise
    except ValueError as problem:
        raise error(str(problem)) from problem


def lenient_specifiers(text: str) -> SpecifierSet:
    """Parse a Requires-Python, or the specifiers of a requirement, from published metadata.

    Raises:
        InvalidSpecifier: it cannot be read.
    """
    try:
        return _parse(text, SpecifierSet, InvalidSpecifier)
    except InvalidSpecifier:
        clauses = _repair_clauses(text) if len(text) <= MAX_LENGTH else None
        if clauses is None:
            raise
        return _parse(",".join(clauses), SpecifierSet, InvalidSpecifier)


_HEAD = re.compile(
    r"""['"]?(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)['"]?\s*(?P<extras>\[[^][]*\])?\s*(?P<rest>.*)""",
    re.DOTALL,
)


def lenient_requirement(text: str) -> Requirement:
    """Parse a Requires-Dist from published metadata.

    Raises:
        InvalidRequirement: it cannot be read.
    """
    try:
        return strict_requirement(text)
    except InvalidRequirement:
        repaired = _repair_requirement(text) if len(text) <= MAX_LENGTH else None
        if repaired is None:
            raise
        return strict_requirement(repaired)


def _repair_requirement(text: str) -> str | None:
    """Return a requirement in today's grammar; None if it has no clear meaning."""
    body, _, marker = text.partition(";")
    head = _HEAD.fullmatch(body.strip())
    if head is None or head["rest"].startswith("@"):
        return None
    rest = head["rest"].strip(" \t'\"")
    if rest.startswith("(") and rest.endswith(")"):
        rest = rest[1:-1]
    clauses = _repair_clauses(rest)
    if clauses is None:
        return None
    condition = f"; {marker}" if marker.strip() else ""
    return f"{head['name']}{head['extras'] or ''}{','.join(clauses)}{condition}"


_CLAUSE = re.compile(
    r"[\s,]*(?P<operator>===|==|~=|!=~|!=|<=|>=|<|>)\s*(?P<version>[^\s,<>=!~^()]+)[\s,]*"
)


def _repair_clauses(text: str) -> list[str] | None:
    """Return the clauses of specifiers, each repaired; None if a part of the text is not one."""
    text = text.replace("'", "").replace('"', "").strip()
    clauses, at = list[str](), 0
    while at < len(text):
        if (match := _CLAUSE.match(text, at)) is None:
            return None
        clauses.append(_repair_clause(match["operator"], match["version"]))
        at = match.end()
    return clauses


_WITHOUT_DOT = re.compile(r"(?<=\d)\*$")
_STARS = re.compile(r"(\.\*)+$")
_ZERO_AFTER_PRERELEASE = re.compile(r"((?:a|b|rc|post|dev)\d+)\.0$")


def _repair_clause(operator: str, version: str) -> str:
    """Return a clause with a version that its operator allows."""
    version = _STARS.sub(".*", _WITHOUT_DOT.sub(".*", version))
    version = _ZERO_AFTER_PRERELEASE.sub(r"\1", version)
    if operator == "!=~":  # Everything but that release series: jupyter-core (!=~5.0)
        return f"!={version.removesuffix('.*')}.*"
    if operator not in ("==", "!=", "==="):  # An order of versions has no place for a star.
        version = version.removesuffix(".*")
    if version == "dev":  # pytz (>dev): any version, development releases as well
        version = "0.0.0.dev0"
    return f"{operator}{version}"
