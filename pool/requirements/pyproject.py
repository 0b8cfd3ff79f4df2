"""What a pyproject.toml asks for: dependency groups (PEP 735), and the project's own dependencies.

Only what is written there; what a backend would work out (``dynamic``) is not known here.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.dependency_groups import DependencyGroupResolver
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name

from pool.common.errors import RequirementsFileError, TargetError, os_error_text
from pool.common.redaction import redact_urls
from pool.requirements.request import RequirementSpec, parse_requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "Dependencies",
    "GroupName",
    "group_requirements",
    "parse_group",
    "project_dependencies",
]


class GroupName(NamedTuple):
    """A group, and the file that has it."""

    pyproject: Path
    group: str


def parse_group(text: str) -> GroupName:
    """Take ``name`` or ``path/pyproject.toml:name`` apart, as pip's ``--group`` does.

    Raises:
        RequirementsFileError: the file has another name.
    """
    path, colon, group = text.rpartition(":")
    if colon and Path(path).name != "pyproject.toml":
        raise RequirementsFileError(
            f"--group {text}: the file must be a pyproject.toml",
            hint="write --group name, or --group path/pyproject.toml:name",
        )
    return GroupName(Path(path or "pyproject.toml"), group)


def group_requirements(pyproject: Path, group: str) -> tuple[RequirementSpec, ...]:
    """Return what a dependency group asks for, included groups and all.

    Raises:
        RequirementsFileError: there is no such file or group, or it is wrong.
        ExceptionGroup: of several of them.
    """
    groups = _table(_read(pyproject), "dependency-groups", pyproject)
    if canonicalize_name(group) not in map(canonicalize_name, groups):
        raise RequirementsFileError(
            f"{pyproject}: has no dependency group {group!r}",
            hint=f"it has: {', '.join(groups)}" if groups else "it has no [dependency-groups]",
        )
    origin = f"{pyproject} [dependency-groups] {group}"
    try:
        requirements = DependencyGroupResolver(groups).resolve(group)
    except ExceptionGroup as problem:
        raise _told(problem, origin) from problem
    return tuple(_wish(str(one), origin, pyproject) for one in dict.fromkeys(requirements))


def _told(problem: ExceptionGroup, origin: str) -> Exception:
    # One mistake may be found on several ways.
    reasons = dict.fromkeys(" ".join(str(one).split()) for one in _leaves(problem))
    told = [RequirementsFileError(f"{origin}: {redact_urls(reason)}") for reason in reasons]
    return told[0] if len(told) == 1 else ExceptionGroup(f"{origin} is wrong", told)


def _leaves(problem: ExceptionGroup) -> Iterable[Exception]:
    for one in problem.exceptions:
        yield from _leaves(one) if isinstance(one, ExceptionGroup) else (one,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What a project requires, as far as its pyproject.toml tells."""

    required: tuple[RequirementSpec, ...] | None
    """None where only the backend knows (``dynamic``, or no ``[project]``)."""
    optional: Mapping[NormalizedName, tuple[RequirementSpec, ...]] | None
    """By extra; None likewise."""


def project_dependencies(tree: Path) -> Dependencies:
    """Return the dependencies that a tree states (PEP 621).

    Raises:
        RequirementsFileError: they are wrong.
    """
    path = tree / "pyproject.toml"
    project = _table(_read(path), "project", path) if path.is_file() else None
    if project is None or "name" not in project:
        return Dependencies(required=None, optional=None)
    dynamic = project.get("dynamic", [])
    required = optional = None
    if "dependencies" not in dynamic:
        required = _wishes(project, "dependencies", path)
    if "optional-dependencies" not in dynamic:
        extras = _table(project, "optional-dependencies", path)
        optional = {canonicalize_name(extra): _wishes(extras, extra, path) for extra in extras}
    return Dependencies(required=required, optional=optional)


def _wishes(table: Mapping[str, Any], key: str, path: Path) -> tuple[RequirementSpec, ...]:
    requirements = table.get(key, [])
    origin = f"{path} [project] {key}"
    if not isinstance(requirements, list) or not all(isinstance(r, str) for r in requirements):
        raise RequirementsFileError(f"{origin}: must be a list of strings")
    return tuple(_wish(text, origin, path) for text in requirements)


def _wish(text: str, origin: str, path: Path) -> RequirementSpec:
    try:
        # It has to be one by itself: a path would be taken for something else.
        return parse_requirement(
            str(Requirement(text)), path.absolute().parent, origin=origin, bare_folders=False
        )
    except (InvalidRequirement, TargetError) as problem:
        reason = str(problem).splitlines()[0]
        raise RequirementsFileError(
            f"{origin}: {redact_urls(text)!r}: {redact_urls(reason)}"
        ) from problem


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise RequirementsFileError(f"{path}: not valid TOML: {problem}") from problem
    except OSError as problem:
        reason = os_error_text(problem)
        raise RequirementsFileError(f"{path}: {reason}") from problem


def _table(table: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise RequirementsFileError(f"{path}: {key} must be a table")
    return value
