"""Static metadata of sources: read without a build if a build would give the same.

An sdist declares that in PKG-INFO (PEP 643), a source tree in ``[project]`` (PEP 621). If a
relevant field is dynamic, or only a legacy build knows it, the result is None, and a build is
needed. No code of the project is run, and nothing is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from packaging.markers import Marker
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from pool.common.pep508 import strict_requirement
from pool.sources.archives.archive import is_named_after, open_members
from pool.sources.archives.member import MemberKind
from pool.sources.core_metadata import parse_headers
from pool.sources.pyproject import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from pathlib import Path

    from pool.sources.archives.member import Reader

__all__ = ["MAX_BYTES", "MAX_METADATA", "read_static_metadata", "read_static_tree_metadata"]

MAX_BYTES = 128 << 20
"""The most unpacked bytes that are searched; most backends put PKG-INFO last."""
MAX_METADATA = 4 << 20
"""Bytes; a longer PKG-INFO is not used."""

_STATIC_SINCE = Version("2.2")
_RELEVANT_FIELDS = {"name", "version", "requires-python", "requires-dist", "provides-extra"}
"""Fields that must be static; others, such as the description, do not matter."""
_RELEVANT_KEYS = {"version", "requires-python", "dependencies", "optional-dependencies"}
"""The same fields by their names in ``[project]``."""


def read_static_metadata(sdist: Path) -> str | None:
    """Return an sdist's PKG-INFO if each wheel built from it has the same metadata; else None.

    Raises:
        ArchiveError: the sdist is damaged.
        OSError: the sdist cannot be read.
    """
    content = _read_pkg_info(sdist)
    try:
        text = (content or b"").decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if _is_static(parse_headers(text)) else None


def _is_static(headers: Message) -> bool:
    try:
        since = Version(headers.get("Metadata-Version", "0"))
    except ValueError:
        return False
    dynamic = {str(field).strip().lower() for field in headers.get_all("Dynamic", [])}
    complete = "Name" in headers and "Version" in headers
    return complete and since >= _STATIC_SINCE and not dynamic & _RELEVANT_FIELDS


def _read_pkg_info(sdist: Path) -> bytes | None:
    """Return PKG-INFO in the folder that is named like the sdist; None if it is not found."""
    searched = 0
    with open_members(sdist) as (members, limits):
        for member, content in members:
            limits.count_entry()
            searched += member.size
            if _is_pkg_info(member.name, sdist):
                small = member.kind is MemberKind.FILE and member.size <= MAX_METADATA
                return _read_all(content, member.size) if small else None
            if searched > MAX_BYTES:
                return None
    return None


def _is_pkg_info(name: str, sdist: Path) -> bool:
    match [part for part in name.split("/") if part not in ("", ".")]:
        case [folder, "PKG-INFO"]:
            return is_named_after(folder, sdist.name)
        case _:
            return False


def _read_all(content: Reader, size: int) -> bytes:
    chunks = []
    while size and (chunk := content.read(size)):
        chunks.append(chunk)
        size -= len(chunk)
    if size:
        raise EOFError("it is truncated")
    return b"".join(chunks)


# Trees


def read_static_tree_metadata(tree: Path) -> str | None:
    """Return METADATA made from a tree's ``[project]`` if the fields are static; else None.

    Raises:
        OSError: pyproject.toml exists but cannot be read.
    """
    try:
        table = read_toml(tree / "pyproject.toml")
        lines = list(_metadata_lines(table))
    except (FileNotFoundError, _NotStaticError, *_INVALID_ERRORS):
        return None  # If it is invalid, the build reports why.
    return "\n".join([*lines, "", ""])


_INVALID_ERRORS = (
    # Values may have any type.
    ValueError,
    RecursionError,
    AttributeError,
    KeyError,
    TypeError,
)


class _NotStaticError(Exception):
    """Only a build has this metadata."""


def _metadata_lines(table: dict[str, Any]) -> Iterator[str]:
    project = table["project"]
    poetry_dependencies = "dependencies" in table.get("tool", {}).get("poetry", {})
    if _RELEVANT_KEYS & set(project.get("dynamic", ())) or (
        poetry_dependencies and "dependencies" not in project
    ):
        raise _NotStaticError
    yield "Metadata-Version: 2.2"
    yield f"Name: {_check_name(project['name'])}"
    yield f"Version: {Version(project['version'])}"
    if python := project.get("requires-python"):
        yield f"Requires-Python: {SpecifierSet(python)}"
    for text in _check_list(project.get("dependencies", [])):
        yield f"Requires-Dist: {strict_requirement(text)}"
    for extra, texts in project.get("optional-dependencies", {}).items():
        yield from _extra_lines(canonicalize_name(extra), _check_list(texts))


def _extra_lines(extra: str, texts: list[str]) -> Iterator[str]:
    yield f"Provides-Extra: {extra}"
    for text in texts:
        requirement = strict_requirement(text)
        condition = f'extra == "{extra}"'
        if requirement.marker is not None:
            condition = f"({requirement.marker}) and {condition}"
        requirement.marker = Marker(condition)
        yield f"Requires-Dist: {requirement}"


def _check_name(name: str) -> str:
    """Return a valid name: a line break in it would add fields."""
    return strict_requirement(name).name


def _check_list(texts: object) -> list[str]:
    if not isinstance(texts, list):
        raise TypeError(texts)
    return texts
