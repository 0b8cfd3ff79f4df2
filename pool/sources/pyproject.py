"""The build system and static metadata in pyproject.toml (PEP 517, 518, 621)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from pool.common.errors import ProjectError, os_error_text
from pool.common.files import open_regular, read_limited

__all__ = ["LEGACY_BACKEND", "Project", "read_project", "read_toml"]

LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
LEGACY_REQUIRES = ("setuptools>=40.8.0",)
MAX_TOML_BYTES = 4 << 20
"""A longer pyproject.toml is refused; the longest have some 100 kB."""


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """The build system of a source tree, and its name and version if they are static."""

    requires: tuple[str, ...]
    backend: str
    backend_path: tuple[str, ...] = ()
    name: str | None = None
    version: str | None = None


def read_project(tree: Path) -> Project:
    """Read a tree's pyproject.toml; without one it is a legacy setuptools project.

    Raises:
        ProjectError: the file is invalid, or violates PEP 517 or 518; the key is named.
    """
    path = tree / "pyproject.toml"
    try:
        table = read_toml(path)
    except FileNotFoundError:
        return _legacy_project(tree)
    except (ValueError, RecursionError) as problem:
        raise ProjectError(f"{path}: not valid TOML: {problem}") from problem
    except OSError as problem:
        raise ProjectError(f"{path}: {os_error_text(problem)}") from problem
    return _parse_project(table, path)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file of others.

    Raises:
        ValueError, RecursionError: it is not valid.
        OSError: it cannot be read, is no regular file, or has more than `MAX_TOML_BYTES`.
    """
    import tomllib

    with open_regular(path) as file:
        return tomllib.loads(read_limited(file, MAX_TOML_BYTES).decode("utf-8"))


def _legacy_project(tree: Path) -> Project:
    if not (tree / "setup.py").is_file():
        raise ProjectError(f"{tree}: not a project: it has no pyproject.toml and no setup.py")
    return Project(requires=LEGACY_REQUIRES, backend=LEGACY_BACKEND)


def _parse_project(table: dict[str, Any], path: Path) -> Project:
    static = _table(table, "project", path)
    name, version = static.get("name"), static.get("version")
    project = Project(
        requires=LEGACY_REQUIRES,
        backend=LEGACY_BACKEND,
        name=name if isinstance(name, str) else None,
        version=version if isinstance(version, str) else None,
    )
    return _add_build_system(project, table, path) if "build-system" in table else project


def _add_build_system(project: Project, table: dict[str, Any], path: Path) -> Project:
    from packaging.requirements import InvalidRequirement

    from pool.common.pep508 import strict_requirement

    system = _table(table, "build-system", path)
    if "requires" not in system:
        raise ProjectError(f"{path}: [build-system] has no requires (PEP 518)")
    requires = _string_list(system, "requires", path)
    for text in requires:
        try:
            strict_requirement(text)
        except InvalidRequirement as problem:
            reason = str(problem).splitlines()[0]
            raise ProjectError(f"{path}: build requirement {text!r}: {reason}") from problem
    backend = system.get("build-backend", LEGACY_BACKEND)
    if not isinstance(backend, str) or not backend.strip():
        raise ProjectError(f"{path}: build-backend must be a string")
    return msgspec.structs.replace(
        project,
        requires=tuple(requires),
        backend=backend,
        backend_path=tuple(_backend_path(system, path)),
    )


def _backend_path(system: dict[str, Any], path: Path) -> list[str]:
    # A string is no list (PEP 517), but pip builds sdists of the past that have one: `"."`.
    value = system.get("backend-path")
    folders = [value] if isinstance(value, str) else _string_list(system, "backend-path", path)
    tree = path.parent.resolve()
    for folder in folders:
        if Path(folder).is_absolute() or not (tree / folder).resolve().is_relative_to(tree):
            raise ProjectError(f"{path}: backend-path {folder!r} is outside of the tree")
    return folders


def _table(table: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise ProjectError(f"{path}: {key} must be a table")
    return value


def _string_list(table: dict[str, Any], key: str, path: Path) -> list[str]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ProjectError(f"{path}: {key} must be a list of strings")
    return value
