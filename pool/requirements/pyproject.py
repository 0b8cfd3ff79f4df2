"""Requirements in pyproject.toml: dependency groups (PEP 735) and the project's dependencies.

Reads only static values; ``dynamic`` ones, which the backend computes, are unknown here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from packaging.dependency_groups import DependencyGroupResolver
from packaging.requirements import InvalidRequirement
from packaging.utils import NormalizedName, canonicalize_name

from pool.common.errors import RequirementsFileError, TargetError, os_error_text
from pool.common.pep508 import strict_requirement
from pool.common.record import Record
from pool.common.redaction import redact_urls
from pool.requirements.request import RequirementSpec, parse_requirement
from pool.sources.pyproject import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "Dependencies",
    "GroupName",
    "parse_group",
    "read_dependencies",
    "read_dependency_group",
]


class GroupName(NamedTuple):
    """A dependency group and its file."""

    pyproject: Path
    group: str


def parse_group(text: str) -> GroupName:
    """Parse ``name`` or ``path/pyproject.toml:name``, as pip's ``--group`` does.

    Raises:
        RequirementsFileError: the file is not called pyproject.toml.
    """
    path, colon, group = text.rpartition(":")
    if colon and Path(path).name != "pyproject.toml":
        raise RequirementsFileError(
            f"--group {text}: the file must be a pyproject.toml",
            hint="write --group name, or --group path/pyproject.toml:name",
        )
    return GroupName(Path(path or "pyproject.toml"), group)


def read_dependency_group(pyproject: Path, group: str) -> tuple[RequirementSpec, ...]:
    """Return the requirements of a dependency group and of the groups that it includes.

    Raises:
        RequirementsFileError: the file or group does not exist, or is invalid.
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
        raise _group_error(problem, origin) from problem
    return tuple(_parse(str(one), origin, pyproject) for one in dict.fromkeys(requirements))


def _group_error(problem: ExceptionGroup, origin: str) -> Exception:
    # The same error may be found through several includes.
    reasons = dict.fromkeys(" ".join(str(one).split()) for one in _leaves(problem))
    errors = [RequirementsFileError(f"{origin}: {redact_urls(reason)}") for reason in reasons]
    return errors[0] if len(errors) == 1 else ExceptionGroup(f"{origin} is invalid", errors)


def _leaves(problem: ExceptionGroup) -> Iterable[Exception]:
    for one in problem.exceptions:
        yield from _leaves(one) if isinstance(one, ExceptionGroup) else (one,)


class Dependencies(Record, frozen=True, kw_only=True):
    """The static dependencies of a project."""

    required: tuple[RequirementSpec, ...] | None
    """None if only the backend knows them (``dynamic``, or no ``[project]``)."""
    optional: Mapping[NormalizedName, tuple[RequirementSpec, ...]] | None
    """By extra; None if only the backend knows them."""


def read_dependencies(tree: Path) -> Dependencies:
    """Return the static dependencies of a source tree (PEP 621).

    Raises:
        RequirementsFileError: they are invalid.
    """
    path = tree / "pyproject.toml"
    project = _table(_read(path), "project", path) if path.is_file() else None
    if project is None or "name" not in project:
        return Dependencies(required=None, optional=None)
    dynamic = project.get("dynamic", [])
    required = optional = None
    if "dependencies" not in dynamic:
        required = _parse_all(project, "dependencies", path)
    if "optional-dependencies" not in dynamic:
        extras = _table(project, "optional-dependencies", path)
        optional = {canonicalize_name(extra): _parse_all(extras, extra, path) for extra in extras}
    return Dependencies(required=required, optional=optional)


def _parse_all(table: Mapping[str, Any], key: str, path: Path) -> tuple[RequirementSpec, ...]:
    requirements = table.get(key, [])
    origin = f"{path} [project] {key}"
    if not isinstance(requirements, list) or not all(isinstance(r, str) for r in requirements):
        raise RequirementsFileError(f"{origin}: must be a list of strings")
    return tuple(_parse(text, origin, path) for text in requirements)


def _parse(text: str, origin: str, path: Path) -> RequirementSpec:
    try:
        # Parsed as a requirement first: a path is not allowed here.
        return parse_requirement(
            str(strict_requirement(text)), path.absolute().parent, origin=origin, bare_folders=False
        )
    except (InvalidRequirement, TargetError) as problem:
        reason = str(problem).splitlines()[0]
        raise RequirementsFileError(
            f"{origin}: {redact_urls(text)!r}: {redact_urls(reason)}"
        ) from problem


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return read_toml(path)
    except (ValueError, RecursionError) as problem:
        raise RequirementsFileError(f"{path}: not valid TOML: {problem}") from problem
    except OSError as problem:
        reason = os_error_text(problem)
        raise RequirementsFileError(f"{path}: {reason}") from problem


def _table(table: Mapping[str, Any], key: str, path: Path) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise RequirementsFileError(f"{path}: {key} must be a table")
    return value
